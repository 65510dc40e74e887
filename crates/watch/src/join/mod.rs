//! From the gateway's join log to losses in the store.
//!
//! The gateway appends predictions and labels to segment files; [`Tail`] reads what is whole, [`Batch`] sorts it by
//! route, and [`pump`] hands it to the store in one transaction with the place in the log that comes after it. So
//! each record counts exactly once, whoever dies when. Must never hold up the gateway, and never forget a record
//! that the store has not acknowledged.

mod batch;
mod pump;
mod record;
mod tail;
#[cfg(test)]
mod tests;

pub use batch::Batch;
pub use pump::{Pumped, Windows, pump};
pub use record::{Record, RecordError};
pub use tail::{Chunk, Position, READER, Tail};
