//! Labels: what really happened, sent back by the request's id.
//!
//! `POST <base>/labels` with one `{"request_id": …, "label": …}` or an array of them. The id may
//! also have the name that the service joins by, and the event's time may come with it. All of a
//! request's labels are kept, or none; what a repeated or late label means is the monitor's
//! business. Answered when they are on the disk.

use std::sync::Arc;

use http::StatusCode;

use crate::clock::{self, event_micros};
use crate::fields::{self, Fields, FieldsError, REQUEST_ID, Rows, Wanted};
use crate::join::{Label, LabelError, MAX_ID};
use crate::live::LiveRoute;
use crate::respond::{self, Answer};
use crate::traffic::LabelRow;
use crate::worker::Worker;

/// The field with the label.
const LABEL: &str = "label";

/// Labels that cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum LabelsError {
    /// No JSON, or no objects.
    #[error(transparent)]
    Body(FieldsError),
    /// A label that is nobody's.
    #[error("label {at} has no `{id}`; send the id that the request had")]
    NoId { at: usize, id: String },
    /// A label whose prediction was not kept.
    #[error(
        "label {at} has an id of more than {MAX_ID} bytes; predictions with such ids are not kept"
    )]
    LongId { at: usize },
    /// A label that is no number.
    #[error("label {at} has no `label` that is a number, true or false")]
    NoLabel { at: usize },
}

/// Keeps the labels of a body.
pub(crate) async fn keep(worker: &Worker, route: &LiveRoute, body: &[u8]) -> Answer {
    let Some(join) = route.route.join.as_deref() else {
        let message = format!(
            "{} joins no labels; set `monitor.labels.join` for it in mainspan.yaml and apply",
            route.key
        );
        return respond::error(StatusCode::CONFLICT, &message);
    };
    let read = match read(route, join, body, clock::now_micros()) {
        Ok(read) => read,
        Err(error) => return respond::error(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let count = read.labels.len() as u64;
    if count == 0 {
        return accepted(0);
    }
    match worker.join.keep(read.lines, count).await {
        Ok(()) => {
            if let Some(tap) = worker.tap.as_ref().filter(|_| route.route.log.sample > 0.0) {
                tap.label(read.labels);
            }
            accepted(count)
        }
        Err(error @ LabelError::Full) => {
            respond::error(StatusCode::SERVICE_UNAVAILABLE, &error.to_string())
        }
        Err(error @ LabelError::Disk(_)) => {
            respond::error(StatusCode::INSUFFICIENT_STORAGE, &error.to_string())
        }
    }
}

fn accepted(count: u64) -> Answer {
    respond::json(StatusCode::OK, format!("{{\"accepted\":{count}}}"))
}

/// The labels of a body.
#[derive(Debug, Default)]
struct Read {
    /// For the join log.
    lines: Vec<u8>,
    /// For the files beside the traffic log.
    labels: Vec<LabelRow>,
}

fn read(route: &LiveRoute, join: &str, body: &[u8], now: i64) -> Result<Read, LabelsError> {
    let wanted = Wanted {
        id: join,
        value: Some(LABEL),
        time: route.route.time.as_deref(),
    };
    let rows = fields::rows(body, wanted).map_err(LabelsError::Body)?;
    let any = Wanted {
        id: REQUEST_ID,
        ..wanted
    };
    let by_request_id = fields::rows(body, any).unwrap_or(Rows::Many(Vec::new()));
    let mut read = Read::default();
    for (at, row) in rows.as_slice().iter().enumerate() {
        let other = by_request_id.as_slice().get(at).and_then(|row| row.id);
        append(&mut read, route, at, row, other, now)?;
    }
    Ok(read)
}

fn append(
    read: &mut Read,
    route: &LiveRoute,
    at: usize,
    row: &Fields<'_>,
    request_id: Option<&str>,
    now: i64,
) -> Result<(), LabelsError> {
    let id = row.id.or(request_id).ok_or_else(|| LabelsError::NoId {
        at,
        id: route.route.join.clone().unwrap_or_default(),
    })?;
    let id = fields::text(id);
    if id.len() > MAX_ID {
        return Err(LabelsError::LongId { at });
    }
    let y = row
        .value
        .and_then(number)
        .ok_or(LabelsError::NoLabel { at })?;
    let label = Label {
        route: &route.key,
        id: &id,
        y,
        t: row.time.and_then(event_micros),
        a: now,
    };
    label.append(&mut read.lines);
    read.labels.push(LabelRow {
        time: now,
        route: Arc::clone(&route.route),
        label: y,
        event_time: label.t,
        request_id: id.into_owned(),
        counters: Arc::clone(&route.main().counters),
    });
    Ok(())
}

fn number(raw: &str) -> Option<f64> {
    match raw {
        "true" => Some(1.0),
        "false" => Some(0.0),
        _ => raw.parse().ok().filter(|y: &f64| y.is_finite()),
    }
}
