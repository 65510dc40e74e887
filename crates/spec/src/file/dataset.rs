//! `datasets`: what a pipeline reads from outside.
//!
//! Ingested, profiled and versioned by content when a run reads it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::quantity::{QuantityError, as_text};
use crate::read::{Node, Read, Reader, Section};

/// One dataset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dataset {
    /// Where the data is: a path relative to the file, or `s3://…`, `https://…`.
    pub source: DatasetSource,
    /// How the data is written; told from the ending of the source when left out.
    #[schemars(default)]
    pub format: Format,
    /// Conditions in CEL over the data's profile; one that fails stops the run.
    #[serde(default)]
    pub checks: Vec<String>,
}

/// How a dataset is written.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Comma-separated values with a header line, gzipped when the name ends in `.gz`.
    Csv,
    /// Apache Parquet.
    Parquet,
    /// One JSON object a line.
    Jsonl,
    /// A file or folder that is not a table; it has no columns to check.
    #[default]
    Files,
}

/// Where a dataset is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatasetSource(String);

/// How a dataset's source is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceKind {
    /// A path relative to the project file.
    File,
    /// An object store.
    ObjectStore,
    /// A web server.
    Http,
}

impl DatasetSource {
    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// How it is reached.
    pub fn kind(&self) -> SourceKind {
        match self.0.split_once("://") {
            Some(("http" | "https", _)) => SourceKind::Http,
            Some(_) => SourceKind::ObjectStore,
            None => SourceKind::File,
        }
    }

    fn format(&self) -> Option<Format> {
        let name = self.0.strip_suffix(".gz").unwrap_or(&self.0);
        match name.rsplit_once('.')?.1 {
            "csv" => Some(Format::Csv),
            "parquet" => Some(Format::Parquet),
            "jsonl" | "ndjson" => Some(Format::Jsonl),
            _ => None,
        }
    }
}

impl FromStr for DatasetSource {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let wrong = |why: &str| {
            Err(QuantityError(format!(
                "`{}` {why}",
                crate::diagnostic::shown(text)
            )))
        };
        if text.is_empty() || text.contains('\0') {
            return wrong("is not a path or an address");
        }
        if let Some((scheme, _)) = text.split_once("://") {
            return match scheme {
                "s3" | "gs" | "az" | "http" | "https" => Ok(Self(text.to_owned())),
                _ => wrong(
                    "has a scheme that is not known; use a relative path, `s3://…` or `https://…`",
                ),
            };
        }
        if text.starts_with('/') || text.starts_with('~') || text.contains('\\') {
            return wrong(
                "is not a path relative to this file; datasets live beside it or in an object store",
            );
        }
        if text.split('/').any(|part| part == "..") {
            return wrong("leaves the project's folder; put the data (or a link to it) inside");
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for DatasetSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

as_text!(DatasetSource, "^\\S(.*\\S)?$");

impl Read for Format {
    fn read(reader: &mut Reader, node: &Node, _: &str) -> Option<Self> {
        let all = [
            ("csv", Self::Csv),
            ("parquet", Self::Parquet),
            ("jsonl", Self::Jsonl),
            ("files", Self::Files),
        ];
        reader.word(node, "format", &all)
    }
}

impl Dataset {
    pub(crate) const KEYS: &[&str] = &["source", "format", "checks"];
}

impl Read for Dataset {
    fn read(reader: &mut Reader, node: &Node, path: &str) -> Option<Self> {
        let section = Section::open(reader, node, path, Self::KEYS)?;
        let source: Option<DatasetSource> = section.required(reader, "source");
        let told = source
            .as_ref()
            .and_then(DatasetSource::format)
            .unwrap_or_default();
        Some(Self {
            format: section.or(reader, "format", told),
            checks: section.or(reader, "checks", Vec::new()),
            source: source?,
        })
    }
}
