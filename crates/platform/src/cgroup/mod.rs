//! Control groups: the kernel's limits on a unit, and the way to kill all of it at once.
//!
//! The driver finds out once which hierarchies it may write ([`detect::Hierarchies`]) and names a
//! [`Group`] for each unit; the shim makes it, lets its child be born in it and removes it; the
//! driver clears one whose shim was killed. A host without control groups has an empty group, and
//! nothing here fails because of that.

pub(crate) mod detect;
mod group;

pub(crate) use detect::{Base, Hierarchies};
pub(crate) use group::Group;
