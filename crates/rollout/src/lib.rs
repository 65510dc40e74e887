//! Changing what serves: verdicts on roll-outs, and the time that a verdict needs.
//!
//! Decisions are pure functions of evidence and policy; they read no clock, no store and no gateway. `server` wires
//! the reconcilers that gather the evidence and carry the verdicts out.

pub mod judge;
