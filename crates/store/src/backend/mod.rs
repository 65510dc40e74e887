//! The two databases behind [`Store`](crate::Store), and what they share: the queue of waiting
//! work, the schema, the lock on the state directory.

pub(crate) mod lock;
pub(crate) mod migrate;
pub(crate) mod postgres;
pub(crate) mod queue;
pub(crate) mod sqlite;
mod work;
pub(crate) mod writer;

pub(crate) use work::{Job, Once, Repeat, answer};
