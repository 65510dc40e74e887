//! What tests share: real servers on port 0 with their own state directories, and a Python with the real clients.
//!
//! Used by tests only. Nothing here sleeps to wait for a state: a server answers when [`Server::start`] returns.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod python;
mod server;

pub use python::{Outcome, Python};
pub use server::Server;
