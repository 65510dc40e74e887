//! What one request costs in a replica, in microseconds: `cargo run --release -p engine --example
//! cost -- [LIBRARY]`.
//!
//! Measures a runner in this thread (parse, run, write), then a whole replica over its socket with
//! one and with 64 requests in flight. Figures are for comparing within one run, not for tests.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measuring tool: it prints, or stops"
)]

#[path = "../tests/it/onnx.rs"]
#[expect(dead_code, reason = "tests use the rest")]
mod onnx;

use std::io::{Read as _, Write as _};
use std::num::NonZeroUsize;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use engine::model::Model;
use engine::{EngineOptions, Evaluator};
use inference::frame::{self, Reply, Request, Wire};
use tokio_util::sync::CancellationToken;

const FEATURES: usize = 15;
const ROUNDS: usize = 20_000;

fn main() {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/test-tools/ort");
    let given = std::env::args_os().nth(1).map(PathBuf::from);
    let library =
        given.unwrap_or_else(|| engine::library::fetch(&tools, Path::new("python3")).unwrap());
    let column = |n: usize| format!("\"c{n}\":{}.25", n * 3);
    let row = format!(
        "{{{},\"request_id\":\"r-17\"}}",
        (0..FEATURES).map(column).collect::<Vec<_>>().join(",")
    );
    let numbers = |count| {
        (0..count)
            .map(|n| format!("{n}.25"))
            .collect::<Vec<_>>()
            .join(",")
    };
    let infer = |rows: usize, features: usize| {
        let data = numbers(rows * features);
        format!(
            r#"{{"inputs":[{{"name":"x","shape":[{rows},{features}],"datatype":"FP32","data":[{data}]}}]}}"#
        )
    };
    let rows = |body: &str| Request::Infer(Wire::Rows, Bytes::copy_from_slice(body.as_bytes()));
    let oip = |body: String| Request::Infer(Wire::Oip, body.into());
    let wide = onnx::forest(30, 100, 6, false);
    let columns = onnx::forest(FEATURES, 100, 6, true);
    measure(
        "1 row, 15 columns, 100 trees",
        &library,
        &columns,
        &rows(&row),
    );
    measure(
        "32 rows, 15 columns, 100 trees",
        &library,
        &columns,
        &rows(&format!("[{}]", vec![row; 32].join(","))),
    );
    measure(
        "protocol, 1 x 30, 100 trees",
        &library,
        &wide,
        &oip(infer(1, 30)),
    );
    measure(
        "protocol, 32 x 30, 100 trees",
        &library,
        &wide,
        &oip(infer(32, 30)),
    );
    measure(
        "protocol, 1 x 2, identity",
        &library,
        &onnx::identity(onnx::FLOAT),
        &oip(infer(1, 2)),
    );
}

fn measure(name: &str, library: &Path, model: &[u8], request: &Request) {
    let (_, mut runners) = Model::check(model.to_vec(), 1 << 16)
        .unwrap()
        .load(library, NonZeroUsize::MIN, Evaluator::Automatic)
        .unwrap();
    let mut compute = 0;
    let started = Instant::now();
    for _ in 0..ROUNDS {
        let answer = runners[0].answer(request);
        assert_eq!(answer.status, 200, "{answer:?}");
        compute += u64::from(answer.compute_micros);
    }
    let here = micros(started);
    drop(runners);
    let [one, many] = [1, 64].map(|window| over_socket(library, model, request, window));
    let compute = compute as f64 / ROUNDS as f64;
    println!(
        "{name:34} in process {here:6.2} (model below {:6.2})  socket {one:6.2}, 64 in flight {many:6.2}",
        compute + 1.0
    );
}

/// Mean time a request since `started`.
fn micros(started: Instant) -> f64 {
    started.elapsed().as_secs_f64() * 1e6 / ROUNDS as f64
}

/// Mean time a request through a replica on a thread of its own, `window` of them at a time.
fn over_socket(library: &Path, model: &[u8], request: &Request, window: usize) -> f64 {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("model.onnx"), model).unwrap();
    let mut options = EngineOptions::new(
        dir.path().join("model.onnx"),
        dir.path().join("engine.sock"),
    );
    options.library = Some(library.to_path_buf());
    let (socket, stop) = (options.socket.clone(), CancellationToken::new());
    let replica = std::thread::spawn({
        let stop = stop.clone();
        move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(engine::run(options, stop)).unwrap();
        }
    });
    let mut stream = loop {
        match UnixStream::connect(&socket) {
            Ok(stream) => break stream,
            Err(_) => std::thread::yield_now(),
        }
    };
    let mut batch = BytesMut::new();
    (0..window as u64).for_each(|id| frame::encode_request(id, request, &mut batch).unwrap());
    let (mut input, mut chunk) = (BytesMut::new(), vec![0; 1 << 16]);
    let started = Instant::now();
    for _ in 0..ROUNDS / window {
        stream.write_all(&batch).unwrap();
        let mut open = window;
        while open > 0 {
            let got = stream.read(&mut chunk).unwrap();
            input.extend_from_slice(&chunk[..got]);
            while let Some((_, reply)) = frame::decode_reply(&mut input).unwrap() {
                assert!(matches!(reply, Reply::Answer(answer) if answer.status == 200));
                open -= 1;
            }
        }
    }
    let mean = micros(started) * (ROUNDS as f64 / (ROUNDS / window * window) as f64);
    stop.cancel();
    replica.join().unwrap();
    mean
}
