//! A request in the traffic log, and its columns.

use std::sync::Arc;

use bytes::Bytes;
use inference::frame::Wire;
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int32Type, Int64Type};
use parquet::errors::ParquetError;

use super::file::{Group, Record, column, list, optional};
use super::redact::{Names, redact};
use crate::evidence::Counters;
use crate::table::Route;

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// Arrival, microseconds since 1970.
    pub(crate) time: i64,
    /// Whose request.
    pub(crate) route: Arc<Route>,
    /// Who answered.
    pub(crate) version: u32,
    /// The client's, or else the gateway's.
    pub(crate) request_id: String,
    /// HTTP status of the answer.
    pub(crate) status: u16,
    /// From arrival to answer.
    pub(crate) latency_micros: i64,
    /// How body and answer are written.
    pub(crate) protocol: Protocol,
    /// The request's body.
    pub(crate) body: Payload,
    /// The answer's.
    pub(crate) answer: Payload,
    /// By what each row's label comes back.
    pub(crate) row_ids: Vec<String>,
    /// First output of each row; NaN where it is no number.
    pub(crate) predictions: Vec<f64>,
    /// Who counts it if it is dropped.
    pub(crate) counters: Arc<Counters>,
}

/// A body, or its beginning.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Payload {
    pub(crate) bytes: Bytes,
    /// How many bytes of it are JSON, if raw bytes follow; else 0.
    pub(crate) json: u32,
    /// How long all of it was.
    pub(crate) whole: usize,
    pub(crate) is_answer: bool,
}

impl Payload {
    /// A request's.
    pub(crate) fn body(bytes: &Bytes, json: u32) -> Self {
        Self {
            bytes: bytes.clone(),
            json,
            whole: bytes.len(),
            is_answer: false,
        }
    }

    /// An answer's.
    pub(crate) fn answer(bytes: &Bytes, json: u32) -> Self {
        Self {
            is_answer: true,
            ..Self::body(bytes, json)
        }
    }

    /// The same less the values of `names`.
    pub(crate) fn without(mut self, names: &[String], protocol: Protocol) -> Self {
        redact(&mut self, protocol, Names(names));
        self
    }

    /// How much of it is kept where at most `max` bytes are.
    pub(super) fn kept(&self, max: usize) -> usize {
        self.bytes.len().min(max)
    }

    /// Cuts it there. A slice would keep the buffer that it came in.
    pub(super) fn cut(&mut self, max: usize) {
        self.bytes = Bytes::copy_from_slice(&self.bytes[..self.kept(max)]);
    }

    fn json_bytes(&self) -> Option<i64> {
        (self.json > 0).then_some(i64::from(self.json))
    }
}

/// How a request and its answer are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Rows,
    Oip,
    OipBinary,
    Grpc,
    V1,
    Scoring,
    Csv,
    /// What a server of somebody else's speaks.
    Http,
}

impl Protocol {
    pub(crate) fn of(wire: Wire) -> Self {
        match wire {
            Wire::Rows => Self::Rows,
            Wire::Oip => Self::Oip,
            Wire::OipRaw(_) => Self::OipBinary,
            Wire::Grpc => Self::Grpc,
            Wire::V1 => Self::V1,
            Wire::Scoring => Self::Scoring,
            Wire::Csv => Self::Csv,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Rows => "rows",
            Self::Oip => "oip",
            Self::OipBinary => "oip-binary",
            Self::Grpc => "oip-grpc",
            Self::V1 => "v1",
            Self::Scoring => "scoring",
            Self::Csv => "csv",
            Self::Http => "http",
        }
    }
}

impl Row {
    /// Takes out what its service does not want written.
    fn redact(&mut self) {
        let route = Arc::clone(&self.route);
        if route.log.redact.is_empty() {
            return;
        }
        let names = Names(&route.log.redact);
        redact(&mut self.body, self.protocol, names);
        if self.status >= 400 {
            // The words of an error may repeat what was sent.
            self.answer.bytes = Bytes::new();
            self.answer.json = 0;
        } else if redact(&mut self.answer, self.protocol, names) {
            // Predictions are the first output's, which may be what was taken out.
            self.predictions.fill(f64::NAN);
        }
    }
}

impl Record for Row {
    const PREFIX: &'static str = "traffic";
    const SCHEMA: &'static str = "message traffic {
        REQUIRED INT64 time (TIMESTAMP(MICROS, true));
        REQUIRED BYTE_ARRAY project (UTF8);
        REQUIRED BYTE_ARRAY environment (UTF8);
        REQUIRED BYTE_ARRAY service (UTF8);
        REQUIRED INT32 version;
        REQUIRED BYTE_ARRAY request_id (UTF8);
        REQUIRED INT32 status;
        REQUIRED INT64 latency_micros;
        REQUIRED BYTE_ARRAY body;
        OPTIONAL DOUBLE prediction;
        REQUIRED BYTE_ARRAY protocol (UTF8);
        REQUIRED INT64 body_bytes;
        OPTIONAL INT64 body_json_bytes;
        REQUIRED BYTE_ARRAY answer;
        REQUIRED INT64 answer_bytes;
        OPTIONAL INT64 answer_json_bytes;
        REQUIRED group row_ids (LIST) { REPEATED group list { REQUIRED BYTE_ARRAY element (UTF8); } }
        REQUIRED group predictions (LIST) { REPEATED group list { REQUIRED DOUBLE element; } }
    }";
    // No two of these are the same: a dictionary of them would only cost time.
    const VARIED: &'static [&'static str] =
        &["body", "request_id", "answer", "row_ids.list.element"];

    fn keep_seconds(&self) -> Option<u64> {
        self.route.log.keep_seconds
    }

    fn len(&self) -> usize {
        let ids: usize = self.row_ids.iter().map(String::len).sum();
        let lists = ids + self.predictions.len() * size_of::<f64>();
        self.body.bytes.len() + self.answer.bytes.len() + self.request_id.len() + lists
    }

    fn prepare(&mut self) {
        self.redact();
    }

    fn lost(&self) {
        self.counters.traffic_dropped(1);
    }

    fn columns(group: &mut Group<'_>, rows: &[Self]) -> Result<(), ParquetError> {
        let text = |of: fn(&Self) -> &str| -> Vec<ByteArray> {
            rows.iter().map(|row| ByteArray::from(of(row))).collect()
        };
        let small = |of: fn(&Self) -> i32| -> Vec<i32> { rows.iter().map(of).collect() };
        let whole = |of: fn(&Self) -> i64| -> Vec<i64> { rows.iter().map(of).collect() };
        let bytes = |of: fn(&Self) -> &Payload| -> Vec<ByteArray> {
            let bytes = rows.iter().map(|row| Bytes::clone(&of(row).bytes));
            bytes.map(ByteArray::from).collect()
        };
        let length = |payload: &Payload| i64::try_from(payload.whole).unwrap_or(i64::MAX);
        let known = |row: &Self| row.predictions.first().copied().filter(|y| !y.is_nan());

        column::<Int64Type>(group, &whole(|row| row.time), None)?;
        column::<ByteArrayType>(group, &text(|row| &row.route.project), None)?;
        column::<ByteArrayType>(group, &text(|row| &row.route.environment), None)?;
        column::<ByteArrayType>(group, &text(|row| &row.route.service), None)?;
        // Parquet has no unsigned type of this width without an annotation that few readers honour.
        let versions = small(|row| i32::try_from(row.version).unwrap_or(i32::MAX));
        column::<Int32Type>(group, &versions, None)?;
        column::<ByteArrayType>(group, &text(|row| &row.request_id), None)?;
        column::<Int32Type>(group, &small(|row| i32::from(row.status)), None)?;
        column::<Int64Type>(group, &whole(|row| row.latency_micros), None)?;
        column::<ByteArrayType>(group, &bytes(|row| &row.body), None)?;
        optional::<DoubleType>(group, rows.iter().map(known))?;
        column::<ByteArrayType>(group, &text(|row| row.protocol.name()), None)?;
        let lengths: Vec<_> = rows.iter().map(|row| length(&row.body)).collect();
        column::<Int64Type>(group, &lengths, None)?;
        optional::<Int64Type>(group, rows.iter().map(|row| row.body.json_bytes()))?;
        column::<ByteArrayType>(group, &bytes(|row| &row.answer), None)?;
        let lengths: Vec<_> = rows.iter().map(|row| length(&row.answer)).collect();
        column::<Int64Type>(group, &lengths, None)?;
        optional::<Int64Type>(group, rows.iter().map(|row| row.answer.json_bytes()))?;
        list::<ByteArrayType>(
            group,
            rows.iter()
                .map(|row| row.row_ids.iter().map(|id| id.as_str().into())),
        )?;
        list::<DoubleType>(
            group,
            rows.iter().map(|row| row.predictions.iter().copied()),
        )
    }
}
