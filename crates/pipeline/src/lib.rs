//! Running work: a pipeline's steps from a commit's snapshot to a registered version.
//!
//! The server starts runs with [`start::start`] and keeps one [`Executor`] going. It decides with pure functions
//! ([`graph`], [`decide`], [`gate`], [`cache`]) and executes through `platform`. It knows nothing of services or
//! roll-outs: a registered version is where its work ends.

pub mod cache;
pub mod checks;
pub mod decide;
mod executor;
pub mod gate;
pub mod git;
pub mod graph;
pub mod profile;
mod signature;
pub mod snapshot;
pub mod start;
pub mod toolchain;
pub mod tree;
pub mod work;

pub use executor::{Executor, IssueToken, Parts, TokenScope, log_path};
pub use start::{Request, StartError, start};
pub use work::{Champion, Trigger, Work};
