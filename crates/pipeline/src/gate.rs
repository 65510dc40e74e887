//! The gate: do the frozen metrics of a finished run allow its model to become a version? Pure.

use spec::{
    Against, Pipeline,
    cel::{self, Scope, Values},
};
use std::collections::BTreeMap;

/// What the gate says.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// Registered and rolled out.
    Passed(cel::Outcome),
    /// Registered, deployed only once a person approves: nothing but the champion could have judged it.
    NeedsApproval(cel::Outcome),
    /// Not registered.
    Rejected {
        /// What failed, with its figures.
        why: String,
        /// Every clause.
        outcome: cel::Outcome,
    },
    /// There is no gate: registered, deployed only by a person.
    NoGate,
}

/// A gate that cannot be evaluated.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// It is no condition over the metrics in scope.
    #[error("the gate is wrong")]
    Compile(#[from] cel::CompileError),
    /// A metric is missing or not a number.
    #[error("the gate cannot be decided: {0}")]
    Eval(String),
}

/// Metrics by step as the gate sees them: the selected cell's for the candidate, `champion` for the champion's.
pub type Figures = BTreeMap<String, BTreeMap<String, f64>>;

/// Collects figures from the metrics of each node, by key.
pub fn figures(pipeline: &Pipeline, metrics: &BTreeMap<String, BTreeMap<String, f64>>) -> Figures {
    let mut figures = Figures::new();
    for (name, step) in &pipeline.steps {
        let metric = |key: &str, metric: &str| metrics.get(key)?.get(metric).copied();
        let Some(key) = crate::graph::selected(pipeline, name, metric) else {
            continue;
        };
        if let Some(own) = metrics.get(&key) {
            figures.insert(name.clone(), own.clone());
        }
        if step.against == Some(Against::Champion)
            && let Some(champion) = metrics.get(&format!("{key}@champion"))
        {
            figures
                .entry(cel::CHAMPION.to_owned())
                .or_default()
                .extend(champion.clone());
        }
    }
    figures
}

/// Asks the gate; `champion` says whether some version is live in the last environment.
///
/// # Errors
/// See [`GateError`]; a gate that cannot be decided lets nothing through.
pub fn ask(pipeline: &Pipeline, figures: &Figures, champion: bool) -> Result<Answer, GateError> {
    let Some(gate) = pipeline
        .register
        .as_ref()
        .and_then(|register| register.gate.as_deref())
    else {
        return Ok(Answer::NoGate);
    };
    let compiled = cel::compile(gate, &Scope::gate(pipeline))?;
    let mut values = Values::new();
    for (step, metrics) in figures {
        for (name, value) in metrics {
            values.set(&[step, name], *value);
        }
    }
    let outcome = compiled
        .eval(&values)
        .map_err(|e| GateError::Eval(e.to_string()))?;
    if !outcome.holds {
        let why = outcome.first_failure().unwrap_or_else(|| gate.to_owned());
        return Ok(Answer::Rejected { why, outcome });
    }
    if !champion && compiled.without_champion_needs_approval() {
        return Ok(Answer::NeedsApproval(outcome));
    }
    Ok(Answer::Passed(outcome))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::tests::train;

    fn check(gate: Option<&str>, candidate: f64, champion: Option<f64>) -> String {
        let mut pipeline = train();
        pipeline.register.as_mut().unwrap().gate = gate.map(str::to_owned);
        let mut metrics = BTreeMap::new();
        for (key, name, value) in [
            ("fit[depth=4]", "cv_mae", Some(1.0)),
            ("fit[depth=6]", "cv_mae", Some(2.0)),
            ("evaluate", "mae", Some(candidate)),
            ("evaluate@champion", "mae", champion),
        ] {
            if let Some(value) = value {
                metrics.insert(key.to_owned(), BTreeMap::from([(name.to_owned(), value)]));
            }
        }
        match ask(&pipeline, &figures(&pipeline, &metrics), champion.is_some()).unwrap() {
            Answer::Passed(_) => "passed".to_owned(),
            Answer::NeedsApproval(_) => "needs approval".to_owned(),
            Answer::Rejected { why, .. } => format!("rejected: {why}"),
            Answer::NoGate => "no gate".to_owned(),
        }
    }

    #[test]
    fn answers() {
        let full = Some("evaluate.mae < 15.0 && evaluate.mae < 0.99 * champion.mae");
        assert_eq!(check(full, 10.0, Some(11.0)), "passed");
        assert_eq!(
            check(full, 10.0, None),
            "passed",
            "no champion yet: the floor judges"
        );
        assert!(
            check(full, 16.0, None).starts_with("rejected"),
            "the floor holds for the first one too"
        );
        assert!(check(full, 10.95, Some(11.0)).starts_with("rejected"));
        assert_eq!(
            check(Some("evaluate.mae < champion.mae"), 99.0, None),
            "needs approval"
        );
        assert_eq!(
            check(Some("fit.cv_mae < 1.5"), 0.0, None),
            "passed",
            "the selected cell's figure"
        );
        assert_eq!(check(None, 0.0, None), "no gate");
        assert_eq!(check(Some("true"), 0.0, None), "needs approval");
        assert_eq!(
            check(Some("true"), 0.0, Some(0.0)),
            "passed",
            "a person let the first one in"
        );
    }
}
