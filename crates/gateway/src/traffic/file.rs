//! One Parquet file: its columns, its row groups, its end.

use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;

use super::Row;
use crate::durable;

/// The columns, in order.
const SCHEMA: &str = "message traffic {
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
}";

/// A file that is being written.
pub(super) struct TrafficFile {
    path: PathBuf,
    writer: SerializedFileWriter<File>,
}

type Group<'a> = SerializedRowGroupWriter<'a, File>;

impl TrafficFile {
    /// Makes `path` with `.tmp` after it.
    pub(super) fn create(path: PathBuf) -> io::Result<Self> {
        let schema = parse_message_type(SCHEMA).map_err(io::Error::other)?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            // No two of these are the same: a dictionary of them would only cost time.
            .set_column_dictionary_enabled("body".into(), false)
            .set_column_dictionary_enabled("request_id".into(), false)
            .build();
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(temporary(&path))?;
        let writer = SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties))
            .map_err(io::Error::other)?;
        Ok(Self { path, writer })
    }

    /// Writes rows as one row group.
    pub(super) fn group(&mut self, rows: &[Row]) -> io::Result<()> {
        let mut group = self.writer.next_row_group().map_err(io::Error::other)?;
        columns(&mut group, rows).map_err(io::Error::other)?;
        group.close().map_err(io::Error::other)?;
        Ok(())
    }

    /// Bytes so far.
    pub(super) fn len(&self) -> usize {
        self.writer.bytes_written()
    }

    /// Writes the footer and gives the file its name.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.writer.finish().map_err(io::Error::other)?;
        self.writer.inner().sync_all()?;
        std::fs::rename(temporary(&self.path), &self.path)?;
        durable::sync_parent(&self.path)
    }
}

fn temporary(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    name.into()
}

fn columns(group: &mut Group<'_>, rows: &[Row]) -> Result<(), ParquetError> {
    let text = |of: fn(&Row) -> &str| -> Vec<ByteArray> {
        rows.iter().map(|row| ByteArray::from(of(row))).collect()
    };
    let whole = |of: fn(&Row) -> i32| -> Vec<i32> { rows.iter().map(of).collect() };
    let times: Vec<i64> = rows.iter().map(|row| row.time).collect();
    let latencies: Vec<i64> = rows.iter().map(|row| row.latency_micros).collect();
    let bodies: Vec<ByteArray> = rows
        .iter()
        .map(|row| ByteArray::from(Bytes::clone(&row.body)))
        .collect();
    let known = |row: &&Row| !row.prediction.is_nan();
    let predictions: Vec<f64> = rows
        .iter()
        .filter(known)
        .map(|row| row.prediction)
        .collect();
    let defined: Vec<i16> = rows.iter().map(|row| i16::from(known(&row))).collect();

    column::<Int64Type>(group, &times, None)?;
    column::<ByteArrayType>(group, &text(|row| &row.route.project), None)?;
    column::<ByteArrayType>(group, &text(|row| &row.route.environment), None)?;
    column::<ByteArrayType>(group, &text(|row| &row.route.service), None)?;
    // Parquet has no unsigned type of this width without an annotation that few readers honour.
    column::<Int32Type>(
        group,
        &whole(|row| i32::try_from(row.version).unwrap_or(i32::MAX)),
        None,
    )?;
    column::<ByteArrayType>(group, &text(|row| &row.request_id), None)?;
    column::<Int32Type>(group, &whole(|row| i32::from(row.status)), None)?;
    column::<Int64Type>(group, &latencies, None)?;
    column::<ByteArrayType>(group, &bodies, None)?;
    column::<DoubleType>(group, &predictions, Some(&defined))
}

fn column<T: DataType>(
    group: &mut Group<'_>,
    values: &[T::T],
    defined: Option<&[i16]>,
) -> Result<(), ParquetError> {
    let Some(mut column) = group.next_column()? else {
        return Err(ParquetError::General(
            "more columns than the schema has".into(),
        ));
    };
    column.typed::<T>().write_batch(values, defined, None)?;
    column.close()
}
