//! What the platform adds to a trivial step: a chain of steps one after the other, and a fan of steps two at a time.

use super::{
    BENCH,
    bare::{self, Took},
};
use crate::bench::{
    process,
    product::{Product, git, pause, until},
    report::Figure,
};
use anyhow::ensure;
use jiff::Timestamp;
use std::{fmt::Write as _, fs, path::Path, time::Duration};

const CHAIN: usize = 50;
const FAN: usize = 200;
const LANES: usize = 2;
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
    let chain = beside(&command, CHAIN, 1, || ours("chain", CHAIN))?;
    let fan = beside(&command, FAN, LANES, || ours("fan", FAN))?;
    let mut figures = vec![Figure::told(
        BENCH,
        "bare_step_wall",
        millis(chain.0.wall, CHAIN),
        "ms",
    )];
    let own = millis(fan.1.own, FAN);
    figures.push(Figure::told(BENCH, "fan_step_server_cpu", own, "ms"));
    figures.extend(compare(
        ["chain_step_cpu", "chain_step_wall"],
        chain,
        CHAIN,
        1,
    ));
    figures.extend(compare(["fan_step_cpu", "fan_step_wall"], fan, FAN, LANES));
    Ok(figures)
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
fn compare(
    [cpu, wall]: [&'static str; 2],
    (bare, ours): (Took, Took),
    steps: usize,
    lanes: usize,
) -> [Figure; 2] {
    let of_cpu = millis(ours.cpu, steps) - millis(bare.cpu, steps);
    let of_wall = millis(ours.wall, steps / lanes) - millis(bare.wall, steps / lanes);
    [
        Figure::at_most(BENCH, cpu, of_cpu, "ms", CPU_GOAL),
        Figure::at_most(BENCH, wall, of_wall, "ms", WALL_GOAL),
    ]
}

fn millis(time: Duration, steps: usize) -> f64 {
    time.as_secs_f64() * 1000.0 / steps as f64
}

/// Runs a pipeline by hand, from the request to the run's end as it is recorded; the server's CPU time has its units' in
/// it.
fn run(
    product: &Product,
    project: &Path,
    pipeline: &str,
    steps: usize,
    server: u32,
) -> anyhow::Result<Took> {
    let server = server.to_string();
    let (begun, cpu) = (Timestamp::now(), process::cpu(&server)?);
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
    // Units are counted once they are waited for.
    pause(Duration::from_millis(300));
    let cpu = process::cpu(&server)?.since(cpu);
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
        let figures = compare(
            ["cpu", "wall"],
            (took(1000, 2000), took(2000, 2400)),
            200,
            2,
        );
        let told = serde_json::to_value(&figures).unwrap();
        assert_eq!(
            (told[0]["value"].as_f64(), told[1]["value"].as_f64()),
            (Some(2.0), Some(10.0))
        );
    }
}
