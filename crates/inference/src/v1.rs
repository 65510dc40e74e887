//! KServe's first protocol: `{"instances": [...]}` to `:predict`, `{"predictions": [...]}` back.
//!
//! Source: kserve/kserve, `python/kserve/kserve/protocol/rest/v1_endpoints.py`, which takes it from
//! TensorFlow Serving's row format: an instance is an object by input name, an array or a value.
//! Answers are written by [`crate::answer`].

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::model::Inputs;
use crate::rows::{self, Rows, RowsError};
use crate::table::{Cell, Table, array};

#[derive(Deserialize)]
struct Wire<'a> {
    /// `inputs` is what some clients of the row format call it.
    #[serde(borrow, alias = "inputs")]
    instances: &'a RawValue,
}

/// Reads a request for a model with these inputs; at most `most` instances.
pub fn parse(body: &[u8], inputs: &Inputs, most: usize) -> Result<Rows, RowsError> {
    let wire: Wire<'_> = serde_json::from_slice(body).map_err(RowsError::of)?;
    instances(wire.instances, inputs, most)
}

/// Instances in JSON: objects, arrays or values.
pub(crate) fn instances(json: &RawValue, inputs: &Inputs, most: usize) -> Result<Rows, RowsError> {
    let text = json.get();
    let first = text.trim_start_matches(['[', ' ', '\t', '\r', '\n']);
    if first.starts_with('{') {
        let rows = rows::parse(text.as_bytes(), inputs, most)?;
        return Ok(Rows {
            single: false,
            ..rows
        });
    }
    if let [only] = inputs.specs() {
        let tensor = array(json, only)?;
        let count = tensor.shape.first().copied().unwrap_or(1);
        return rows_of(vec![tensor], count, most);
    }
    let rows: Vec<Vec<&RawValue>> = serde_json::from_str(text).map_err(RowsError::of)?;
    let cells = |row: Vec<_>| row.into_iter().map(Cell::Json).collect();
    let table = Table {
        columns: None,
        rows: rows.into_iter().map(cells).collect(),
    };
    let count = table.rows.len();
    rows_of(table.tensors(inputs, most)?, count, most)
}

fn rows_of(
    tensors: Vec<crate::tensor::Tensor>,
    count: usize,
    most: usize,
) -> Result<Rows, RowsError> {
    match count {
        0 => Err(RowsError::NoRows),
        got if got > most => Err(RowsError::TooMany { got, most }),
        count => Ok(Rows {
            tensors,
            count,
            single: false,
        }),
    }
}
