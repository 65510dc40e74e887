//! The traits of tracking in SQL. Runs carry a short number beside their id; whatever is logged
//! to a run refers to that.

mod charts;
pub(super) mod experiments;
mod history;
mod logged_models;
mod metrics;
mod runs;
mod view;

use super::column::{Param, Value};
use crate::tracking::RunView;

/// How many ids one statement asks for; always so many, so that its text stays the same and the
/// prepared statement is found again.
const IDS: usize = 100;

/// `?first, ?first+1, …` for [`IDS`] values.
fn marks(first: usize, count: usize) -> String {
    (first..first + count)
        .map(|n| format!("?{n}"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// The ids, filled up with the last one.
fn filled<P: Param>(ids: &[P]) -> Vec<Value<'_>> {
    (0..IDS)
        .filter_map(|n| ids.get(n).or(ids.last()))
        .map(Param::value)
        .collect()
}

/// The condition for a view of life cycles over the table `r`.
fn seen(view: RunView) -> &'static str {
    match view {
        RunView::Active => "r.\"lifecycle\" = 'active'",
        RunView::Deleted => "r.\"lifecycle\" = 'deleted'",
        RunView::All => "1 = 1",
    }
}
