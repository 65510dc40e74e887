//! What verbs print: tables for people, JSON for programs.

use anyhow::Context as _;
use comfy_table::{Table, presets};
use jiff::Timestamp;
use serde_json::Value;
use std::io::{IsTerminal as _, Write as _};

/// How to print.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// Prints a line; a reader that went away ends the program quietly.
pub(crate) fn line(text: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{text}")?;
    Ok(())
}

/// Prints text as it is.
pub(crate) fn raw(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// Prints JSON, indented on a terminal.
pub(crate) fn json(value: &Value) -> anyhow::Result<()> {
    let text = if std::io::stdout().is_terminal() {
        serde_json::to_string_pretty(value)?
    } else {
        value.to_string()
    };
    line(&text)
}

/// Prints a table; `empty` in place of one without rows.
pub(crate) fn table(header: &[&str], rows: Vec<Vec<String>>, empty: &str) -> anyhow::Result<()> {
    if rows.is_empty() {
        return line(empty);
    }
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(header.iter().copied());
    for row in rows {
        table.add_row(row);
    }
    let text = table.to_string();
    for row in text.lines() {
        line(row.trim_end().trim_start_matches(' '))?;
    }
    Ok(())
}

/// Whether colours are welcome.
pub(crate) fn colour() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// A field as text; empty when it is not there.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A time as `3m ago`; empty when it is not there.
pub(crate) fn ago(value: &Value) -> String {
    let Some(at) = value
        .as_str()
        .and_then(|text| text.parse::<Timestamp>().ok())
    else {
        return String::new();
    };
    let seconds = Timestamp::now().duration_since(at).as_secs();
    match seconds {
        ..0 => "in the future".to_owned(),
        0..60 => format!("{seconds}s ago"),
        60..3600 => format!("{}m ago", seconds / 60),
        3600..172_800 => format!("{}h ago", seconds / 3600),
        _ => format!("{}d ago", seconds / 86400),
    }
}

/// First characters of a commit or digest.
pub(crate) fn short(value: &Value) -> String {
    text(value)
        .trim_start_matches("sha256:")
        .chars()
        .take(10)
        .collect()
}

/// The elements of an array answer.
pub(crate) fn rows(value: &Value) -> anyhow::Result<&Vec<Value>> {
    value
        .as_array()
        .context("the server's answer is not a list: is it of another version?")
}
