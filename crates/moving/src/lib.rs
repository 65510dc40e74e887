//! Moving between MLflow servers: what another one holds into a project, and a project's records into another one.
//!
//! [`source`] reads, [`import`] and [`export`] copy, [`report`] says what became of everything. The command line calls
//! this crate; it knows servers by their addresses only, none of their insides, and never writes to what it reads from.
//! A copy can be ended at any instant: the same copy started again goes on from there, and changes nothing that is there.

pub mod error;
pub mod export;
pub mod http;
pub mod import;
mod otlp;
pub mod report;
pub mod source;
mod traces;
