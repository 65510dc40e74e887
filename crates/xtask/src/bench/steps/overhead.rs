//! What the platform adds to a trivial step: a chain of steps one after the other, and a fan of steps two at a time.

use super::{
    BENCH,
    bare::{self, Took},
};
use crate::bench::{
    process,
    product::{Product, git, pause, until},
    report::{Figure, median},
};
use anyhow::ensure;
use jiff::Timestamp;
use std::{fmt::Write as _, fs, path::Path, time::Duration};

const CHAIN: usize = 50;
const FAN: usize = 200;
const LANES: usize = 2;
/// How often both are measured.
const ROUNDS: usize = 7;
/// CPU and wall time that the platform may add to a step, in milliseconds.
const CPU_GOAL: f64 = 5.0;
const WALL_GOAL: f64 = 15.0;

/// Runs both pipelines and the same work bare.
pub(super) fn measure(
    product: &Product,
    folder: &Path,
    server: u32,
) -> anyhow::Result<Vec<Figure>> {
    let command = bare::command()?;
    let project = folder.join("steps");
    fs::create_dir(&project)?;
    fs::write(project.join("mainspan.yaml"), project_file(&command))?;
    git(&project, &["init", "--quiet", "--initial-branch", "main"])?;
    git(&project, &["add", "--all"])?;
    git(&project, &["commit", "--quiet", "--message", "Begin"])?;
    product.verb(&project, &["apply", "--yes"])?;
    bare::run(&command, 5, LANES)?;
    let ours = |pipeline, steps| run(product, &project, pipeline, steps, server);
    let chain = rounds(&command, CHAIN, 1, || ours("chain", CHAIN))?;
    let fan = rounds(&command, FAN, LANES, || ours("fan", FAN))?;
    let of = |rounds: &[Round], what: fn(&Round) -> f64| median(rounds.iter().map(what).collect());
    let told = |name, value| Figure::told(BENCH, name, value, "ms");
    let cpu = |name, value| Figure::at_most(BENCH, name, value, "ms", CPU_GOAL);
    let wall = |name, value| Figure::at_most(BENCH, name, value, "ms", WALL_GOAL);
    Ok(vec![
        told("bare_step_wall", of(&chain, |round| round.bare_wall)),
        told("chain_step_server_cpu", of(&chain, |round| round.own)),
        told("fan_step_server_cpu", of(&fan, |round| round.own)),
        cpu("chain_step_cpu", of(&chain, |round| round.cpu)),
        wall("chain_step_wall", of(&chain, |round| round.wall)),
        cpu("fan_step_cpu", of(&fan, |round| round.cpu)),
        wall("fan_step_wall", of(&fan, |round| round.wall)),
    ])
}

/// What one round found, in milliseconds a step.
struct Round {
    bare_wall: f64,
    own: f64,
    cpu: f64,
    wall: f64,
}

/// The same comparison some times over: what we add is the small difference of two figures that wander by several
/// milliseconds on a machine that others share, and its median wanders less.
fn rounds(
    command: &str,
    steps: usize,
    lanes: usize,
    mut ours: impl FnMut() -> anyhow::Result<Took>,
) -> anyhow::Result<Vec<Round>> {
    (0..ROUNDS)
        .map(|_| {
            let both = beside(command, steps, lanes, &mut ours)?;
            Ok(compare(&both, steps, lanes))
        })
        .collect()
}

/// The bare processes, half of them before our own run and half after it, so that both meet the same machine.
fn beside(
    command: &str,
    steps: usize,
    lanes: usize,
    ours: impl FnOnce() -> anyhow::Result<Took>,
) -> anyhow::Result<(Took, Took)> {
    let half = || bare::run(command, steps / lanes / 2, lanes);
    let (before, ours, after) = (half()?, ours()?, half()?);
    let bare = Took {
        wall: before.wall + after.wall,
        cpu: before.cpu + after.cpu,
        own: before.own + after.own,
    };
    Ok((bare, ours))
}

/// CPU a step, and the wall time by which each step holds up its lane.
fn compare((bare, ours): &(Took, Took), steps: usize, lanes: usize) -> Round {
    let in_lane = steps / lanes;
    Round {
        bare_wall: millis(bare.wall, in_lane),
        own: millis(ours.own, steps),
        cpu: millis(ours.cpu, steps) - millis(bare.cpu, steps),
        wall: millis(ours.wall, in_lane) - millis(bare.wall, in_lane),
    }
}

fn millis(time: Duration, steps: usize) -> f64 {
    time.as_secs_f64() * 1000.0 / steps as f64
}

/// Runs a pipeline by hand, from the request to the run's end as it is recorded; the server's CPU time has that of
/// its units and their shims in it, also of those that wait.
fn run(
    product: &Product,
    project: &Path,
    pipeline: &str,
    steps: usize,
    server: u32,
) -> anyhow::Result<Took> {
    let server = server.to_string();
    let (begun, cpu) = (Timestamp::now(), process::cpu_of_tree(&server)?);
    let started = product.verb(project, &["run", pipeline, "--no-cache", "--detach"])?;
    // Looking costs the server time too, so it is done seldom.
    let path = format!("projects/steps/runs?limit=1&pipeline={pipeline}");
    let run = until("the run's end", Duration::from_millis(250), || {
        let runs = product.read(&path)?;
        let over = ["succeeded", "failed", "cancelled"]
            .iter()
            .any(|state| runs[0]["state"] == *state);
        Ok((over && runs[0]["id"] == started["id"]).then(|| runs[0].clone()))
    })?;
    ensure!(
        run["state"] == "succeeded",
        "pipeline `{pipeline}` ended {}: {}",
        run["state"],
        run["reason"]
    );
    let ended: Timestamp = run["ended_at"].as_str().unwrap_or_default().parse()?;
    // What is done about the last units is counted as well.
    pause(Duration::from_millis(300));
    let cpu = process::cpu_of_tree(&server)?.since(cpu);
    let whole = product.read(&format!(
        "projects/steps/runs/{}",
        started["id"].as_str().unwrap_or_default()
    ))?;
    let ran = whole["steps"].as_array().map_or(0, Vec::len);
    ensure!(
        ran == steps,
        "pipeline `{pipeline}` ran {ran} steps in place of {steps}"
    );
    Ok(Took {
        wall: ended.duration_since(begun).unsigned_abs(),
        cpu: cpu.all,
        own: cpu.own,
    })
}

fn project_file(command: &str) -> String {
    let mut text =
        "mainspan: 1\nproject: steps\nenvironments: [prod]\npipelines:\n  chain:\n    steps:\n"
            .to_owned();
    for step in 0..CHAIN {
        let needs = step
            .checked_sub(1)
            .map(|last| format!(", needs: [s{last}]"))
            .unwrap_or_default();
        let _ = writeln!(text, "      s{step}: {{ run: {command}{needs} }}");
    }
    text.push_str("  fan:\n    steps:\n");
    for step in 0..FAN {
        let _ = writeln!(
            text,
            "      s{step}: {{ run: {command}, resources: {{ cpu: 1 }} }}"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_project_file_is_one() {
        let file = spec::parse("mainspan.yaml", &project_file("python3 -c pass")).unwrap();
        let steps: Vec<usize> = file
            .pipelines
            .values()
            .map(|pipeline| pipeline.steps.len())
            .collect();
        assert_eq!(steps, [CHAIN, FAN]);
    }

    #[test]
    fn a_lane_is_held_up_by_its_own_steps() {
        let took = |wall, cpu| Took {
            wall: Duration::from_millis(wall),
            cpu: Duration::from_millis(cpu),
            own: Duration::ZERO,
        };
        let round = compare(&(took(1000, 2000), took(2000, 2400)), 200, 2);
        assert_eq!((round.cpu, round.wall), (2.0, 10.0));
    }
}
