//! Observe what serves: labels joined to predictions, live error per version, alarms on harm with a budget of false
//! ones, and drift as their explanation.
//!
//! The server runs [`Watcher`]; `status` pages read [`Memory`] and the alarms' records, pipelines are started from
//! those. Nothing here decides a roll-out, and no decision here reads a clock or a store.

pub mod alarm;
pub mod drift;
mod error;
pub mod join;
mod leap;
pub mod live;
pub mod log;
mod memory;
pub mod monitor;
mod reconcile;
pub mod settings;

pub use error::Error;
pub use leap::Leap;
pub use memory::Memory;
pub use reconcile::{Parts, Status, Watcher};
