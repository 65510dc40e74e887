//! Rows of recent requests, as drift compares them.
//!
//! Blocking; run it on a blocking thread.

use std::io;
use std::path::Path;

use parquet::record::{Field, Row};
use serde_json::{Map, Value as Json};

use crate::log::{self, Place};

/// The columns that are read.
const COLUMNS: [&str; 2] = ["status", "body"];

/// The last `most` rows that the service was asked about and answered, newest files first. A file that cannot be
/// read is left out.
pub fn recent(folder: &Path, place: &Place, most: usize) -> io::Result<Vec<Map<String, Json>>> {
    let mut rows = Vec::new();
    for file in log::newest_first(folder)? {
        let mut found = Vec::new();
        let is_whole = log::read(&file, place, &COLUMNS, |row| {
            if let Some(body) = body_of(row) {
                found.extend(rows_of(&body));
            }
        });
        if is_whole {
            // Those that are there are newer.
            found.append(&mut rows);
            rows = found;
        }
        if rows.len() >= most {
            // Within a file the last rows are the newest.
            rows.drain(..rows.len() - most);
            break;
        }
    }
    Ok(rows)
}

/// The body of an answered request.
fn body_of(row: &Row) -> Option<Json> {
    let mut body = None;
    for (name, field) in row.get_column_iter() {
        match (name.as_str(), field) {
            ("status", Field::Int(status)) if *status != 200 => return None,
            ("body", Field::Bytes(bytes)) => body = serde_json::from_slice(bytes.data()).ok(),
            ("body", Field::Str(text)) => body = serde_json::from_str(text).ok(),
            _ => {}
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
