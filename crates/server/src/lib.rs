//! The control plane: HTTP on the control port and the reconcilers behind it.
//!
//! `mainspan server` calls [`start`] and waits on the [`Handle`]. One folder per protocol ([`api`], [`mlflow`]) unpacks
//! and converts; decisions and work live in the crates below. Killing it at any instant loses nothing acknowledged.

pub mod api;
pub mod app;
pub mod apply;
mod compare;
mod engines;
mod follow;
mod frozen;
pub mod http;
pub mod logs;
pub mod mlflow;
pub mod options;
pub mod outlook;
pub mod pace;
mod reconcile;
mod roles;
mod room;
mod run;
pub mod runs;
mod serve;
mod shared;
mod users;
mod webhooks;

pub use app::{App, StartError};
pub use options::Options;
pub use run::{Handle, routes, start};
