//! Events: who changed what, why, from what to what. Appended in the transaction that makes the
//! change, never changed afterwards.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::error::Result;

/// One recorded change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Its place in the store's order; grows with every event, also across projects.
    pub seq: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: NewEvent,
}

impl std::ops::Deref for Event {
    type Target = NewEvent;

    fn deref(&self) -> &NewEvent {
        &self.event
    }
}

/// A change to record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewEvent {
    /// The project, or none for what belongs to the whole server (its tokens).
    pub project: Option<String>,
    /// When.
    pub at: Timestamp,
    /// Who: `user:NAME`, `run:ID`, or a part of the server such as `rollout`.
    pub actor: String,
    /// What happened, thing first: `version.registered`, `rollout.stage`, `project.applied`.
    pub kind: String,
    /// To what: `service/delay/prod`, `model/delay/3`, `run/0191…`.
    pub subject: String,
    /// Why, in a sentence for people; empty when the kind says it all.
    pub reason: String,
    /// The value before; none for a creation.
    pub before: Option<Json>,
    /// The value after; none for a deletion.
    pub after: Option<Json>,
}

/// Which events to list. Everything that is none or empty does not restrict.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EventFilter {
    /// Of this project only.
    pub project: Option<String>,
    /// Of this kind, or of every kind that starts with it when it ends in a dot (`rollout.`).
    pub kind: Option<String>,
    /// Whose subject starts with this.
    pub subject_prefix: Option<String>,
    /// Only after this sequence number.
    pub after: Option<u64>,
    /// Only before this sequence number (for paging back).
    pub before: Option<u64>,
    /// Oldest first in place of newest first.
    pub oldest_first: bool,
    /// At most so many; 0 means 100.
    pub limit: u32,
}

/// The journal of changes.
pub trait Events {
    /// Appends an event and returns its sequence number.
    fn append_event(&mut self, event: &NewEvent) -> Result<u64>;
    /// The events that match, newest first unless the filter says otherwise.
    fn events(&mut self, filter: &EventFilter) -> Result<Vec<Event>>;
    /// One event.
    fn event(&mut self, seq: u64) -> Result<Option<Event>>;
    /// The newest sequence number, 0 when there is none yet.
    fn last_event(&mut self) -> Result<u64>;
}
