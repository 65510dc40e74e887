//! What became of everything that was found: counts by kind, and by name what is not there.

use mlflow::moving::{Outcome, State};
use serde::Serialize;

/// How many records are named; the others are counted.
const NAMED: usize = 1000;

/// Kinds of records, in the order in which they are copied and shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Experiments.
    Experiments,
    /// Logged models.
    LoggedModels,
    /// Runs with their params, tags, inputs and outputs.
    Runs,
    /// Points of metrics.
    MetricPoints,
    /// Files of runs and logged models.
    Files,
    /// Registered models.
    Models,
    /// Prompts.
    Prompts,
    /// Versions of models and prompts.
    Versions,
    /// Aliases of versions.
    Aliases,
    /// Traces with their spans.
    Traces,
    /// Evaluation datasets.
    EvaluationDatasets,
    /// Records of evaluation datasets.
    EvaluationRecords,
    /// Versions of scorers.
    Scorers,
    /// Webhooks.
    Webhooks,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 14] = [
        Kind::Experiments,
        Kind::LoggedModels,
        Kind::Runs,
        Kind::MetricPoints,
        Kind::Files,
        Kind::Models,
        Kind::Prompts,
        Kind::Versions,
        Kind::Aliases,
        Kind::Traces,
        Kind::EvaluationDatasets,
        Kind::EvaluationRecords,
        Kind::Scorers,
        Kind::Webhooks,
    ];

    /// For people.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Kind::Experiments => "experiments",
            Kind::LoggedModels => "logged models",
            Kind::Runs => "runs",
            Kind::MetricPoints => "metric points",
            Kind::Files => "files",
            Kind::Models => "registered models",
            Kind::Prompts => "prompts",
            Kind::Versions => "versions",
            Kind::Aliases => "aliases",
            Kind::Traces => "traces",
            Kind::EvaluationDatasets => "evaluation datasets",
            Kind::EvaluationRecords => "evaluation records",
            Kind::Scorers => "versions of scorers",
            Kind::Webhooks => "webhooks",
        }
    }
}

/// The records of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// Seen where they come from.
    pub found: u64,
    /// Written.
    pub copied: u64,
    /// Written by an earlier copy, and brought up to date.
    pub updated: u64,
    /// There already, the same.
    pub there_already: u64,
    /// There already, but different; left as they are.
    pub different: u64,
    /// Not copied, by a rule.
    pub left_out: u64,
    /// Not copied, by a mistake.
    pub failed: u64,
}

/// A record that is not there as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    /// Its kind.
    pub kind: Kind,
    /// Its name or id.
    pub name: String,
    /// What became of it.
    pub state: State,
    /// Why.
    pub why: String,
}

/// A row of the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// The kind.
    pub kind: Kind,
    /// How many.
    #[serde(flatten)]
    pub count: Count,
}

/// The whole report.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// A row for each kind of which there is something.
    pub kinds: Vec<Line>,
    /// Bytes of files that were sent.
    pub bytes: u64,
    /// What is not there as it should be, up to a thousand of them.
    pub notes: Vec<Note>,
    /// How many more there are.
    pub more_notes: u64,
}

impl Report {
    /// The counts of a kind.
    pub fn count(&mut self, kind: Kind) -> &mut Count {
        let at = match self.kinds.binary_search_by_key(&kind, |line| line.kind) {
            Ok(at) => at,
            Err(at) => {
                let count = Count::default();
                self.kinds.insert(at, Line { kind, count });
                at
            }
        };
        &mut self.kinds[at].count
    }

    /// Counts what became of a record.
    pub fn tell(&mut self, kind: Kind, name: &str, state: State, why: Option<&str>) {
        let count = self.count(kind);
        match state {
            State::Copied => count.copied += 1,
            State::Updated => count.updated += 1,
            State::Same => count.there_already += 1,
            State::Different => count.different += 1,
            State::LeftOut => count.left_out += 1,
            State::Failed => count.failed += 1,
        }
        if matches!(state, State::Different | State::LeftOut | State::Failed) {
            self.note(kind, name, state, why.unwrap_or_default());
        }
    }

    /// The same for a server's answer.
    pub fn tell_outcome(&mut self, kind: Kind, name: &str, outcome: &Outcome) {
        self.tell(kind, name, outcome.state, outcome.why.as_deref());
    }

    /// Names a record without counting it.
    pub fn note(&mut self, kind: Kind, name: &str, state: State, why: &str) {
        if self.notes.len() >= NAMED {
            self.more_notes += 1;
            return;
        }
        self.notes.push(Note {
            kind,
            name: name.to_owned(),
            state,
            why: why.to_owned(),
        });
    }

    /// Whether all that was found is there now, but for what a rule leaves out.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.kinds
            .iter()
            .all(|line| line.count.different == 0 && line.count.failed == 0)
    }

    /// Whether nothing was written.
    #[must_use]
    pub fn changed_nothing(&self) -> bool {
        self.kinds
            .iter()
            .all(|line| line.count.copied == 0 && line.count.updated == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_named() {
        let mut report = Report::default();
        report.tell(Kind::Runs, "a", State::Copied, None);
        report.tell(Kind::Experiments, "e", State::Same, None);
        report.tell(Kind::Aliases, "m@champion", State::LeftOut, Some("serves"));
        assert!(report.is_whole() && !report.changed_nothing());
        assert_eq!(report.kinds[0].kind, Kind::Experiments);
        report.tell(Kind::Runs, "b", State::Failed, Some("no"));
        assert!(!report.is_whole());
        let named: Vec<_> = report.notes.iter().map(|note| note.name.as_str()).collect();
        assert_eq!(named, ["m@champion", "b"]);
    }

    #[test]
    fn notes_do_not_grow_without_end() {
        let mut report = Report::default();
        for _ in 0..NAMED + 5 {
            report.tell(Kind::Runs, "a", State::Failed, None);
        }
        assert_eq!((report.notes.len(), report.more_notes), (NAMED, 5));
    }
}
