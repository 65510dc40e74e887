//! Requests that wait for a place at a replica.
//!
//! A replica takes so many requests at a time ([`Places`], counted by all threads together). More
//! wait here: in a line for each thread and version ([`Line`]), bounded in number and in time, the
//! urgent ones first. What threads know of each other's lines are counts ([`Crowd`]); whichever
//! frees a place rings for the thread whose turn it is, and a task of that thread
//! ([`serve_lines`]) gives it away. A place is never given to a request that comes later while
//! somebody waits. Nothing here locks on a request's way.

/// What a request hears that gets no place.
pub(crate) const FULL: &str =
    "this version has all the requests it can take; try again in a moment";
/// What a request hears whose client does not wait any more.
pub(crate) const LATE: &str = "no answer within the time that the client gave";

mod class;
mod crowd;
mod line;
mod places;
mod retry;

pub use class::Priority;
pub(crate) use crowd::{Crowd, Crowds, Places};
pub(crate) use line::Line;
pub(crate) use places::{Admitted, Bounds, Place, Ticket, serve_lines};
pub(crate) use retry::after as retry_after;
