//! What a model gave, as JSON: the answer to rows and to the Open Inference Protocol.
//!
//! Every body is one JSON object whose first byte is `{` and whose last is `}`, so that the gateway
//! can put its own fields (`,"version":3`) right before the last brace without parsing it. A number
//! that JSON cannot say (NaN, infinity) is `null`. The engine calls this.

use serde::Serialize;

use crate::tensor::{Data, each};

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

/// The body that answers an Open Inference Protocol request, without `model_name` and
/// `model_version`, which the gateway adds at its end. `wanted` picks and orders the outputs; an
/// unknown name is left out (the request parser has refused it).
#[must_use]
pub fn oip(id: Option<&str>, outputs: &[Output<'_>], wanted: Option<&[String]>) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    out.push(b'{');
    if let Some(id) = id {
        out.extend(b"\"id\":");
        json(id, &mut out);
        out.push(b',');
    }
    out.extend(b"\"outputs\":");
    let picked: Vec<&Output<'_>> = match wanted {
        None => outputs.iter().collect(),
        Some(names) => names
            .iter()
            .filter_map(|name| outputs.iter().find(|o| o.name == name))
            .collect(),
    };
    list(picked.len(), &mut out, |index, out| {
        oip_output(picked[index], out);
    });
    out.push(b'}');
    out
}

/// The body of every error: `{"error": …}`.
#[must_use]
pub fn error(message: &str) -> Vec<u8> {
    let mut out = b"{\"error\":".to_vec();
    json(message, &mut out);
    out.push(b'}');
    out
}

fn oip_output(output: &Output<'_>, out: &mut Vec<u8>) {
    out.extend(b"{\"name\":");
    json(output.name, out);
    out.extend(b",\"datatype\":\"");
    out.extend(output.data.datatype().name().bytes());
    out.extend(b"\",\"shape\":");
    json(&output.shape, out);
    if let Some(classes) = &output.classes {
        // Parameters of the protocol are scalars, so the names travel as one JSON text.
        out.extend(b",\"parameters\":{\"classes\":");
        json(&serde_json::to_string(classes).unwrap_or_default(), out);
        out.push(b'}');
    }
    out.extend(b",\"data\":");
    list(output.data.len(), out, |index, out| {
        element(&output.data, index, out);
    });
    out.push(b'}');
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
    each!(data, values => json(&values.get(index), out));
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
