//! What a run was told to do, kept with the run so that later changes of the project file cannot reach it.

use crate::snapshot::Manifest;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use spec::{Dataset, EngineKind, Pipeline, Scalar};
use std::path::PathBuf;
use store::{Digest, Run, RunSpec};

/// What started a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Trigger {
    /// A person or program asked.
    Manual {
        /// Who.
        by: String,
    },
    /// A new commit on a followed branch.
    Push {
        /// The branch.
        branch: String,
        /// First line of the commit's message.
        subject: String,
    },
    /// The pipeline's schedule.
    Schedule,
    /// An alert began.
    Alert {
        /// The alert's name.
        alert: String,
        /// The alarm that began it.
        alarm: String,
    },
}

impl Trigger {
    /// A few words for listings.
    pub fn describe(&self) -> String {
        match self {
            Trigger::Manual { by } => format!("started by {by}"),
            Trigger::Push { branch, subject } => format!("push to {branch}: {subject}"),
            Trigger::Schedule => "schedule".to_owned(),
            Trigger::Alert { alert, .. } => format!("alert {alert}"),
        }
    }
}

/// The version a candidate is compared with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Champion {
    /// Its number.
    pub version: u32,
    /// The output it was registered from: what a step reads in the candidate's place.
    pub output: Digest,
}

/// A run's instructions; the `spec` of its stored record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Work {
    /// The pipeline as its commit's file had it.
    pub pipeline: Pipeline,
    /// The datasets it reads.
    pub datasets: IndexMap<String, Dataset>,
    /// Folder of the project file, which dataset sources are relative to.
    pub root: PathBuf,
    /// The last environment: where the champion is looked up.
    pub last_environment: String,
    /// Results of earlier runs are not used.
    pub no_cache: bool,
    /// Set when the run starts, if a version was live then.
    pub champion: Option<Champion>,
    /// Digest and folder of the prepared toolchain, set when the run starts.
    pub toolchain: Option<(Digest, PathBuf)>,
    /// Files of the snapshot.
    pub files: Manifest,
    /// Folder that the snapshot is checked out to, set when the run starts.
    pub checkout: Option<PathBuf>,
    /// What the services of the registered model run, as the commit's file has it.
    #[serde(default)]
    pub engines: Vec<EngineKind>,
    /// Parameters with this run's own values.
    pub params: IndexMap<String, Scalar>,
}

impl Work {
    /// Reads the instructions of a stored run.
    ///
    /// # Errors
    /// When another version of Mainspan wrote them in a way this one cannot read.
    pub fn of(run: &Run) -> Result<Self, serde_json::Error> {
        run.spec.read()
    }

    /// As it is stored.
    pub fn to_spec(&self) -> RunSpec {
        RunSpec::of(self).expect("plain values with text keys always serialise")
    }
}
