//! One line of the join log.
//!
//! `{"k":"p","r":"project/env/service","v":3,"id":"req-1","y":12.5,"t":<micros>,"a":<micros>}` is a prediction,
//! `{"k":"l","r":…,"id":…,"y":…,"a":…}` a label, which may bring its own event time `t`.

use jiff::Timestamp;
use serde::Deserialize;

use store::{Label, Prediction};

/// What a line says.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// A prediction of a route.
    Prediction(String, Prediction),
    /// A label for a route.
    Label(String, Label),
    /// An answer that was no number: it cannot be compared with a label.
    NoNumber,
}

/// A line that says nothing we know.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// It is not the JSON that it should be.
    #[error("not a record of the join log")]
    Json(#[from] serde_json::Error),
    /// It has an unknown kind.
    #[error("records of kind `{0}` are unknown; a newer gateway wrote them")]
    Kind(String),
    /// It lacks a field or holds a time out of range.
    #[error("the record has no usable `{0}`")]
    Field(&'static str),
}

/// Longer keys fit no index.
const MAX_ID: usize = 1024;

#[derive(Deserialize)]
struct Line {
    k: String,
    r: String,
    v: Option<u32>,
    id: String,
    y: Option<f64>,
    t: Option<i64>,
    a: i64,
}

impl Record {
    /// Reads a line without its end.
    pub fn parse(line: &[u8]) -> Result<Self, RecordError> {
        let line: Line = serde_json::from_slice(line)?;
        // One record that no store takes would hold up all that come after it.
        if line.id.len() > MAX_ID || line.id.contains('\0') {
            return Err(RecordError::Field("id"));
        }
        let arrived_at =
            Timestamp::from_microsecond(line.a).map_err(|_| RecordError::Field("a"))?;
        // An event time that no calendar has is as good as none.
        let event_at = line.t.and_then(|t| Timestamp::from_microsecond(t).ok());
        match (line.k.as_str(), line.y) {
            ("p" | "l", None) => Ok(Self::NoNumber),
            ("p", Some(y)) => {
                let version = line.v.ok_or(RecordError::Field("v"))?;
                let event_at = event_at.unwrap_or(arrived_at);
                Ok(Self::Prediction(
                    line.r,
                    Prediction {
                        request_id: line.id,
                        version,
                        y,
                        event_at,
                        arrived_at,
                    },
                ))
            }
            ("l", Some(label)) => Ok(Self::Label(
                line.r,
                Label {
                    request_id: line.id,
                    label,
                    event_at,
                    arrived_at,
                },
            )),
            (other, _) => Err(RecordError::Kind(other.to_owned())),
        }
    }
}
