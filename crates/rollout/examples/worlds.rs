//! Prints how often each test takes a candidate back, and when, in each frozen world: the table of docs/verdicts.md.
//!
//! `cargo run --release -p rollout --example worlds [RUNS]`

use rollout::judge::worlds::{World, frozen};
use stats::blocks::independent_length;
use stats::coin::{log_evidence_signs, log_evidence_two_arms};
use stats::rng::Rng;
use std::io::{self, Write};

const ALPHA: f64 = 0.05;
const MINUTES: usize = 60;
const METHODS: [&str; 6] = [
    "each request, r0 1",
    "each request, r0 1.25",
    "signs",
    "verdict",
    "verdict, blocks from history",
    "(block, min)",
];

fn main() -> io::Result<()> {
    let runs = std::env::args()
        .nth(1)
        .and_then(|n| n.parse().ok())
        .unwrap_or(1000_u32);
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "| noise | requests/min/arm, errors | ratio | {} |",
        METHODS.join(" | ")
    )?;
    writeln!(out, "|---|---|---|{}", "---|".repeat(METHODS.len()))?;
    for world in frozen() {
        for ratio in [1.0, 1.25, 1.5, 2.0, 4.0] {
            let mut rng = Rng::new(20_261_124);
            let mut fired: [Vec<usize>; 5] = Default::default();
            let mut blocks = Vec::new();
            for _ in 0..runs {
                let history = world.draw(&mut rng, MINUTES, 1.0);
                let errors = world.draw(&mut rng, MINUTES, ratio);
                let block = block_minutes(&history);
                blocks.push(block);
                for (minutes, fired) in times(&world, &errors, block).into_iter().zip(&mut fired) {
                    fired.extend(minutes);
                }
            }
            let World {
                name,
                requests,
                rate,
                ..
            } = world;
            write!(out, "| {name} | {requests}, {}% | {ratio} |", rate * 100.0)?;
            for mut minutes in fired {
                minutes.sort_unstable();
                let share = 100.0 * minutes.len() as f64 / f64::from(runs);
                match minutes.get(minutes.len() / 2) {
                    Some(median) => write!(out, " {share:.1}/{median} |")?,
                    None => write!(out, " 0 |")?,
                }
            }
            blocks.sort_unstable();
            writeln!(out, " {} |", blocks[blocks.len() / 2])?;
        }
    }
    Ok(())
}

/// The block length, in minutes, that an hour of the champion's own traffic in two arms asks for; an eighth of it if it
/// is too short to say.
fn block_minutes(history: &[[u64; 2]]) -> usize {
    let difference: Vec<f64> = history.iter().map(|[a, b]| *b as f64 - *a as f64).collect();
    independent_length(&difference).unwrap_or(history.len() / 8)
}

/// The minute in which each method fires, if it does.
fn times(world: &World, errors: &[[u64; 2]], block: usize) -> [Option<usize>; 5] {
    let sums = |upto: usize| {
        errors[..upto]
            .iter()
            .fold((0, 0), |(a, b), [x, y]| (a + x, b + y))
    };
    let first = |log: &dyn Fn(usize) -> f64| (1..=errors.len()).find(|&n| log(n) >= -ALPHA.ln());
    let beta = |ratio0: f64| {
        move |n: usize| {
            let (champion, candidate) = sums(n);
            log_evidence_two_arms(candidate, champion, 0.5, ratio0)
        }
    };
    let signs = |n: usize| {
        let worse = errors[..n].iter().filter(|[a, b]| b > a).count() as u64;
        let better = errors[..n].iter().filter(|[a, b]| b < a).count() as u64;
        log_evidence_signs(worse, better)
    };
    [
        first(&beta(1.0)),
        first(&beta(1.25)),
        first(&signs),
        world.rolled_back(errors, ALPHA, 1),
        world.rolled_back(errors, ALPHA, block),
    ]
}
