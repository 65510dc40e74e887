//! The gateway as its clients, its replicas and its administrator see it: a real one on port 0,
//! fake engines that speak frames.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop where it stands"
)]

mod accounts;
mod addresses;
mod doors;
mod drain;
mod engine;
mod heads;
mod held;
mod labels;
mod lost;
mod mirror;
mod outlier;
mod plain;
mod queue;
mod routing;
mod silent;
mod succession;
mod swap;
mod tables;
mod traffic;
mod world;
