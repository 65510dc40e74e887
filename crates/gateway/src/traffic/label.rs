//! A label in files beside the traffic log, and its columns.
//!
//! The join log has every label that was accepted, for the monitors. These files are for people, who join them to the
//! log's requests; like the log, they drop and count.

use std::sync::Arc;

use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::ParquetError;

use super::file::{Columns, Record};
use crate::evidence::Counters;
use crate::table::Route;

/// One label.
#[derive(Debug, Clone)]
pub(crate) struct LabelRow {
    /// Arrival, microseconds since 1970.
    pub(crate) time: i64,
    /// Whose label.
    pub(crate) route: Arc<Route>,
    /// The id that its request's row had.
    pub(crate) request_id: String,
    /// What really happened.
    pub(crate) label: f64,
    /// When, if it says so; microseconds since 1970.
    pub(crate) event_time: Option<i64>,
    /// Who counts it if it is dropped.
    pub(crate) counters: Arc<Counters>,
}

impl Record for LabelRow {
    const PREFIX: &'static str = "labels";
    const SCHEMA: &'static str = "message labels {
        REQUIRED INT64 time (TIMESTAMP(MICROS, true));
        REQUIRED BYTE_ARRAY project (UTF8);
        REQUIRED BYTE_ARRAY environment (UTF8);
        REQUIRED BYTE_ARRAY service (UTF8);
        REQUIRED BYTE_ARRAY request_id (UTF8);
        REQUIRED DOUBLE label;
        OPTIONAL INT64 event_time (TIMESTAMP(MICROS, true));
    }";
    const VARIED: &'static [&'static str] = &["request_id"];

    fn keep_seconds(&self) -> Option<u64> {
        self.route.log.keep_seconds
    }

    fn len(&self) -> usize {
        self.request_id.len() + size_of::<Self>()
    }

    fn prepare(&mut self) {}

    fn lost(&self) {
        self.counters.traffic_dropped(1);
    }

    fn columns(columns: &mut Columns<'_, '_, Self>) -> Result<(), ParquetError> {
        columns.first(|row| row.time, |row| &row.route)?;
        columns.each::<ByteArrayType>(|row| ByteArray::from(row.request_id.as_str()))?;
        columns.each::<DoubleType>(|row| row.label)?;
        columns.optional::<Int64Type>(|row| row.event_time)
    }
}
