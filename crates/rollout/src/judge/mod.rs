//! The verdict on a roll-out: promote, continue, hold or roll back, with its reasons.
//!
//! The reconciler keeps one [`Evidence`] per roll-out beside it in the store: it feeds every look at the gateway's
//! counters and every newly joined label to [`Evidence::look`], then asks [`judge`]. Both are pure, so a restart
//! resumes and a verdict replays. Nothing here reads a clock, draws a random number or changes traffic.
//!
//! The method and what it guarantees are told in docs/verdicts.md.

mod evidence;
mod measure;
mod method;
mod policy;
pub mod power;
mod reading;
mod reason;
mod share;
mod verdict;
pub mod worlds;

pub use evidence::{Counters, Evidence, Look, Loss};
pub use measure::{Losses, Tally};
pub use method::{Basis, Known, Method, Test};
pub use policy::{AtLeast, Judge, Policy, PolicyError, Quiet, Then};
pub use reading::{Interval, Rate, Reading};
pub use reason::Reason;
pub use stats::difference::Side;
pub use verdict::{Decision, Verdict, judge};

#[cfg(test)]
mod tests;
