//! Everything that Mainspan remembers: records in SQLite or Postgres, bytes by their digest.
//!
//! Work is done in closures over a transaction, [`Store::write`] and [`Store::read`]; what can be
//! done in one are the traits by concern ([`Runs`], [`Models`], [`Deployments`] …), all
//! implemented on [`Tx`]. Each change appends its [`Event`] in the same transaction. This crate
//! holds no business rules and reads no clock: times come in with the records, and are kept to
//! the microsecond.
//!
//! ```no_run
//! # async fn example(store: store::Store, now: jiff::Timestamp) -> store::Result<()> {
//! use store::{Events as _, NewEvent, Priority, Projects as _};
//!
//! store
//!     .write(Priority::Normal, move |tx| {
//!         tx.set_seen_commit("flights", "main", "4f2a…")?;
//!         tx.append_event(&NewEvent {
//!             project: Some("flights".into()),
//!             at: now,
//!             actor: "trigger".into(),
//!             kind: "project.pushed".into(),
//!             subject: "project/flights".into(),
//!             reason: "a new commit on main".into(),
//!             before: None,
//!             after: Some("4f2a…".into()),
//!         })
//!     })
//!     .await?;
//! let projects = store.read(|tx| tx.projects()).await?;
//! # Ok(())
//! # }
//! ```

mod alarms;
mod artifacts;
mod backend;
mod backup;
mod blobs;
mod datasets;
mod deployments;
mod digest;
mod error;
mod evaluation;
mod events;
mod gate;
mod issues;
mod joinlog;
mod label_schemas;
mod leases;
mod models;
mod moving;
mod place;
mod projects;
mod retention;
mod roles;
mod rollouts;
mod runs;
mod scorers;
mod search;
mod steps;
mod store;
#[cfg(test)]
mod tests;
mod tokens;
mod traces;
mod tracking;
mod tx;
mod uploads;
mod users;
mod webhooks;
mod words;
mod workspaces;

pub use alarms::{Alarm, AlarmFilter, Alarms, MonitorState};
pub use artifacts::{Artifact, Artifacts};
pub use backend::writer::lend_thread;
pub use backup::{Manifest, restore, verify};
pub use blobs::{Blobs, NamedFiles, Stored};
pub use datasets::{DatasetVersion, Datasets};
pub use deployments::{Deployment, Deployments};
pub use digest::{Digest, Hasher};
pub use error::{Error, Result};
pub use evaluation::{EvaluationDataset, EvaluationDatasets, EvaluationRecord, EvaluationRecords};
pub use events::{Event, EventFilter, Events, NewEvent};
pub use gate::{Denied, Gate, Hidden, Need, Thing};
pub use issues::{Issue, IssueSeverity, IssueStatus, Issues};
pub use joinlog::{JoinCounts, JoinLog, Joined, Label, Loss, LossFilter, Prediction};
pub use label_schemas::{LabelKind, LabelSchema, LabelSchemas};
pub use leases::{Agreements, Lease, Leases};
pub use models::{Aliases, GateState, ModelVersion, Models, RegisteredModel};
pub use moving::{Moved, Moving};
pub use place::{StateDir, StoreUrl};
pub use projects::{AppliedSpec, Project, Projects};
pub use retention::{Referred, Retention};
pub use roles::{Grant, OWN_ROLE, Role, RoleAssignment, RolePermission, Roles, own_role};
pub use rollouts::{Rollout, RolloutFilter, RolloutKind, RolloutState, Rollouts, Verdict};
pub use runs::{ActiveRun, Run, RunFilter, RunSpec, RunState, Runs};
pub use scorers::{OnlineScoring, ScorerVersion, Scorers};
pub use search::{Clause, Cursor, Field, Measured, Op, Operand, Order, Page, Search};
pub use steps::{CachedStep, Step, StepState, Steps};
pub use store::{Priority, Store};
pub use tokens::{Idempotency, Token, Tokens};
pub use traces::{
    Assessment, AssessmentKind, Assessments, Figure, FigureFilter, FigureKind, Figures, Span,
    SpanField, Trace, TraceClause, TraceDeletion, TraceField, TraceLink, TraceOrder, TraceSearch,
    TraceTest, Traces,
};
pub use tracking::{
    Experiment, Experiments, Input, Lifecycle, LoggedModel, LoggedModels, MetricPoint,
    NewExperiment, Output, RunHead, RunView, TagChange, TrackedRun, Tracking, TrackingRead,
    UsedDataset,
};
pub use tx::Tx;
pub use uploads::{Upload, UploadPart, Uploads};
pub use users::{User, Users};
pub use webhooks::{Delivery, Happening, Outbox, Webhook, Webhooks};
pub use workspaces::{Workspace, Workspaces};
