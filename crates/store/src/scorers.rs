//! Registered scorers: named judges of an experiment, each with versions, kept as their clients wrote them.

use jiff::Timestamp;
use serde::Serialize;

use crate::error::Result;

/// One version of a scorer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScorerVersion {
    /// The scorer's id, the same for all its versions.
    pub id: String,
    /// The experiment.
    pub experiment: String,
    /// The scorer's name, unique in the experiment.
    pub name: String,
    /// 1, 2, 3 …
    pub version: u32,
    /// What the client wrote.
    pub serialized: String,
    /// When this version was registered.
    pub created_at: Timestamp,
}

/// Which share of an experiment's traces a scorer should judge by itself.
#[derive(Debug, Clone, PartialEq)]
pub struct OnlineScoring {
    /// Its id, new with every change.
    pub id: String,
    /// The scorer's id.
    pub scorer: String,
    /// The scorer's experiment.
    pub experiment: String,
    /// From 0 to 1.
    pub sample_rate: f64,
    /// Which traces, in the search grammar.
    pub filter: Option<String>,
}

/// Scorers of experiments.
pub trait Scorers {
    /// Registers the next version of the scorer of that name, which gets this id when it is new. `version.version` is
    /// not looked at; the experiment must exist.
    fn register_scorer(&mut self, project: &str, version: &ScorerVersion) -> Result<ScorerVersion>;
    /// The newest version of each scorer of these experiments, by experiment and name.
    fn scorers(&mut self, experiments: &[String]) -> Result<Vec<ScorerVersion>>;
    /// All versions of one scorer, oldest first; none when there is no such scorer.
    fn scorer_versions(&mut self, experiment: &str, name: &str) -> Result<Vec<ScorerVersion>>;
    /// Removes one version, or the scorer with all its versions; false when there was none.
    fn delete_scorer(&mut self, experiment: &str, name: &str, version: Option<u32>)
    -> Result<bool>;
    /// The id of a scorer, which it has even when its versions have gone.
    fn scorer_id(&mut self, experiment: &str, name: &str) -> Result<Option<String>>;
    /// Replaces the online scoring of a known scorer.
    fn put_online_scoring(&mut self, scoring: &OnlineScoring) -> Result<()>;
    /// The online scoring of those of the scorers that are of the project and have any.
    fn online_scoring(&mut self, project: &str, scorers: &[String]) -> Result<Vec<OnlineScoring>>;
    /// The ids of the project's active experiments that have scorers.
    fn scored_experiments(&mut self, project: &str) -> Result<Vec<String>>;
}
