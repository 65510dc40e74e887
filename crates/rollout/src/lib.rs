//! Changing what serves: verdicts on roll-outs, the reconciler that carries them out, and what people may do.
//!
//! Decisions are pure functions of evidence and policy ([`judge`], [`freeze`]); they read no clock, no store and no gateway.
//! [`Reconciler`] gathers the evidence and acts; [`manual`] holds promote, roll-back, pause and resume; [`record`] is
//! the only code that writes which version a deployment has. [`scale`] decides how many replicas there are, and [`scaled`] tells of it.

mod engines;
#[cfg(test)]
mod fixtures;
pub mod freeze;
pub mod judge;
pub mod manual;
pub mod outlook;
pub mod reconcile;
pub mod record;
pub mod scale;
pub mod scaled;
pub mod traffic;

pub use engines::{Engines, Start, Starting};
pub use reconcile::{Parts, Reconciler, fit::difference};
pub use traffic::Traffic;
