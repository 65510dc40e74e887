//! A pipeline unrolled into what actually runs: one node for each matrix cell, and one more for the champion.
//!
//! The executor stores one step per node. Pure; the same pipeline always gives the same nodes in the same order.

use indexmap::IndexMap;
use spec::{Against, Pipeline, Scalar, Select};
use std::collections::HashMap;

/// For whom a node runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// For the model that this run makes.
    Candidate,
    /// For the champion, on the same inputs.
    Champion,
}

/// One thing to run.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// `fit`, `fit[depth=4]`, `evaluate@champion`.
    pub key: String,
    /// The step of the project file.
    pub step: String,
    /// This cell's parameters; empty without a matrix.
    pub cell: IndexMap<String, Scalar>,
    /// For whom.
    pub subject: Subject,
    /// Places of the nodes that must have succeeded first.
    pub after: Vec<usize>,
}

/// Where a node's input comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A dataset.
    Dataset(String),
    /// An output of a step (of its selected cell).
    Output {
        /// The step.
        step: String,
        /// Which of its outputs.
        output: String,
    },
    /// The champion's model.
    Champion,
}

/// Unrolls a pipeline; champion nodes only when there is one.
pub fn build(pipeline: &Pipeline, champion: bool) -> Vec<Node> {
    let mut nodes = Vec::new();
    for (name, step) in &pipeline.steps {
        for cell in step.combinations() {
            let key = key_of(name, &cell);
            let node = |key: String, subject| Node {
                key,
                step: name.clone(),
                cell: cell.clone(),
                subject,
                after: Vec::new(),
            };
            nodes.push(node(key.clone(), Subject::Candidate));
            if champion && step.against == Some(Against::Champion) {
                nodes.push(node(format!("{key}@champion"), Subject::Champion));
            }
        }
    }
    let places: HashMap<String, usize> = nodes
        .iter()
        .enumerate()
        .map(|(at, node)| (node.key.clone(), at))
        .collect();
    for node in &mut nodes {
        let keys = before(pipeline, &node.step, node.subject);
        node.after = keys
            .iter()
            .filter_map(|key| places.get(key))
            .copied()
            .collect();
    }
    nodes
}

/// The name of a step's cell.
pub fn key_of(step: &str, cell: &IndexMap<String, Scalar>) -> String {
    if cell.is_empty() {
        return step.to_owned();
    }
    let cell: Vec<String> = cell
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    format!("{step}[{}]", cell.join(","))
}

/// What each read of a node's step is filled from, in the order of `reads`.
pub fn origins(pipeline: &Pipeline, node: &Node) -> Vec<(String, Origin)> {
    let Some(step) = pipeline.steps.get(&node.step) else {
        return Vec::new();
    };
    step.reads
        .iter()
        .map(|read| (read.clone(), origin(pipeline, read, node.subject)))
        .collect()
}

fn origin(pipeline: &Pipeline, read: &str, subject: Subject) -> Origin {
    let Some((writer, _)) = pipeline.writer(read) else {
        return Origin::Dataset(read.to_owned());
    };
    let is_model = pipeline
        .register
        .as_ref()
        .is_some_and(|r| r.from.step == writer && r.from.output == read);
    if subject == Subject::Champion && is_model {
        return Origin::Champion;
    }
    Origin::Output {
        step: writer.to_owned(),
        output: read.to_owned(),
    }
}

fn before(pipeline: &Pipeline, name: &str, subject: Subject) -> Vec<String> {
    let Some(step) = pipeline.steps.get(name) else {
        return Vec::new();
    };
    let writers = step
        .reads
        .iter()
        .filter_map(|read| match origin(pipeline, read, subject) {
            Origin::Output { step, .. } => Some(step),
            Origin::Dataset(_) | Origin::Champion => None,
        });
    let mut keys: Vec<String> = Vec::new();
    for step in writers.chain(step.needs.iter().cloned()) {
        for cell in pipeline
            .steps
            .get(&step)
            .map(spec::Step::combinations)
            .unwrap_or_default()
        {
            let key = key_of(&step, &cell);
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
    }
    keys
}

/// The key of the cell that the next steps get, by `select`; the first cell without one.
///
/// `metric` tells a frozen metric of a finished node, by its key. `None` while a metric is missing.
pub fn selected(
    pipeline: &Pipeline,
    step: &str,
    metric: impl Fn(&str, &str) -> Option<f64>,
) -> Option<String> {
    let spec = pipeline.steps.get(step)?;
    let keys: Vec<String> = spec
        .combinations()
        .iter()
        .map(|cell| key_of(step, cell))
        .collect();
    let Some(select) = &spec.select else {
        return keys.into_iter().next();
    };
    let worst = match select {
        Select::Min(_) => f64::INFINITY,
        Select::Max(_) => f64::NEG_INFINITY,
    };
    // A NaN never wins; of equals the first does, so that the choice is the same every time.
    let score = |v: f64| if v.is_nan() { worst } else { v };
    let mut best: Option<(String, f64)> = None;
    for key in keys {
        let value = score(metric(&key, select.metric())?);
        let better = best.as_ref().is_none_or(|(_, best)| match select {
            Select::Min(_) => value < *best,
            Select::Max(_) => value > *best,
        });
        if better {
            best = Some((key, value));
        }
    }
    best.map(|(key, _)| key)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const FLIGHTS: &str = "
mainspan: 1
project: flights
environments: [staging, prod]
datasets:
  flights: { source: data/flights.csv, format: csv, checks: [rows >= 10] }
pipelines:
  train:
    params: { trees: 200 }
    steps:
      split: { run: python split.py, reads: [flights], writes: [train, test] }
      fit: { run: python fit.py, reads: [train], writes: [model], metrics: [cv_mae], matrix: { depth: [4, 6] }, select: { min: cv_mae } }
      evaluate: { run: python evaluate.py, reads: [model, test], metrics: [mae], against: champion }
      report: { run: echo done, needs: [evaluate] }
    register: { model: delay, from: fit.model, gate: evaluate.mae < 15.0 && evaluate.mae < 0.99 * champion.mae }
";

    pub(crate) fn train() -> Pipeline {
        spec::parse("mainspan.yaml", FLIGHTS).unwrap().pipelines["train"].clone()
    }

    #[test]
    fn cells_and_champion() {
        let nodes = build(&train(), true);
        let shown: Vec<String> = nodes
            .iter()
            .map(|n| {
                let after: Vec<&str> = n.after.iter().map(|at| nodes[*at].key.as_str()).collect();
                format!("{} <- {}", n.key, after.join(" "))
            })
            .collect();
        assert_eq!(
            shown,
            [
                "split <- ",
                "fit[depth=4] <- split",
                "fit[depth=6] <- split",
                "evaluate <- fit[depth=4] fit[depth=6] split",
                "evaluate@champion <- split",
                "report <- evaluate",
            ]
        );
        assert!(
            build(&train(), false)
                .iter()
                .all(|n| n.subject == Subject::Candidate)
        );
        let champion = &nodes[4];
        assert_eq!(
            origins(&train(), champion)[0],
            ("model".into(), Origin::Champion)
        );
        assert_eq!(
            origins(&train(), &nodes[0])[0].1,
            Origin::Dataset("flights".into())
        );
    }

    #[test]
    fn selection() {
        let check = |four: Option<f64>, six: Option<f64>, expect: Option<&str>| {
            let metric = |key: &str, metric: &str| match key {
                "fit[depth=4]" => four.filter(|_| metric == "cv_mae"),
                _ => six.filter(|_| metric == "cv_mae"),
            };
            assert_eq!(selected(&train(), "fit", metric).as_deref(), expect);
        };
        check(Some(2.0), Some(1.0), Some("fit[depth=6]"));
        check(Some(1.0), Some(1.0), Some("fit[depth=4]"));
        check(Some(f64::NAN), Some(9.0), Some("fit[depth=6]"));
        check(Some(1.0), None, None);
    }
}
