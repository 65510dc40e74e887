//! The whole product, by its binary: what a user does on the command line and over HTTP, and what must not go wrong.
//!
//! Every test has a state directory and ports of its own and stops what it started. Steps are `sh` and Python without
//! packages; models are a few bytes each.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod access;
mod branches;
mod capacity;
mod clients;
mod compare;
mod crash;
mod crowded;
mod dies;
mod engines;
mod files;
mod freeze;
mod hang;
mod hostile;
mod large;
mod leak;
mod mlflow;
mod objects;
mod outlook;
mod postgres;
mod pyfunc;
mod registered;
mod reliability;
mod requests;
mod rollouts;
mod scale;
mod servers;
mod serving;
mod state;
mod steps;
mod story;
mod tracking;
mod traffic;
mod triggers;
mod upgrades;
mod uploads;
mod words;
mod world;
