//! The server as its clients see it: real sockets, a state directory of its own, unmodified clients.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod crowd;
mod mlflow;
mod schedules;
mod webhooks;
