//! HTTP on the control port: the route table, who may call what, and what errors look like.
//!
//! Protocol folders ([`crate::api`], [`crate::mlflow`]) add their routes to one [`Routes`]; nothing reaches a handler
//! without passing [`auth`].

pub mod auth;
pub mod error;
mod identify;
mod known;
mod passwords;
pub mod ranges;
pub mod routes;

pub use auth::Caller;
pub(crate) use auth::DEFAULT_PROJECT;
pub use error::ApiError;
pub(crate) use identify::rights_of;
pub use known::Known;
pub use passwords::Passwords;
pub use routes::{RouteInfo, Routes};
