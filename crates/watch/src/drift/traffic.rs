//! Rows of recent requests from the gateway's traffic log (`traffic/log/traffic-<microseconds>.parquet`).
//!
//! Blocking; run it on a blocking thread. The log is a sample (the gateway drops what it cannot take), which is good
//! enough to explain by and never evidence.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::{Field, Row};
use parquet::schema::types::Type;
use serde_json::{Map, Value as Json};

/// The columns that are read.
const COLUMNS: [&str; 5] = ["project", "environment", "service", "status", "body"];

/// Whose requests to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The project.
    pub project: String,
    /// The environment.
    pub environment: String,
    /// The service.
    pub service: String,
}

/// The last `most` rows that the service was asked about and answered, newest files first. A file that cannot be
/// read is left out.
pub fn recent(folder: &Path, source: &Source, most: usize) -> io::Result<Vec<Map<String, Json>>> {
    let mut rows = Vec::new();
    for file in files(folder)? {
        if let Err(error) = read(&file, source, &mut rows) {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(file = %file.display(), error, "a file of the traffic log cannot be read");
        }
        if rows.len() >= most {
            // Within a file the last rows are the newest.
            rows.drain(..rows.len() - most);
            break;
        }
    }
    Ok(rows)
}

fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "parquet")
        {
            found.push(path);
        }
    }
    found.sort_unstable_by(|a, b| b.cmp(a));
    Ok(found)
}

/// Puts the file's rows before the ones that are there, which are newer.
fn read(
    path: &Path,
    source: &Source,
    rows: &mut Vec<Map<String, Json>>,
) -> Result<(), ParquetError> {
    let reader = SerializedFileReader::new(File::open(path)?)?;
    let whole = reader.metadata().file_metadata().schema();
    let fields = whole
        .get_fields()
        .iter()
        .filter(|field| COLUMNS.contains(&field.name()))
        .map(Arc::clone)
        .collect();
    let wanted = Type::group_type_builder(whole.name())
        .with_fields(fields)
        .build()?;
    let mut found = Vec::new();
    for row in reader.get_row_iter(Some(wanted))? {
        if let Some(body) = body_of(&row?, source) {
            found.extend(rows_of(&body));
        }
    }
    found.append(rows);
    *rows = found;
    Ok(())
}

/// The body of an answered request of the service.
fn body_of(row: &Row, source: &Source) -> Option<Json> {
    let mut body = None;
    for (name, field) in row.get_column_iter() {
        let fits = match (name.as_str(), field) {
            ("project", Field::Str(text)) => *text == source.project,
            ("environment", Field::Str(text)) => *text == source.environment,
            ("service", Field::Str(text)) => *text == source.service,
            ("status", Field::Int(status)) => *status == 200,
            ("body", Field::Bytes(bytes)) => {
                body = serde_json::from_slice(bytes.data()).ok();
                true
            }
            ("body", Field::Str(text)) => {
                body = serde_json::from_str(text).ok();
                true
            }
            _ => true,
        };
        if !fits {
            return None;
        }
    }
    body
}

/// The rows of a request: a plain row, an array of them, or the inputs of the Open Inference Protocol.
fn rows_of(body: &Json) -> Vec<Map<String, Json>> {
    match body {
        Json::Array(rows) => rows.iter().filter_map(Json::as_object).cloned().collect(),
        Json::Object(object) => match object.get("inputs").and_then(Json::as_array) {
            Some(inputs) => by_columns(inputs),
            None => vec![object.clone()],
        },
        _ => Vec::new(),
    }
}

fn by_columns(inputs: &[Json]) -> Vec<Map<String, Json>> {
    let mut rows: Vec<Map<String, Json>> = Vec::new();
    for input in inputs {
        let (Some(name), Some(data)) = (input["name"].as_str(), input["data"].as_array()) else {
            continue;
        };
        rows.resize_with(rows.len().max(data.len()), Map::new);
        for (row, value) in rows.iter_mut().zip(data) {
            row.insert(name.to_owned(), value.clone());
        }
    }
    rows
}
