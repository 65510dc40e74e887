//! A request in the traffic log, and its columns.

use std::sync::Arc;

use bytes::Bytes;
use inference::frame::Wire;
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int32Type, Int64Type};
use parquet::errors::ParquetError;

use super::chunk::Chunk;
use super::file::{Columns, Record};
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
    pub(crate) request_id: Bytes,
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
    /// The rows that it has.
    pub(crate) instances: Vec<Instance>,
    /// Who counts it if it is dropped.
    pub(crate) counters: Arc<Counters>,
}

/// A row of a request.
#[derive(Debug, Clone)]
pub(crate) struct Instance {
    /// By what its label comes back.
    pub(crate) id: Bytes,
    /// Its first output; NaN where that is no number.
    pub(crate) prediction: f64,
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
    pub(super) fn cut(&mut self, max: usize, chunk: &mut Chunk) {
        self.bytes = chunk.copy(&self.bytes[..self.kept(max)]);
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
            for instance in &mut self.instances {
                instance.prediction = f64::NAN;
            }
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
        let list = |instance: &Instance| instance.id.len() + size_of::<f64>();
        let lists: usize = self.instances.iter().map(list).sum();
        self.body.bytes.len() + self.answer.bytes.len() + self.request_id.len() + lists
    }

    fn prepare(&mut self) {
        self.redact();
    }

    fn lost(&self) {
        self.counters.traffic_dropped(1);
    }

    fn columns(columns: &mut Columns<'_, '_, Self>) -> Result<(), ParquetError> {
        let length = |payload: &Payload| i64::try_from(payload.whole).unwrap_or(i64::MAX);
        let bytes = |payload: &Payload| ByteArray::from(Bytes::clone(&payload.bytes));
        let known = |row: &Self| {
            let first = row.instances.first()?;
            Some(first.prediction).filter(|y| !y.is_nan())
        };

        columns.first(|row| row.time, |row| &row.route)?;
        // Parquet has no unsigned type of this width without an annotation that few readers honour.
        columns.each::<Int32Type>(|row| i32::try_from(row.version).unwrap_or(i32::MAX))?;
        columns.each::<ByteArrayType>(|row| Bytes::clone(&row.request_id).into())?;
        columns.each::<Int32Type>(|row| i32::from(row.status))?;
        columns.each::<Int64Type>(|row| row.latency_micros)?;
        columns.each::<ByteArrayType>(|row| bytes(&row.body))?;
        columns.optional::<DoubleType>(known)?;
        columns.each::<ByteArrayType>(|row| {
            Bytes::from_static(row.protocol.name().as_bytes()).into()
        })?;
        columns.each::<Int64Type>(|row| length(&row.body))?;
        columns.optional::<Int64Type>(|row| row.body.json_bytes())?;
        columns.each::<ByteArrayType>(|row| bytes(&row.answer))?;
        columns.each::<Int64Type>(|row| length(&row.answer))?;
        columns.optional::<Int64Type>(|row| row.answer.json_bytes())?;
        columns.lists::<ByteArrayType>(|row, ids| {
            ids.extend(row.instances.iter().map(|one| Bytes::clone(&one.id).into()));
        })?;
        columns.lists::<DoubleType>(|row, predictions| {
            predictions.extend(row.instances.iter().map(|one| one.prediction));
        })
    }
}
