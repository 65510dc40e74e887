//! Runs units: supervised processes that outlive the server (a pipeline step, a model replica).
//!
//! Callers describe a unit as a [`UnitSpec`] and hand it to a [`Platform`]; `pipeline` and
//! `rollout` use the trait, `server` makes the [`local::Local`] driver, and the binary's role
//! `mainspan unit <units' directory>` is [`shim::main`]. This crate knows neither pipelines nor models and must
//! never decide what to run; it only decides whether there is room ([`capacity::admit`]).

pub mod capacity;
mod cgroup;
pub mod doctor;
pub mod driver;
mod layout;
pub mod local;
mod process;
pub mod program;
pub mod shim;
pub mod spec;
pub mod status;

pub use capacity::{Admit, Capacity, Claim};
pub use doctor::{Finding, doctor};
pub use driver::{Error, LogChunk, Pending, Platform};
pub use local::{Local, LocalOptions};
pub use program::Program;
pub use spec::{
    HOME, Input, Limits, LogLimits, Output, Staging, StopSignal, TEMPORARY, UNIT_DIR, UnitSpec,
};
pub use status::{Ending, Exit, Found, OutputStatus, Reason, State, UnitStatus};
