//! What tests share: real servers on port 0 with their own state directories, the real binary with projects to work
//! on, small models, and a Python with the real clients.
//!
//! Used by tests only. Nothing here sleeps to wait for a state: a server answers when [`Server::start`] returns.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

pub mod http;
pub mod onnx;
mod postgres;
pub mod product;
mod python;
mod repository;
mod server;

pub use postgres::Postgres;
pub use product::{Product, Said, until, until_or};
pub use python::{Outcome, Python};
pub use repository::Repository;
pub use server::Server;
