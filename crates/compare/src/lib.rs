//! What changes between two versions' answers to the same requests.
//!
//! [`Comparison`] takes pairs of answers one after the other and keeps counts, distributions, the rows that change most
//! and the parts of the inputs where most changes; [`Report`] is what it has seen, as JSON and as text. The server asks
//! both versions what was captured, the gateway's mirror has the answers at hand. Pure and bounded: no I/O, no clock, no
//! chance; the same pairs in the same order make the same report.

mod answers;
mod cell;
mod comparison;
mod inputs;
mod output;
mod report;
mod row;
mod slices;
mod table;
mod text;
mod wire;
mod worst;

pub use comparison::{Answered, Asked, Comparison, Found, Options, Side};
pub use report::{
    Bar, Failures, Message, OutputReport, Quantiles, Report, Shift, Slice, Sort, Words, WorstRow,
};
pub use row::Tolerance;
pub use wire::wire_of;
