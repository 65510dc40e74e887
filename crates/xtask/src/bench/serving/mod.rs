//! Topic `serving`: requests through the gateway to an engine process, beside a bare echo server, the model in process, and
//! the servers that people use.
//!
//! The load generator is `wrk` with one thread, which shares the machine's cores with what it measures; every request has
//! rows of its own. Ratios are of cells of one run. Peers are asked if a Python has them.

mod bodies;
mod echo;
mod frames;
mod peers;
mod slow;
mod stage;
mod wrk;

use super::report::{Figure, median};
use super::trees;
use anyhow::Context as _;
use bodies::{Bodies, Body};
use slow::Slow;
use stage::{Engine, Stage};
use std::path::Path;
use wrk::{Load, Wrk};

const BENCH: &str = "serving";
/// Connections of the loaded cells.
const MANY: usize = 64;

/// Clients that never get to the end of a request's head.
const SLOW: usize = 1_000;
/// Where the one service is asked.
const PATH: &str = "/bench/prod/m0/v2/models/m0/infer";
/// Requests that an engine computes at a time: it may use the machine's two cores, as the peers' two workers do.
const THREADS: usize = 2;

/// Measures; takes five minutes.
pub(super) fn measure(binary: &Path) -> anyhow::Result<Vec<Figure>> {
    let models = trees::models()?;
    let library = trees::library()?;
    let limit = trees::limit()?;
    let bodies = Bodies::write(&models)?;
    let wrk = Wrk::find()?;
    let echo = echo::start()?;
    let mut figures = Vec::new();

    let engine = |onnxruntime| Engine {
        binary,
        model: models.join("gbt.onnx"),
        library: library.clone(),
        onnxruntime,
        threads: THREADS,
    };
    let onnx = Stage::start(&engine(true), 1)?;
    let ask = |body: Body, clients| wrk.load(onnx.address, PATH, &bodies.of(body), clients);
    let bare = |body: Body, clients| wrk.load(echo, "/", &bodies.of(body), clients);

    let one = rounds(|| bare(Body::Json1, MANY), || ask(Body::Json1, MANY))?;
    figures.push(Figure::told(
        BENCH,
        "echo_p99_of_p50_c64",
        tail(&one.0),
        "x",
    ));
    let onnx_tail = tail(&one.1);
    let one = (middle(one.0)?, middle(one.1)?);
    figures.push(Figure::told(BENCH, "echo_b1_c64", one.0.rate, "1/s"));
    figures.push(Figure::told(BENCH, "onnx_b1_c64", one.1.rate, "1/s"));
    figures.push(least("onnx_b1_c64_of_echo", one.1.rate / one.0.rate, 0.65));
    figures.push(tail_of("onnx_p99_of_p50_c64", onnx_tail));
    let alone = pair(|| bare(Body::Json1, 1), || ask(Body::Json1, 1))?;
    figures.push(Figure::told(
        BENCH,
        "p50_one_client",
        alone.1.p50 * 1e6,
        "us",
    ));
    figures.push(beside_echo("p50_one_client_of_echo", &alone));
    let many = ask(Body::Json32, MANY)?;
    figures.push(least("onnx_b32_c64_of_in_process", many.rate / limit, 0.7));
    let binary_body = pair(|| ask(Body::Json1, MANY), || ask(Body::Binary1, MANY))?;
    figures.push(least(
        "binary_b1_of_json",
        binary_body.1.rate / binary_body.0.rate,
        1.2,
    ));
    let binary_body = pair(|| ask(Body::Json32, MANY), || ask(Body::Binary32, MANY))?;
    figures.push(least(
        "binary_b32_of_json",
        binary_body.1.rate / binary_body.0.rate,
        1.2,
    ));
    let grpc = pair(
        || frames::http(onnx.address, PATH, &bodies, MANY),
        || frames::grpc(onnx.address, &bodies, MANY),
    )?;
    figures.push(least("grpc_of_json", grpc.1 / grpc.0, 0.8));
    figures.push(Figure::at_most(
        BENCH,
        "memory",
        onnx.memory()?,
        "MB",
        120.0,
    ));

    // In turn with none, so that both find the same machine.
    let beside = || {
        let _slow = Slow::open(onnx.address, SLOW)?;
        ask(Body::Json1, MANY)
    };
    let (without, with) = rounds(|| ask(Body::Json1, MANY), beside)?;
    let p99 = |cells: &[Load]| median(cells.iter().map(|cell| cell.p99).collect());
    let figure = "p99_beside_1000_slow_of_alone";
    figures.push(Figure::told(BENCH, figure, p99(&with) / p99(&without), "x"));
    let rate = middle(with)?.rate / middle(without)?.rate;
    figures.push(Figure::told(BENCH, "beside_1000_slow_of_alone", rate, "x"));

    let trees = Stage::start(&engine(false), 1)?;
    let ask = |body: Body, clients| wrk.load(trees.address, PATH, &bodies.of(body), clients);
    let one = rounds(|| bare(Body::Json1, MANY), || ask(Body::Json1, MANY))?;
    let trees_tail = tail(&one.1);
    let one = (middle(one.0)?, middle(one.1)?);
    figures.push(least("trees_b1_c64_of_echo", one.1.rate / one.0.rate, 0.65));
    figures.push(tail_of("trees_p99_of_p50_c64", trees_tail));
    let alone = pair(|| bare(Body::Json1, 1), || ask(Body::Json1, 1))?;
    figures.push(beside_echo("trees_p50_one_client_of_echo", &alone));
    let many = ask(Body::Json32, MANY)?;
    figures.push(least("trees_b32_c64_of_in_process", many.rate / limit, 1.0));
    let single = Stage::start(
        &Engine {
            threads: 1,
            ..engine(true)
        },
        1,
    )?;
    let many = wrk.load(single.address, PATH, &bodies.of(Body::Json32), MANY)?;
    let figure = "onnx_b32_c64_of_in_process_one_thread";
    figures.push(Figure::told(BENCH, figure, many.rate / limit, "x"));
    drop(single);

    let hundred = Stage::start(&engine(true), 100)?;
    let services = pair(
        || wrk.load(onnx.address, PATH, &bodies.of(Body::Json1), MANY),
        || wrk.load(hundred.address, PATH, &bodies.of(Body::Json1), MANY),
    )?;
    figures.push(least(
        "hundred_services_of_one",
        services.1.rate / services.0.rate,
        0.9,
    ));
    drop(hundred);

    figures.push(Figure::at_most(
        BENCH,
        "cold_start_beyond_loading",
        stage::cold_start(&engine(false))?,
        "ms",
        150.0,
    ));
    let ours = [("trees", trees.address), ("onnx", onnx.address)];
    for (figure, goal, ratio) in peers::measure(&wrk, &models, &bodies, &ours)? {
        figures.push(least(&figure, ratio, goal));
    }
    Ok(figures)
}

fn least(figure: &str, value: f64, goal: f64) -> Figure {
    Figure::at_least(BENCH, figure, value, "x", goal)
}

/// How long the middle request of an only client takes, of the echo's.
fn beside_echo(figure: &str, (echo, ours): &(Load, Load)) -> Figure {
    Figure::at_most(BENCH, figure, ours.p50 / echo.p50, "x", 2.2)
}

/// The tail of many clients, of their middle.
fn tail_of(figure: &str, value: f64) -> Figure {
    Figure::at_most(BENCH, figure, value, "x", 3.0)
}

/// Lets time pass: a cell lasts, and a process is asked again.
#[expect(
    clippy::disallowed_methods,
    reason = "a bench measures time, and asks processes that cannot be waited for"
)]
fn wait(time: std::time::Duration) {
    std::thread::sleep(time);
}

/// Rounds of a comparison.
const ROUNDS: usize = 3;

/// Two cells in turn, and of each the round in the middle by its rate.
fn pair<T: Rated>(
    one: impl FnMut() -> anyhow::Result<T>,
    other: impl FnMut() -> anyhow::Result<T>,
) -> anyhow::Result<(T, T)> {
    let (ones, others) = rounds(one, other)?;
    Ok((middle(ones)?, middle(others)?))
}

/// Two cells in turn.
fn rounds<T>(
    mut one: impl FnMut() -> anyhow::Result<T>,
    mut other: impl FnMut() -> anyhow::Result<T>,
) -> anyhow::Result<(Vec<T>, Vec<T>)> {
    let (mut ones, mut others) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ones.push(one()?);
        others.push(other()?);
    }
    Ok((ones, others))
}

fn middle<T: Rated>(mut cells: Vec<T>) -> anyhow::Result<T> {
    cells.sort_by(|a, b| a.rate().total_cmp(&b.rate()));
    let at = cells.len() / 2;
    cells.into_iter().nth(at).context("no cell was measured")
}

/// The slowest hundredth beside the middle of each round, and the median of that.
fn tail(cells: &[Load]) -> f64 {
    median(cells.iter().map(|cell| cell.p99 / cell.p50).collect())
}

/// A cell that can be ordered by how many requests it had.
trait Rated {
    fn rate(&self) -> f64;
}

impl Rated for Load {
    fn rate(&self) -> f64 {
        self.rate
    }
}

impl Rated for f64 {
    fn rate(&self) -> f64 {
        *self
    }
}
