//! MLflow's scoring protocol: data frames, instances and tensors to `/invocations`.
//!
//! Source: mlflow 3.17.2, `mlflow.pyfunc.scoring_server` and its documentation, and what it answers
//! for ONNX models. `params` are for models that have some; ONNX graphs have none. Answers are
//! written by [`crate::answer`].

use std::borrow::Cow;
use std::collections::HashMap;

use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::model::{Inputs, TensorSpec};
use crate::rows::{self, Rows, RowsError};
use crate::table::{Cell, Table, array};
use crate::tensor::Tensor;
use crate::v1;

/// A request, as the tensors that the model takes.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    /// One tensor per input.
    pub tensors: Vec<Tensor>,
    /// How many rows there are, if it was a data frame: then the answer has an entry for each.
    pub rows: Option<usize>,
}

/// A request that cannot be scored: the client's fault.
#[derive(Debug, thiserror::Error)]
pub enum ScoringError {
    /// None or several of the ways to send inputs.
    #[error(
        "the input must be a JSON dictionary with exactly one of the input fields 'dataframe_split', 'dataframe_records', 'instances' and 'inputs', but this one has {0}"
    )]
    Fields(usize),
    /// What is sent does not fit the model.
    #[error(transparent)]
    Rows(#[from] RowsError),
    /// `inputs` without an input that the model takes.
    #[error("input `{0}` is missing; the model takes {1}")]
    Missing(String, String),
    /// A CSV file that is none.
    #[error("the body is not CSV: {0}")]
    Csv(String),
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow, default)]
    dataframe_split: Option<Split<'a>>,
    #[serde(borrow, default)]
    dataframe_records: Option<&'a RawValue>,
    #[serde(borrow, default)]
    instances: Option<&'a RawValue>,
    #[serde(borrow, default)]
    inputs: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Split<'a> {
    #[serde(borrow, default)]
    columns: Option<Vec<Cow<'a, str>>>,
    #[serde(borrow)]
    data: Vec<Vec<&'a RawValue>>,
}

/// Reads a JSON request for a model with these inputs; at most `most` rows.
pub fn parse(body: &[u8], inputs: &Inputs, most: usize) -> Result<Scored, ScoringError> {
    let wire: Wire<'_> = serde_json::from_slice(body).map_err(RowsError::of)?;
    let others = [&wire.dataframe_records, &wire.instances, &wire.inputs];
    let given = others.iter().filter(|field| field.is_some()).count();
    let given = given + usize::from(wire.dataframe_split.is_some());
    if given != 1 {
        return Err(ScoringError::Fields(given));
    }
    if let Some(split) = wire.dataframe_split {
        let cells = |row: Vec<_>| row.into_iter().map(Cell::Json).collect();
        let table = Table {
            columns: split.columns,
            rows: split.data.into_iter().map(cells).collect(),
        };
        return frame(&table, inputs, most);
    }
    if let Some(records) = wire.dataframe_records {
        return self::records(records, inputs, most);
    }
    let tensors = match (wire.instances, wire.inputs) {
        (Some(instances), _) => v1::instances(instances, inputs, most)?.tensors,
        (None, Some(columns)) => self::columns(columns, inputs, most)?,
        (None, None) => return Err(ScoringError::Fields(0)),
    };
    Ok(Scored {
        tensors,
        rows: None,
    })
}

/// Reads a CSV file whose first line names the columns.
pub fn parse_csv(body: &[u8], inputs: &Inputs, most: usize) -> Result<Scored, ScoringError> {
    let broken = |error: csv::Error| ScoringError::Csv(error.to_string());
    let mut reader = csv::Reader::from_reader(body);
    let columns = reader.headers().map_err(broken)?;
    let columns = columns.iter().map(|name| Cow::Owned(name.to_owned()));
    let mut table = Table {
        columns: Some(columns.collect()),
        rows: Vec::new(),
    };
    for record in reader.records() {
        let record = record.map_err(broken)?;
        let cells = record
            .iter()
            .map(|cell| Cell::Text(Cow::Owned(cell.to_owned())));
        table.rows.push(cells.collect());
        if table.rows.len() > most {
            let got = table.rows.len();
            return Err(RowsError::TooMany { got, most }.into());
        }
    }
    frame(&table, inputs, most)
}

fn frame(table: &Table<'_>, inputs: &Inputs, most: usize) -> Result<Scored, ScoringError> {
    Ok(Scored {
        tensors: table.tensors(inputs, most)?,
        rows: Some(table.rows.len()),
    })
}

/// Rows as objects. A model with one wide input takes all values of a row, in the order of the
/// first; others take theirs by name.
fn records(json: &RawValue, inputs: &Inputs, most: usize) -> Result<Scored, ScoringError> {
    let by_name = rows::parse(json.get().as_bytes(), inputs, most);
    match (by_name, inputs.specs()) {
        (Err(RowsError::Row(_)), [only]) if !only.is_column() => {}
        (by_name, _) => {
            let Rows { tensors, count, .. } = by_name?;
            let rows = Some(count);
            return Ok(Scored { tensors, rows });
        }
    }
    let rows: Vec<IndexMap<Cow<'_, str>, &RawValue>> =
        serde_json::from_str(json.get()).map_err(RowsError::of)?;
    let columns: Vec<_> = match rows.first() {
        Some(row) => row.keys().cloned().collect(),
        None => return Err(RowsError::NoRows.into()),
    };
    let mut table = Table::default();
    for row in &rows {
        let cells = columns.iter().filter_map(|column| row.get(column).copied());
        table.rows.push(cells.map(Cell::Json).collect());
    }
    table.columns = Some(columns);
    frame(&table, inputs, most)
}

/// Tensors by name, or the one tensor of the model.
fn columns(json: &RawValue, inputs: &Inputs, most: usize) -> Result<Vec<Tensor>, ScoringError> {
    if !json.get().starts_with('{') {
        return Ok(v1::instances(json, inputs, most)?.tensors);
    }
    let named: HashMap<Cow<'_, str>, &RawValue> =
        serde_json::from_str(json.get()).map_err(RowsError::of)?;
    let tensor = |spec: &TensorSpec| match named.get(spec.name.as_str()) {
        Some(json) => Ok(array(json, spec)?),
        None => Err(ScoringError::Missing(spec.name.clone(), inputs.names())),
    };
    inputs.specs().iter().map(tensor).collect()
}

#[cfg(test)]
mod tests;
