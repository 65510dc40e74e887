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

/// Measures; takes seven minutes.
pub(super) fn measure(binary: &Path) -> anyhow::Result<Vec<Figure>> {
    let models = trees::models()?;
    let library = trees::library()?;
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

    figures.extend(compared("onnx", 0.7, bare, ask)?);
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
    let (without, with) = rounds(ROUNDS, || ask(Body::Json1, MANY), beside)?;
    let p99 = |cells: &[Load]| median(cells.iter().map(|cell| cell.p99).collect());
    let figure = "p99_beside_1000_slow_of_alone";
    figures.push(Figure::told(BENCH, figure, p99(&with) / p99(&without), "x"));
    let rate = middle(with)?.rate / middle(without)?.rate;
    figures.push(Figure::told(BENCH, "beside_1000_slow_of_alone", rate, "x"));

    let trees = Stage::start(&engine(false), 1)?;
    let ask = |body: Body, clients| wrk.load(trees.address, PATH, &bodies.of(body), clients);
    figures.extend(compared("trees", 1.0, bare, ask)?);
    for (figure, json, raw) in [
        ("binary_b1_of_json", Body::Json1, Body::Binary1),
        ("binary_b32_of_json", Body::Json32, Body::Binary32),
    ] {
        let (json, raw) = pair(|| ask(json, MANY), || ask(raw, MANY))?;
        figures.push(least(figure, raw.rate / json.rate, 1.2));
    }
    let single = Stage::start(
        &Engine {
            threads: 1,
            ..engine(true)
        },
        1,
    )?;
    let many =
        beside_in_process(|| wrk.load(single.address, PATH, &bodies.of(Body::Json32), MANY))?;
    let figure = "onnx_b32_c64_of_in_process_one_thread";
    figures.push(Figure::told(BENCH, figure, many, "x"));
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

/// An engine beside the echo, with many clients and with one, and beside a loop in process, of which it should do `share`.
fn compared(
    engine: &str,
    share: f64,
    bare: impl Fn(Body, usize) -> anyhow::Result<Load>,
    ask: impl Fn(Body, usize) -> anyhow::Result<Load>,
) -> anyhow::Result<Vec<Figure>> {
    let name = |figure: &str| format!("{engine}_{figure}");
    let turns = |times, clients| {
        rounds(
            times,
            || bare(Body::Json1, clients),
            || ask(Body::Json1, clients),
        )
    };
    let (echo, ours) = turns(ROUNDS, MANY)?;
    let tails = (tail(&echo), tail(&ours));
    let (echo, ours) = (middle(echo)?.rate, middle(ours)?.rate);
    let (echo_alone, ours_alone) = turns(ROUNDS_ALONE, 1)?;
    let p50 = median(ours_alone.iter().map(|cell| cell.p50).collect());
    let in_process = beside_in_process(|| ask(Body::Json32, MANY))?;
    Ok(vec![
        Figure::told(BENCH, name("echo_b1_c64"), echo, "1/s"),
        Figure::told(BENCH, name("echo_p99_of_p50_c64"), tails.0, "x"),
        Figure::told(BENCH, name("b1_c64"), ours, "1/s"),
        least(&name("b1_c64_of_echo"), ours / echo, 0.65),
        Figure::at_most(BENCH, name("p99_of_p50_c64"), tails.1, "x", 3.0),
        Figure::told(BENCH, name("p50_one_client"), p50 * 1e6, "us"),
        beside_echo(&name("p50_one_client_of_echo"), &echo_alone, &ours_alone),
        least(&name("b32_c64_of_in_process"), in_process, share),
    ])
}

fn least(figure: &str, value: f64, goal: f64) -> Figure {
    Figure::at_least(BENCH, figure, value, "x", goal)
}

/// How long the middle request of an only client takes, of the echo's in the same round.
fn beside_echo(figure: &str, echo: &[Load], ours: &[Load]) -> Figure {
    let rounds = echo.iter().zip(ours);
    let ratio = median(rounds.map(|(echo, ours)| ours.p50 / echo.p50).collect());
    Figure::at_most(BENCH, figure, ratio, "x", 2.2)
}

/// How many requests there are, of the calls that a loop in process makes in the same round.
fn beside_in_process(ask: impl FnMut() -> anyhow::Result<Load>) -> anyhow::Result<f64> {
    let (calls, asked) = rounds(ROUNDS, trees::limit, ask)?;
    let rounds = calls.iter().zip(asked);
    Ok(median(
        rounds.map(|(calls, asked)| asked.rate / calls).collect(),
    ))
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
/// Rounds with an only client.
const ROUNDS_ALONE: usize = 15;

/// Two cells in turn, and of each the round in the middle by its rate.
fn pair<T: Rated>(
    one: impl FnMut() -> anyhow::Result<T>,
    other: impl FnMut() -> anyhow::Result<T>,
) -> anyhow::Result<(T, T)> {
    let (ones, others) = rounds(ROUNDS, one, other)?;
    Ok((middle(ones)?, middle(others)?))
}

/// Two cells in turn.
fn rounds<A, B>(
    times: usize,
    mut one: impl FnMut() -> anyhow::Result<A>,
    mut other: impl FnMut() -> anyhow::Result<B>,
) -> anyhow::Result<(Vec<A>, Vec<B>)> {
    let (mut ones, mut others) = (Vec::new(), Vec::new());
    for _ in 0..times {
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
