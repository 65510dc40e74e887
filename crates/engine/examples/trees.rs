//! How much faster compiled trees are than ONNX Runtime, in process: `cargo run --release -p engine
//! --example trees -- FOLDER [MODEL | loading | library]`.
//!
//! The folder is one that tests/trees/bench.py has written. Each call gets rows of its own; both
//! evaluators are asked in turn, and the ratio is that of the medians of several rounds. `cargo xtask
//! bench trees` makes the folder, runs this, and reads what it prints: a line per model and batch. With
//! a word it measures one model alone, or says what loading takes in milliseconds, or where the library is.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measuring tool: it prints, or stops"
)]

use std::hint::black_box;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Instant;

use engine::Evaluator;
use engine::model::{Model, Runner};
use inference::tensor::{Data, Tensor};

const FEATURES: usize = 30;
const ROUNDS: usize = 15;

fn main() {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let folder = arguments.next().unwrap();
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/test-tools/ort");
    let library = engine::library::fetch(&tools, Path::new("python3")).unwrap();
    let word = arguments.next();
    let word = word.as_deref().and_then(Path::to_str).unwrap_or_default();
    match word {
        "library" => return println!("{}", library.display()),
        // What a process pays before it can answer: the library, and the model in it.
        "loading" => {
            let started = Instant::now();
            load(&library, &folder.join("gbt.onnx"), Evaluator::OnnxRuntime);
            return println!("{:.3}", started.elapsed().as_secs_f64() * 1e3);
        }
        _ => {}
    }
    let bytes = std::fs::read(folder.join("rows.f32")).unwrap();
    let rows: Vec<f32> = bytes
        .chunks_exact(4)
        .map(|four| f32::from_le_bytes(four.try_into().unwrap()))
        .collect();
    let all = ["gbt", "rf", "xgb", "lgbm"].into_iter();
    for model in all.filter(|model| word.is_empty() || word == *model) {
        let file = folder.join(model).with_extension("onnx");
        let load = |evaluator| load(&library, &file, evaluator);
        let (mut trees, mut session) = (load(Evaluator::Automatic), load(Evaluator::OnnxRuntime));
        trees.compiled().unwrap();
        for batch in [1, 32] {
            let tensors: Vec<_> = rows
                .chunks_exact(batch * FEATURES)
                .map(|rows| {
                    [Tensor {
                        shape: vec![batch, FEATURES],
                        data: Data::Fp32(rows.to_vec()),
                    }]
                })
                .collect();
            let mut micros = [Vec::new(), Vec::new()];
            for _ in 0..ROUNDS {
                micros[0].push(measure(&mut trees, &tensors));
                micros[1].push(measure(&mut session, &tensors));
            }
            let [trees, session] = micros.map(middle);
            let ratio = session / trees;
            println!("{model} b{batch} trees {trees:.3} onnxruntime {session:.3} ratio {ratio:.2}");
        }
    }
}

fn load(library: &Path, file: &Path, evaluator: Evaluator) -> Runner {
    let model = Model::read(file, 1 << 30, 1 << 16).unwrap();
    let (_, mut runners) = model.load(library, NonZeroUsize::MIN, evaluator).unwrap();
    runners.remove(0)
}

/// Mean microseconds a call.
fn measure(runner: &mut Runner, tensors: &[[Tensor; 1]]) -> f64 {
    let started = Instant::now();
    for tensor in tensors {
        black_box(runner.infer(black_box(tensor)).unwrap());
    }
    started.elapsed().as_secs_f64() * 1e6 / tensors.len() as f64
}

fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
