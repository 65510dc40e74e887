//! GenAI traces: begin, spans by OTLP, read, search, label, link, judge, count, delete; and the second version of the
//! protocol on the same records.
//!
//! A trace's own record and its spans come in any order and more than once, from several connections of a client; each
//! arrival is one transaction that reads what is known and writes what is known now.

mod assessments;
mod change;
mod correlation;
mod ingest;
mod metrics;
mod otlp;
mod read;
mod search;
mod start;
mod v2;

use super::{failure::Refuse as _, routes::Table};
use mlflow::Error;
use store::{Trace, Traces as _, Tx};

pub(super) fn routes(table: Table) -> Table {
    let table = start::routes(table);
    let table = read::routes(table);
    let table = search::routes(table);
    let table = correlation::routes(table);
    let table = metrics::routes(table);
    let table = change::routes(table);
    let table = assessments::routes(table);
    let table = v2::routes(table);
    otlp::routes(table)
}

/// Where traces are.
const AT: &str = "/mlflow/traces";
/// One of them.
const ONE: &str = "/mlflow/traces/{trace_id}";

/// A trace of the project.
fn find(tx: &mut Tx<'_>, project: &str, trace_id: &str) -> store::Result<Trace> {
    tx.trace(project, trace_id)?
        .ok_or_else(|| missing(trace_id))
        .refuse()
}

fn missing(trace_id: &str) -> Error {
    Error::missing(format!("Trace with ID '{trace_id}' not found."))
}
