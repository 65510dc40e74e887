//! What a model gave, as the body of an answer: to rows here, to each protocol in a file of its own.
//!
//! JSON bodies are one object whose first byte is `{` and whose last is `}`, so that the gateway
//! can put its own fields (`,"version":3`) right before the last brace without parsing it. A number
//! that JSON cannot say (NaN, infinity) is `null`. The engine calls this.

use half::{bf16, f16};
use serde::Serialize;

use crate::tensor::{Data, each};

mod classes;
mod grpc;
mod oip;
mod scoring;

pub use grpc::grpc;
pub use oip::{OipBody, oip};
pub use scoring::{columns, instances, records};

/// One output of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Output<'a> {
    /// Its name in the graph.
    pub name: &'a str,
    /// Length of each dimension, outermost first.
    pub shape: Vec<usize>,
    /// The elements, row-major.
    pub data: Data,
    /// Names of the last dimension's places, for outputs that are maps from a class to a
    /// probability.
    pub classes: Option<Vec<String>>,
}

/// An answer to rows that the outputs do not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "output `{name}` has shape {shape:?}, which has no part for each of {rows} rows; send one row a request"
)]
pub struct NotByRow {
    name: String,
    shape: Vec<usize>,
    rows: usize,
}

impl Output<'_> {
    /// Elements of one row.
    fn width(&self, rows: usize) -> usize {
        self.data.len().checked_div(rows).unwrap_or(0)
    }

    fn check(&self, rows: usize) -> Result<(), NotByRow> {
        if rows == 1 || self.shape.first() == Some(&rows) {
            return Ok(());
        }
        Err(NotByRow {
            name: self.name.to_owned(),
            shape: self.shape.clone(),
            rows,
        })
    }
}

/// The first element of each row of the first output, at most `most` of them; NaN where it is no
/// number. An output that has no rows counts as one.
#[must_use]
pub fn predictions(outputs: &[Output<'_>], most: usize) -> Vec<f64> {
    let Some(first) = outputs.first() else {
        return Vec::new();
    };
    let rows = match first.shape.as_slice() {
        [] => 1,
        [rows, ..] => *rows,
    };
    let width = first.width(rows);
    (0..rows.min(most))
        .map(|row| first.data.number(row * width))
        .collect()
}

/// The body that answers `rows` rows: `{"prediction": …}` for a single one, else
/// `{"predictions": […]}`. A model with several outputs adds `outputs`: per row, an object by name.
pub fn rows(outputs: &[Output<'_>], rows: usize, single: bool) -> Result<Vec<u8>, NotByRow> {
    for output in outputs {
        output.check(rows)?;
    }
    let mut out = Vec::with_capacity(64);
    let section = |key: &str, out: &mut Vec<u8>, write: &dyn Fn(usize, &mut Vec<u8>)| {
        let plural = if single { "" } else { "s" };
        let separator = if out.is_empty() { '{' } else { ',' };
        out.extend(format!("{separator}\"{key}{plural}\":").bytes());
        if single {
            return write(0, out);
        }
        list(rows, out, write);
    };
    if let Some(first) = outputs.first() {
        section("prediction", &mut out, &|row, out| {
            row_value(first, row, rows, out);
        });
    }
    if outputs.len() > 1 {
        section("output", &mut out, &|row, out| {
            object(
                outputs.iter().map(|output| output.name),
                out,
                |index, out| {
                    row_value(&outputs[index], row, rows, out);
                },
            );
        });
    }
    if out.is_empty() {
        out.extend(b"{\"predictions\":[]");
    }
    out.push(b'}');
    Ok(out)
}

/// The body of every error: `{"error": …}`.
#[must_use]
pub fn error(message: &str) -> Vec<u8> {
    let mut out = b"{\"error\":".to_vec();
    json(message, &mut out);
    out.push(b'}');
    out
}

/// One row of one output: a value, an array nested as the shape says, or an object by class.
fn row_value(output: &Output<'_>, row: usize, rows: usize, out: &mut Vec<u8>) {
    let width = output.width(rows);
    let start = row * width;
    if let Some(classes) = &output.classes {
        object(classes.iter().map(String::as_str), out, |index, out| {
            element(&output.data, start + index, out);
        });
    } else if width == 1 {
        element(&output.data, start, out);
    } else {
        nested(
            &output.data,
            output.shape.get(1..).unwrap_or(&[]),
            start,
            width,
            out,
        );
    }
}

/// `width` elements from `start`, nested as `shape` says.
fn nested(data: &Data, shape: &[usize], start: usize, width: usize, out: &mut Vec<u8>) {
    match shape {
        [length, inner @ ..] if !inner.is_empty() && *length > 0 => {
            let part = width / length;
            list(*length, out, |index, out| {
                nested(data, inner, start + index * part, part, out);
            });
        }
        _ => list(width, out, |index, out| element(data, start + index, out)),
    }
}

fn list(count: usize, out: &mut Vec<u8>, mut write: impl FnMut(usize, &mut Vec<u8>)) {
    out.push(b'[');
    for index in 0..count {
        if index > 0 {
            out.push(b',');
        }
        write(index, out);
    }
    out.push(b']');
}

fn object<'n>(
    names: impl Iterator<Item = &'n str>,
    out: &mut Vec<u8>,
    mut write: impl FnMut(usize, &mut Vec<u8>),
) {
    out.push(b'{');
    for (index, name) in names.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        json(name, out);
        out.push(b':');
        write(index, out);
    }
    out.push(b'}');
}

fn element(data: &Data, index: usize, out: &mut Vec<u8>) {
    each!(data, values => match values.get(index) {
        Some(value) => value.put(out),
        None => out.extend(b"null"),
    });
}

/// An element that can be written as JSON.
trait Put {
    fn put(&self, out: &mut Vec<u8>);
}

macro_rules! put {
    ($($type:ty),*) => {
        $(impl Put for $type {
            fn put(&self, out: &mut Vec<u8>) {
                json(self, out);
            }
        })*
    };
}
put!(bool, u8, u16, u32, u64, i8, i16, i32, i64, f32, f64, String);

impl Put for f16 {
    fn put(&self, out: &mut Vec<u8>) {
        json(&self.to_f32(), out);
    }
}

impl Put for bf16 {
    fn put(&self, out: &mut Vec<u8>) {
        json(&self.to_f32(), out);
    }
}

/// Writes one value. Scalars, strings and lists of numbers always serialise; floats that JSON
/// cannot say come out as `null`.
fn json<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) {
    if serde_json::to_writer(&mut *out, value).is_err() {
        out.extend(b"null");
    }
}

#[cfg(test)]
mod tests;
