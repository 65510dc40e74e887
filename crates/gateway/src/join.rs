//! The join log: predictions that wait for their labels, and the labels.
//!
//! Gateway threads append predictions to a bounded [`Lane`] of their own (what does not fit is
//! counted) and hand labels to the writer thread, which answers once they are on the disk. The
//! monitor reads the files: `traffic/join/join-<first record's number>.log`, one JSON line a
//! record. Predictions of different threads may change places within 20 ms; a label always stands
//! after the prediction that its client saw. Must never make a prediction wait.

mod lane;
mod record;
mod segments;
mod writer;

pub(crate) use lane::{Lane, MAX_ID};
pub(crate) use record::{Label, Prediction};
pub(crate) use writer::{JoinLog, LabelError};

#[cfg(test)]
mod tests;
