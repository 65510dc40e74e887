//! Observe what serves: labels joined to predictions, live error per version, alarms on harm with a budget of false
//! ones, drift as their explanation, and the alerts that alarms make true.
//!
//! The server runs [`reconcile`]; pipelines ask [`alert`] what to start. Nothing here decides a roll-out, and no
//! decision here reads a clock or a store.

pub mod live;
pub mod monitor;
