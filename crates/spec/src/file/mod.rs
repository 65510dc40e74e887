//! The types of `mainspan.yaml`, one file per section, each beside its reader.
//!
//! Every crate that acts on a project reads these plain fields. A value of these types keeps
//! the rules of its own section; references between sections are checked by
//! [`crate::parse`], the only way to make a [`ProjectFile`]. Serialised, each has the shape in
//! which the file spells it, with defaults filled in.

mod alert;
mod dataset;
mod log;
mod monitor;
mod overrides;
mod pipeline;
mod project;
mod queue;
mod register;
mod rollout;
mod scalar;
mod service;
mod step;
mod warmup;

pub use alert::Alert;
pub use dataset::{Dataset, DatasetSource, Format, SourceKind};
pub use log::Log;
pub use monitor::{Alarm, Drift, DriftReference, Labels, Monitor, Slo};
pub use overrides::{Approval, Override};
pub use pipeline::{Pipeline, Python, Triggers};
pub use project::ProjectFile;
pub(crate) use project::read;
pub use queue::{Priority, Queue};
pub use register::{OutputRef, Register};
pub use rollout::{LiveMetric, Measure, Quiet, QuietAction, Rollout, Sticky};
pub use scalar::Scalar;
pub use service::{EngineKind, Scale, Service, ServiceResources};
pub use step::{Against, Retry, Select, Step, StepResources};
pub use warmup::{Warmup, WarmupProtocol};
