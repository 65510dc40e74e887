//! The gateway's traffic log (`traffic/log/traffic-<microseconds>.parquet`), read back for one service.
//!
//! The log is a sample (the gateway drops what it cannot take), which is good enough to explain and to compare by, and never
//! evidence. Columns are read by name, so that logs with more or fewer of them are read too. Blocking: run it on a blocking
//! thread.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::{Field, Row};
use parquet::schema::types::Type;

/// Whose requests to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The project.
    pub project: String,
    /// The environment.
    pub environment: String,
    /// The service.
    pub service: String,
}

impl Place {
    /// The columns that say whose a row is.
    const COLUMNS: [&'static str; 3] = ["project", "environment", "service"];

    fn has(&self, row: &Row) -> bool {
        row.get_column_iter()
            .all(|(name, field)| match (name.as_str(), field) {
                ("project", Field::Str(text)) => *text == self.project,
                ("environment", Field::Str(text)) => *text == self.environment,
                ("service", Field::Str(text)) => *text == self.service,
                _ => true,
            })
    }
}

/// The finished files of a folder, the newest first; none if there is no such folder.
pub fn newest_first(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("traffic-") && name.ends_with(".parquet") {
            found.push(path);
        }
    }
    // Their names say when they were begun.
    found.sort_unstable_by(|a, b| b.cmp(a));
    Ok(found)
}

/// Gives `each` the rows that a file has of a service, in its order, with those of `columns` that it has. Says whether the
/// file could be read to its end, and warns if not.
pub fn read(file: &Path, place: &Place, columns: &[&str], each: impl FnMut(&Row)) -> bool {
    let read = rows(file, place, columns, each);
    if let Err(error) = &read {
        let error = error as &dyn std::error::Error;
        tracing::warn!(file = %file.display(), error, "a file of the traffic log cannot be read");
    }
    read.is_ok()
}

fn rows(
    file: &Path,
    place: &Place,
    columns: &[&str],
    mut each: impl FnMut(&Row),
) -> Result<(), ParquetError> {
    let reader = SerializedFileReader::new(File::open(file)?)?;
    let whole = reader.metadata().file_metadata().schema();
    let is_wanted = |name: &str| Place::COLUMNS.contains(&name) || columns.contains(&name);
    let fields = whole.get_fields().iter();
    let fields = fields.filter(|field| is_wanted(field.name()));
    let wanted = Type::group_type_builder(whole.name())
        .with_fields(fields.map(Arc::clone).collect())
        .build()?;
    for row in reader.get_row_iter(Some(wanted))? {
        let row = row?;
        if place.has(&row) {
            each(&row);
        }
    }
    Ok(())
}
