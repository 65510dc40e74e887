//! From `git commit` to the first answer of the new version, with a step that copies a finished file and no waiting; and to
//! the first answer of a service that has no replica.

use super::BENCH;
use crate::bench::{
    onnx,
    product::{Product, git, pause, until},
    report::{Figure, median},
};
use anyhow::ensure;
use serde_json::{Value, json};
use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

/// How many commits are timed, after a first one that starts the service.
const COMMITS: u16 = 7;
const GOAL: f64 = 2000.0;
/// How many answers without a replica are timed.
const ZEROS: usize = 5;
const ZERO_GOAL: f64 = 500.0;
/// What the last replica has for its end.
const REST: Duration = Duration::from_secs(1);

const PROJECT: &str = r#"mainspan: 1
project: ship
environments: [prod]
pipelines:
  ship:
    triggers: { push: [main] }
    steps:
      copy: { run: cp model.onnx "$MAINSPAN_OUT_MODEL", writes: [model] }
    register: { model: shifted, from: copy.model, gate: "true" }
services:
  shifted:
    model: shifted
    engine: onnx
    resources: { cpu: 0.1, memory: 128MiB }
    rollout: { stages: [], sticky: request_id }
"#;

/// Times the commits.
pub(super) fn measure(product: &Product, folder: &Path) -> anyhow::Result<Vec<Figure>> {
    let project = folder.join("ship");
    fs::create_dir(&project)?;
    fs::write(project.join("mainspan.yaml"), PROJECT)?;
    git(&project, &["init", "--quiet", "--initial-branch", "main"])?;
    git(&project, &["add", "--all"])?;
    git(&project, &["commit", "--quiet", "--message", "Begin"])?;
    product.verb(&project, &["apply", "--yes"])?;
    commit(&project, 1)?;
    until("version 1", Duration::from_millis(50), || {
        // The model is not there before its first version.
        let model = product
            .read("projects/ship/models/shifted")
            .unwrap_or_default();
        Ok(model["versions"].get(0).map(drop))
    })?;
    // A gate without figures lets the first version in only by a person.
    let first = [
        "promote",
        "shifted",
        "--version",
        "1",
        "--reason",
        "the first one",
    ];
    product.verb(&project, &first)?;
    answers(product, 1)?;
    let mut times = Vec::new();
    for number in 2..=COMMITS + 1 {
        times.push(one(product, &project, number)?.as_secs_f64() * 1000.0);
    }
    Ok(middle_and_worst("commit_to_answer", times, GOAL))
}

/// One commit of a new model, timed from `git commit` on.
fn one(product: &Product, project: &Path, number: u16) -> anyhow::Result<Duration> {
    let begun = commit(project, number)?;
    answers(product, number)?;
    Ok(begun.elapsed())
}

fn commit(project: &Path, number: u16) -> anyhow::Result<Instant> {
    fs::write(project.join("model.onnx"), onnx::adding(f32::from(number)))?;
    git(project, &["add", "--all"])?;
    let begun = Instant::now();
    git(
        project,
        &["commit", "--quiet", "--message", &format!("Add {number}")],
    )?;
    Ok(begun)
}

/// Asks until a version answers.
fn answers(product: &Product, number: u16) -> anyhow::Result<()> {
    let row = json!({ "request_id": "bench", "dep_delay": 1.0 });
    until(
        &format!("an answer of version {number}"),
        Duration::from_millis(2),
        || {
            let answer = product.predict("shifted", &row)?;
            Ok((answer.status == 200 && answer.version == Some(u32::from(number))).then_some(()))
        },
    )
}

/// Times the first answers of a service whose replicas all have gone.
pub(super) fn from_zero(product: &Product, folder: &Path) -> anyhow::Result<Vec<Figure>> {
    let project = folder.join("ship");
    let scaled = PROJECT.replace(
        "engine: onnx",
        "engine: onnx\n    scale: { min: 0, max: 1, window: 2s }",
    );
    fs::write(project.join("mainspan.yaml"), scaled)?;
    product.verb(&project, &["apply", "--yes"])?;
    let row = json!({ "request_id": "bench", "dep_delay": 1.0 });
    let count = |expect: u64| {
        until(
            &format!("{expect} replicas"),
            Duration::from_millis(50),
            || {
                let status = product.read("projects/ship/status")?;
                // Former versions are kept for going back to, and scale, too.
                let versions = status["scales"].as_array().filter(|all| !all.is_empty());
                let replicas = |all: &Vec<Value>| {
                    let each = all.iter().filter_map(|one| one["replicas"].as_u64());
                    each.sum::<u64>() == expect
                };
                Ok(versions.is_some_and(replicas).then_some(()))
            },
        )
    };
    let mut times = Vec::new();
    for _ in 0..ZEROS {
        count(0)?;
        pause(REST);
        let begun = Instant::now();
        let answer = product.predict("shifted", &row)?;
        times.push(begun.elapsed().as_secs_f64() * 1000.0);
        ensure!(answer.status == 200, "{}: {}", answer.status, answer.body);
        count(1)?;
    }
    Ok(middle_and_worst("from_zero_to_answer", times, ZERO_GOAL))
}

/// Two figures of times in milliseconds.
fn middle_and_worst(figure: &str, times: Vec<f64>, goal: f64) -> Vec<Figure> {
    let worst = times.iter().copied().fold(0.0, f64::max);
    vec![
        Figure::at_most(BENCH, format!("{figure}_ms"), median(times), "ms", goal),
        Figure::at_most(BENCH, format!("{figure}_worst_ms"), worst, "ms", goal),
    ]
}

/// Takes the service away again, so that idle planes are idle.
pub(super) fn end(product: &Product, folder: &Path) -> anyhow::Result<()> {
    product.verb(&folder.join("ship"), &["destroy", "--yes"])?;
    until("the replica's end", Duration::from_millis(50), || {
        let row = json!({ "dep_delay": 1.0 });
        Ok((product.predict("shifted", &row)?.status == 404).then_some(()))
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_project_file_is_one() {
        let file = spec::parse("mainspan.yaml", super::PROJECT).unwrap();
        assert!(spec::unsupported(&file).is_empty());
    }
}
