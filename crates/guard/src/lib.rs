//! Protection: who is calling, what they may do, and which bytes from outside are fit to touch.
//!
//! The server asks this crate before every handler; the command line and the shim use it to find and to make
//! tokens. Decisions ([`access::decide`], [`browser::check`], [`egress::Egress`], [`path::relative`]) are pure; only
//! [`keys`] touches files. Nothing here knows HTTP frameworks or routes.

pub mod access;
pub mod attempts;
pub mod browser;
pub mod credential;
pub mod egress;
pub mod grants;
pub mod identity;
pub mod keys;
pub mod password;
pub mod path;
pub mod role;
pub mod seal;
pub mod signature;
mod signed;
pub mod ticket;
pub mod token;
pub mod unit_token;
pub mod verified;

pub use access::{Denied, Policy, decide, decide_with};
pub use grants::{Level, Rights};
pub use identity::Identity;
pub use role::{Permission, Role};
