//! Roll-outs and the verdicts that moved them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::error::Result;
use crate::words::words;

words! {
    /// What started a roll-out.
    RolloutKind {
        /// A version passed its gate.
        Automatic = "automatic",
        /// A person promoted a version.
        ManualPromote = "manual_promote",
        /// A person went back.
        ManualRollback = "manual_rollback",
    }
}

words! {
    /// Where a roll-out is.
    RolloutState {
        /// Waits for another one, or for room.
        Pending = "pending",
        /// Its replicas start.
        Starting = "starting",
        /// Traffic flows at `stage`.
        Running = "running",
        /// Held by a person.
        Paused = "paused",
        /// The new version serves alone.
        Promoted = "promoted",
        /// The old version serves alone again.
        RolledBack = "rolled_back",
        /// Could not be carried out.
        Aborted = "aborted",
        /// A newer one took its place before it ended.
        Superseded = "superseded",
    }
}

impl RolloutState {
    /// Whether nothing will change any more.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(
            self,
            Self::Promoted | Self::RolledBack | Self::Aborted | Self::Superseded
        )
    }
}

/// Moves a deployment from one version to another in stages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rollout {
    /// UUIDv7.
    pub id: String,
    /// The project.
    pub project: String,
    /// The environment.
    pub environment: String,
    /// The service.
    pub service: String,
    /// The model.
    pub model: String,
    /// The version that served; none for the first.
    pub from: Option<u32>,
    /// The version that shall serve.
    pub to: u32,
    /// What started it.
    pub kind: RolloutKind,
    /// Where it is.
    pub state: RolloutState,
    /// The stage, counted from 0; -1 before the first.
    pub stage: i32,
    /// When the stage began.
    pub stage_started_at: Option<Timestamp>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it became final.
    pub ended_at: Option<Timestamp>,
    /// Who started it.
    pub by: String,
    /// Why it is where it is, for people.
    pub reason: String,
    /// The policy as it was when it started.
    pub policy: Json,
    /// The counters when the stage began.
    pub baseline: Json,
    /// The evidence of the last verdict.
    pub evidence: Json,
}

/// One judgement of a roll-out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The roll-out.
    pub rollout_id: String,
    /// 1, 2, 3 … within the roll-out; given by [`Rollouts::append_verdict`].
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// At which stage.
    pub stage: i32,
    /// `promote`, `continue`, `hold` or `roll_back`.
    pub decision: String,
    /// The reasons, for people and programs.
    pub reasons: Json,
    /// The numbers.
    pub evidence: Json,
}

/// Which roll-outs to list.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RolloutFilter {
    /// Of this project only.
    pub project: Option<String>,
    /// Of this environment only.
    pub environment: Option<String>,
    /// Of this service only.
    pub service: Option<String>,
    /// Only those that are not final.
    pub active: bool,
    /// At most so many; 0 means 100.
    pub limit: u32,
}

/// Roll-outs and verdicts.
pub trait Rollouts {
    /// Records a new roll-out.
    fn insert_rollout(&mut self, rollout: &Rollout) -> Result<()>;
    /// Replaces all of a known roll-out.
    fn update_rollout(&mut self, rollout: &Rollout) -> Result<()>;
    /// One roll-out.
    fn rollout(&mut self, id: &str) -> Result<Option<Rollout>>;
    /// The roll-outs that match, newest first.
    fn rollouts(&mut self, filter: &RolloutFilter) -> Result<Vec<Rollout>>;
    /// Keeps one part (on what was captured, say) of how the answers of a roll-out's versions compare. It is not in
    /// [`Rollout`], which is read and written much more often, and by others.
    fn set_comparison(&mut self, rollout_id: &str, part: &str, found: &Json) -> Result<()>;
    /// How the answers of a roll-out's versions compare: an object of the parts that are known.
    fn comparison(&mut self, rollout_id: &str) -> Result<Option<Json>>;
    /// Keeps a verdict under the next number of its roll-out, which it returns.
    fn append_verdict(&mut self, verdict: &Verdict) -> Result<u64>;
    /// The last verdicts of a roll-out, newest first.
    fn verdicts(&mut self, rollout_id: &str, limit: u32) -> Result<Vec<Verdict>>;
}
