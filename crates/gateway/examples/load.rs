//! What the gateway costs: requests a second through it, to an engine that answers at once, against
//! a bare echo server under the same load in the same process. Ratios carry over to other
//! machines, figures do not.
//!
//! `cargo run --release -p gateway --example load [seconds a cell]`

#![expect(clippy::print_stdout, reason = "a program for people")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use gateway::{Arm, Options, Route, RoutingTable};
use http_body_util::{BodyExt as _, Full};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use inference::frame::{Answer, Reply, decode_request, encode_reply};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Thirty numbers, as rows and as a protocol request; with what labels need and without.
const CELLS: [(&str, &str); 3] = [
    ("protocol", "/plain/prod/m/v2/models/m/infer"),
    ("rows", "/plain/prod/m"),
    ("rows, joined and sticky", "/joined/prod/m"),
];

fn main() -> Result<(), Failure> {
    let seconds = std::env::args()
        .nth(1)
        .map_or(Ok(3.0), |text| text.parse())?;
    let cell = Duration::from_secs_f64(seconds);
    let folder = tempfile::tempdir()?;
    let socket = folder.path().join("engine.sock");
    let engine = std::os::unix::net::UnixListener::bind(&socket)?;
    engine.set_nonblocking(true)?;
    std::thread::spawn(move || runtime()?.block_on(serve_engine(engine)));

    let mut options = Options::new(folder.path().join("state"), "127.0.0.1:0".parse()?);
    prepare(&options.state_dir, &socket)?;
    options.threads = std::thread::available_parallelism()?;
    let server = tokio::runtime::Runtime::new()?;
    let stop = CancellationToken::new();
    let gateway = server.block_on(gateway::start(options, stop.clone()))?;
    let echo = server.block_on(TcpListener::bind("127.0.0.1:0"))?;
    let echo_address = echo.local_addr()?;
    server.spawn(serve_echo(echo));

    println!(
        "{:<26}{:>8}{:>12}{:>10}{:>10}{:>8}",
        "", "clients", "requests/s", "p50 us", "p99 us", "x echo"
    );
    for clients in [1, 8, 64] {
        let body = body(CELLS[0].1);
        let base = load(echo_address, "/", &body, clients, cell)?;
        report("echo", clients, &base, base.per_second);
        for (name, path) in CELLS {
            let got = load(gateway.address(), path, &self::body(path), clients, cell)?;
            report(name, clients, &got, base.per_second);
        }
    }
    stop.cancel();
    server.block_on(gateway.stopped())?;
    Ok(())
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}

/// The table is read at start, so no administrator is needed.
fn prepare(state: &Path, socket: &Path) -> Result<(), Failure> {
    let route = |project: &str, key: Option<&str>| Route {
        project: project.into(),
        environment: "prod".into(),
        service: "m".into(),
        sticky: key.map(str::to_owned),
        join: key.map(str::to_owned),
        salt: "a".into(),
        arms: vec![Arm {
            version: 1,
            model: "m".into(),
            weight: 1.0,
            replicas: vec![PathBuf::from(socket)],
        }],
        ..Route::default()
    };
    let table = RoutingTable {
        generation: 1,
        routes: vec![route("plain", None), route("joined", Some("request_id"))],
    };
    std::fs::create_dir_all(state)?;
    std::fs::write(state.join("routes.json"), serde_json::to_vec(&table)?)?;
    Ok(())
}

fn body(path: &str) -> String {
    let numbers: Vec<f64> = (0..30_u8)
        .map(|n| f64::from(n) * 1.37 + 0.123_456)
        .collect();
    if path.ends_with("infer") {
        return serde_json::json!({ "id": "request-000001", "inputs": [
            { "name": "x", "datatype": "FP32", "shape": [1, 30], "data": numbers }
        ] })
        .to_string();
    }
    serde_json::json!({ "request_id": "request-000001", "x": numbers }).to_string()
}

async fn serve_engine(listener: std::os::unix::net::UnixListener) -> Result<(), std::io::Error> {
    let listener = UnixListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(answer_frames(stream));
    }
}

/// Answers each frame with a prediction, as many in one write as came in one read.
async fn answer_frames(mut stream: UnixStream) -> Result<(), Failure> {
    let reply = Reply::Answer(Answer {
        status: 200,
        compute_micros: 1,
        predictions: vec![12.5],
        json: 0,
        body: Bytes::from_static(b"{\"prediction\":12.5}"),
    });
    let (mut buffer, mut out) = (BytesMut::with_capacity(1 << 16), BytesMut::new());
    while stream.read_buf(&mut buffer).await? > 0 {
        while let Some((id, _)) = decode_request(&mut buffer)? {
            encode_reply(id, &reply, &mut out)?;
        }
        stream.write_all(&out).await?;
        out.clear();
    }
    Ok(())
}

async fn serve_echo(listener: TcpListener) -> Result<(), std::io::Error> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let echo = service_fn(async |request: http::Request<hyper::body::Incoming>| {
            let body = request
                .into_body()
                .collect()
                .await
                .map(http_body_util::Collected::to_bytes);
            Ok::<_, Infallible>(http::Response::new(Full::new(body.unwrap_or_default())))
        });
        let serve = hyper::server::conn::http1::Builder::new();
        tokio::spawn(serve.serve_connection(TokioIo::new(stream), echo));
    }
}

/// What a cell measured.
struct Load {
    per_second: f64,
    micros: Vec<u32>,
}

/// Keeps `clients` connections busy, one request at a time each.
fn load(
    address: SocketAddr,
    path: &str,
    body: &str,
    clients: usize,
    cell: Duration,
) -> Result<Load, Failure> {
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let began = Instant::now();
    let until = began + cell;
    let micros = runtime()?.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..clients {
            tasks.spawn(client(address, request.clone(), until));
        }
        let mut all = Vec::new();
        while let Some(task) = tasks.join_next().await {
            all.extend(task??);
        }
        Ok::<_, Failure>(all)
    })?;
    let count = f64::from(u32::try_from(micros.len())?);
    Ok(Load {
        per_second: count / began.elapsed().as_secs_f64(),
        micros,
    })
}

async fn client(address: SocketAddr, request: String, until: Instant) -> Result<Vec<u32>, Failure> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(4096);
    let mut micros = Vec::new();
    while Instant::now() < until {
        let sent = Instant::now();
        stream.write_all(request.as_bytes()).await?;
        buffer.clear();
        while !is_whole(&buffer)? {
            if stream.read_buf(&mut buffer).await? == 0 {
                return Err("the server closed the connection".into());
            }
        }
        micros.push(u32::try_from(sent.elapsed().as_micros())?);
    }
    Ok(micros)
}

/// Whether the buffer holds an answer of 200 and all of its body.
fn is_whole(buffer: &[u8]) -> Result<bool, Failure> {
    let Some(head) = buffer.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(false);
    };
    let text = std::str::from_utf8(&buffer[..head])?;
    if !text.starts_with("HTTP/1.1 200") {
        return Err(text.to_owned().into());
    }
    let length = text
        .split("content-length: ")
        .nth(1)
        .and_then(|rest| rest.lines().next());
    Ok(buffer.len() >= head + 4 + length.unwrap_or("0").parse::<usize>()?)
}

fn report(name: &str, clients: usize, load: &Load, echo: f64) {
    let mut micros = load.micros.clone();
    micros.sort_unstable();
    let at = |part: usize| micros.get(micros.len() * part / 100).copied().unwrap_or(0);
    let (p50, p99, rate) = (at(50), at(99), load.per_second);
    println!(
        "{name:<26}{clients:>8}{rate:>12.0}{p50:>10}{p99:>10}{:>8.2}",
        rate / echo
    );
}
