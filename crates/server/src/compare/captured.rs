//! What a service was asked, from the gateway's traffic log or from lines of a file.
//!
//! A log that says neither how a body is written nor how long it was is guessed at. Blocking: run it on a blocking thread.

use bytes::Bytes;
use compare::wire_of;
use inference::frame::Wire;
use jiff::Timestamp;
use parquet::record::{Field, Row};
use serde::{Deserialize, Serialize};
use std::{collections::VecDeque, fmt, io, path::Path};
use watch::log::{self, Place};

/// The columns that are read, where they are there.
const COLUMNS: [&str; 7] = [
    "time",
    "request_id",
    "status",
    "body",
    "protocol",
    "body_bytes",
    "body_json_bytes",
];
/// Most bytes of bodies that are held.
const BYTES: usize = 128 << 20;
/// Bytes of the newest files that are looked at: what is older is not found.
const LOOKED_AT: u64 = 256 << 20;

/// A request that can be asked again.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Request {
    pub(crate) id: String,
    pub(crate) wire: Wire,
    pub(crate) body: Bytes,
}

/// Requests, the oldest first, and what was left out on the way.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Captured {
    pub(crate) requests: Vec<Request>,
    pub(crate) source: Source,
}

/// Where requests come from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Source {
    /// `traffic`, or `rows` for those of a file.
    pub(crate) kind: String,
    /// When the first and the last of them came, microseconds since 1970.
    pub(crate) first: Option<i64>,
    pub(crate) last: Option<i64>,
    /// Left out: their client was told that they are wrong.
    pub(crate) refused: u64,
    /// Left out: the log has only a part of them, or it is not known how they are written.
    pub(crate) unreadable: u64,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = |micros: Option<i64>| micros.and_then(|at| Timestamp::from_microsecond(at).ok());
        match (at(self.first), at(self.last)) {
            (Some(first), Some(last)) => write!(f, "requests from {first:.0} to {last:.0}")?,
            _ => f.write_str("rows of a file")?,
        }
        let left_out = self.refused + self.unreadable;
        if left_out > 0 {
            write!(f, " ({left_out} that cannot be asked again are left out)")?;
        }
        Ok(())
    }
}

/// The last `most` requests of a service, newest files first. A file that cannot be read is left out.
pub(crate) fn recent(folder: &Path, place: &Place, most: usize) -> io::Result<Captured> {
    let mut kept = Kept {
        most,
        ..Kept::default()
    };
    let mut looked_at = 0;
    for file in log::newest_first(folder)? {
        let mut newer = std::mem::take(&mut kept.requests);
        log::read(&file, place, &COLUMNS, |row| {
            kept.take(logged(row), newer.len());
        });
        kept.requests.append(&mut newer);
        looked_at += std::fs::metadata(&file).map_or(0, |metadata| metadata.len());
        if kept.requests.len() >= most || kept.bytes >= BYTES || looked_at >= LOOKED_AT {
            break;
        }
    }
    let times = || kept.requests.iter().map(|(time, _)| *time);
    Ok(Captured {
        source: Source {
            kind: "traffic".to_owned(),
            first: times().min(),
            last: times().max(),
            refused: kept.refused,
            unreadable: kept.unreadable,
        },
        requests: kept
            .requests
            .into_iter()
            .map(|(_, request)| request)
            .collect(),
    })
}

/// The newest requests of those that were read.
#[derive(Default)]
struct Kept {
    most: usize,
    /// With their times.
    requests: VecDeque<(i64, Request)>,
    /// Of all bodies.
    bytes: usize,
    refused: u64,
    unreadable: u64,
}

impl Kept {
    /// Takes the next row of a file, in place of the oldest of it when there is no room beside `newer` ones.
    fn take(&mut self, logged: Logged, newer: usize) {
        if (400..500).contains(&logged.status) {
            self.refused += 1;
            return;
        }
        let Some(wire) = logged.wire() else {
            self.unreadable += 1;
            return;
        };
        self.bytes += logged.body.len();
        let request = Request {
            id: logged.request_id,
            wire,
            body: logged.body,
        };
        self.requests.push_back((logged.time, request));
        while self.requests.len() + newer > self.most || self.bytes > BYTES {
            let Some((_, oldest)) = self.requests.pop_front() else {
                return;
            };
            self.bytes -= oldest.body.len();
        }
    }
}

/// Requests that are lines of a file, each a body.
pub(crate) fn of_lines(lines: &[String], most: usize) -> Captured {
    let mut captured = Captured::default();
    captured.source.kind = "rows".to_owned();
    let lines = lines.iter().enumerate();
    for (at, line) in lines.filter(|(_, line)| !line.trim().is_empty()).take(most) {
        let body = Bytes::copy_from_slice(line.trim().as_bytes());
        match wire_of(&body) {
            Some(wire) => captured.requests.push(Request {
                id: format!("line {}", at + 1),
                wire,
                body,
            }),
            None => captured.source.unreadable += 1,
        }
    }
    captured
}

/// A row of the log.
#[derive(Debug, Default)]
struct Logged {
    time: i64,
    request_id: String,
    status: i32,
    body: Bytes,
    protocol: Option<String>,
    whole: Option<i64>,
    json: Option<i64>,
}

impl Logged {
    /// How its body is written; none when it is not whole, or nobody knows.
    fn wire(&self) -> Option<Wire> {
        let kept = i64::try_from(self.body.len()).unwrap_or(i64::MAX);
        if self.whole.is_some_and(|whole| whole > kept) {
            return None;
        }
        match self.protocol.as_deref() {
            Some("rows") => Some(Wire::Rows),
            Some("oip") => Some(Wire::Oip),
            Some("oip-binary") => {
                let json = self.json.unwrap_or(0);
                u32::try_from(json).ok().map(Wire::OipRaw)
            }
            Some("oip-grpc") => Some(Wire::Grpc),
            Some("v1") => Some(Wire::V1),
            Some("scoring") => Some(Wire::Scoring),
            Some("csv") => Some(Wire::Csv),
            Some("http") => None,
            Some(_) | None => wire_of(&self.body),
        }
    }
}

fn logged(row: &Row) -> Logged {
    let mut logged = Logged::default();
    for (name, field) in row.get_column_iter() {
        match (name.as_str(), field) {
            ("time", Field::TimestampMicros(time) | Field::Long(time)) => logged.time = *time,
            ("request_id", Field::Str(text)) => logged.request_id.clone_from(text),
            ("status", Field::Int(status)) => logged.status = *status,
            ("body", Field::Bytes(bytes)) => logged.body = Bytes::copy_from_slice(bytes.data()),
            ("protocol", Field::Str(text)) => logged.protocol = Some(text.clone()),
            ("body_bytes", Field::Long(length)) => logged.whole = Some(*length),
            ("body_json_bytes", Field::Long(length)) => logged.json = Some(*length),
            _ => {}
        }
    }
    logged
}

#[cfg(test)]
mod tests;
