//! The profile of a dataset: what checks read, what drift is measured against, what lineage shows.
//!
//! [`of_file`] reads a file once with bounded memory; call it on a blocking thread. Exact are counts, nulls, minimum,
//! maximum, mean; quantiles come from a reservoir of [`column::RESERVOIR`] values drawn with a fixed seed, so the same
//! bytes always give the same profile.

mod column;
mod reader;

use column::Column;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use std::{io, path::Path};

pub use column::{ColumnProfile, TopValue};

/// How a dataset's file is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Comma-separated with a header line; `.gz` is unpacked on the way.
    Csv,
    /// Apache Parquet.
    Parquet,
    /// One JSON object a line; `.gz` is unpacked on the way.
    Jsonl,
    /// Anything: only size and count are known.
    Files,
}

/// What is known of a dataset's content.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Rows; for `files`, files.
    pub rows: u64,
    /// Bytes as stored.
    pub bytes: u64,
    /// By name, in the order of the file.
    pub columns: IndexMap<String, ColumnProfile>,
}

/// A dataset that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// The file is not there or not readable.
    #[error("cannot read the dataset")]
    Io(#[from] io::Error),
    /// A line does not fit the header, or is no CSV.
    #[error("line {line}: {what}: mend the file, or set `format:` to what it is")]
    Line {
        /// Counted from 1.
        line: u64,
        /// What is wrong there.
        what: String,
    },
    /// Not a Parquet file, or a damaged one.
    #[error("not a readable Parquet file: set `format:` to what it is")]
    Parquet(#[from] parquet::errors::ParquetError),
}

/// Reads and profiles one file.
///
/// # Errors
/// [`ProfileError`] names the line where the file stops making sense.
pub fn of_file(path: &Path, format: Format) -> Result<Profile, ProfileError> {
    if format == Format::Files {
        return files(path);
    }
    let bytes = std::fs::metadata(path)?.len();
    let mut table = Table::default();
    match format {
        Format::Csv => reader::csv(path, &mut table)?,
        Format::Jsonl => reader::jsonl(path, &mut table)?,
        Format::Parquet => reader::parquet(path, &mut table)?,
        Format::Files => {}
    }
    Ok(table.finish(bytes))
}

/// Counts the files of a folder, or the one file.
fn files(path: &Path) -> Result<Profile, ProfileError> {
    let mut profile = Profile::default();
    let mut places = vec![path.to_owned()];
    while let Some(place) = places.pop() {
        let meta = std::fs::metadata(&place)?;
        if meta.is_dir() {
            for item in std::fs::read_dir(&place)? {
                places.push(item?.path());
            }
        } else {
            profile.rows += 1;
            profile.bytes += meta.len();
        }
    }
    Ok(profile)
}

/// A value of one cell.
enum Cell<'a> {
    Null,
    Number(f64),
    Text(&'a str),
}

/// Columns under construction.
#[derive(Default)]
struct Table {
    rows: u64,
    columns: IndexMap<String, Column>,
}

impl Table {
    fn column(&mut self, name: &str) -> &mut Column {
        if !self.columns.contains_key(name) {
            let missed = self.rows;
            self.columns.insert(name.to_owned(), Column::new(missed));
        }
        self.columns.get_mut(name).expect("inserted just before")
    }

    /// Ends a row: columns that it did not mention count a null.
    fn end_row(&mut self) {
        self.rows += 1;
        for column in self.columns.values_mut() {
            column.fill(self.rows);
        }
    }

    fn finish(self, bytes: u64) -> Profile {
        let columns = self
            .columns
            .into_iter()
            .map(|(name, column)| (name, column.finish()))
            .collect();
        Profile {
            rows: self.rows,
            bytes,
            columns,
        }
    }
}

#[cfg(test)]
mod tests;
