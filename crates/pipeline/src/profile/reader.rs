//! Reads each format row by row into the columns.

use super::{Cell, ProfileError, Table};
use flate2::read::MultiGzDecoder;
use parquet::{
    file::reader::{FileReader as _, SerializedFileReader},
    record::Field,
};
use std::{
    fs::File,
    io::{BufRead as _, BufReader, Read},
    path::Path,
};

/// A JSON line longer than this is not data but a mistake.
const LINE_LIMIT: u64 = 16 << 20;

pub(super) fn csv(path: &Path, table: &mut Table) -> Result<(), ProfileError> {
    let mut reader = csv::ReaderBuilder::new().from_reader(open(path)?);
    let bad = |e: csv::Error| ProfileError::Line {
        line: e.position().map_or(0, csv::Position::line),
        what: csv_reason(&e),
    };
    let header = reader.headers().map_err(bad)?.clone();
    if header.is_empty() {
        return Err(ProfileError::Line {
            line: 1,
            what: "there is no header line".to_owned(),
        });
    }
    for name in &header {
        if table.columns.contains_key(name) {
            return Err(ProfileError::Line {
                line: 1,
                what: format!("two columns are named `{name}`"),
            });
        }
        table.column(name);
    }
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(bad)? {
        for (column, text) in table.columns.values_mut().zip(&record) {
            column.add(&cell(text));
        }
        table.end_row();
    }
    Ok(())
}

fn csv_reason(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::Utf8 { .. } => "the text is not UTF-8".to_owned(),
        csv::ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => {
            format!("{len} cells where the header has {expected_len}")
        }
        csv::ErrorKind::Io(e) => format!("cannot be read ({e})"),
        other => format!("{other:?}"),
    }
}

pub(super) fn jsonl(path: &Path, table: &mut Table) -> Result<(), ProfileError> {
    let mut reader = BufReader::new(open(path)?);
    let mut text = Vec::new();
    for line in 1.. {
        text.clear();
        if reader
            .by_ref()
            .take(LINE_LIMIT)
            .read_until(b'\n', &mut text)?
            == 0
        {
            break;
        }
        if text.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let object: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&text)
            .map_err(|e| ProfileError::Line {
                line,
                what: format!("not a JSON object ({e})"),
            })?;
        for (name, value) in &object {
            let column = table.column(name);
            match value {
                serde_json::Value::Null => column.add(&Cell::Null),
                serde_json::Value::Number(n) => {
                    column.add(&n.as_f64().map_or(Cell::Null, Cell::Number));
                }
                serde_json::Value::String(s) => column.add(&Cell::Text(s)),
                other => column.add(&Cell::Text(&other.to_string())),
            }
        }
        table.end_row();
    }
    Ok(())
}

pub(super) fn parquet(path: &Path, table: &mut Table) -> Result<(), ProfileError> {
    let reader = SerializedFileReader::new(File::open(path)?)?;
    for row in reader.get_row_iter(None)? {
        for (name, field) in row?.get_column_iter() {
            let column = table.column(name);
            match number(field) {
                _ if matches!(field, Field::Null) => column.add(&Cell::Null),
                Some(n) => column.add(&Cell::Number(n)),
                None => match field {
                    Field::Str(s) => column.add(&Cell::Text(s)),
                    other => column.add(&Cell::Text(&other.to_string())),
                },
            }
        }
        table.end_row();
    }
    Ok(())
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a profile's numbers are doubles; above 2^53 neighbours are the same"
)]
fn number(field: &Field) -> Option<f64> {
    Some(match field {
        Field::Byte(v) => f64::from(*v),
        Field::Short(v) => f64::from(*v),
        Field::Int(v) => f64::from(*v),
        Field::Long(v) => *v as f64,
        Field::UByte(v) => f64::from(*v),
        Field::UShort(v) => f64::from(*v),
        Field::UInt(v) => f64::from(*v),
        Field::ULong(v) => *v as f64,
        Field::Float(v) => f64::from(*v),
        Field::Double(v) => *v,
        _ => return None,
    })
}

fn open(path: &Path) -> Result<Box<dyn Read>, std::io::Error> {
    let mut file = BufReader::with_capacity(1 << 18, File::open(path)?);
    let packed = file.fill_buf()?.starts_with(&[0x1f, 0x8b]);
    Ok(if packed {
        Box::new(BufReader::with_capacity(1 << 18, MultiGzDecoder::new(file)))
    } else {
        Box::new(file)
    })
}

fn cell(text: &str) -> Cell<'_> {
    match text {
        "" | "NA" | "N/A" | "NaN" | "nan" | "null" | "NULL" | "None" => Cell::Null,
        // Ten bytes decide most cells: only those that can begin a number are parsed as one.
        _ if text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.')) => {
            text.parse().map_or(Cell::Text(text), Cell::Number)
        }
        _ => Cell::Text(text),
    }
}
