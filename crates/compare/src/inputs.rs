//! What a request asks, as rows: for slices, and to show what changes.

use crate::cell::{self, Cell};
use crate::table::{Column, Row, Table, row_of};
use bytes::Bytes;
use inference::frame::Wire;
use inference::model::Inputs;
use inference::oip::{InferRequest, grpc};
use inference::tensor::Tensor;
use serde_json::Value;

/// The rows of a request's body; none when it cannot be read so.
pub(crate) fn rows(wire: Wire, body: &Bytes) -> Option<Table> {
    match wire {
        Wire::Rows => match serde_json::from_slice(body).ok()? {
            Value::Object(fields) => Some(Table::one(row_of(&fields))),
            Value::Array(all) => Some(Table::of_rows(&all, "value")),
            _ => None,
        },
        Wire::V1 | Wire::Scoring => columns(&serde_json::from_slice(body).ok()?),
        Wire::Oip => tensors(InferRequest::parse(body, None, &Inputs::any(), &[]).ok()?),
        Wire::OipRaw(json) => {
            let json = usize::try_from(json).ok()?;
            tensors(InferRequest::parse(body, Some(json), &Inputs::any(), &[]).ok()?)
        }
        Wire::Grpc => tensors(grpc::parse(body.clone(), &Inputs::any(), &[]).ok()?),
        Wire::Csv => csv(body),
    }
}

fn tensors(request: InferRequest) -> Option<Table> {
    let named = request.names.into_iter().zip(request.tensors);
    let column = |(name, tensor): (String, Tensor)| Column {
        name,
        rows: tensor.shape.first().copied().unwrap_or(1),
        cells: cell::elements(&tensor.data),
        classes: None,
    };
    let columns: Vec<Column> = named.map(column).collect();
    (!columns.is_empty()).then(|| Table::of_cells(&columns))
}

fn columns(body: &Value) -> Option<Table> {
    if let Some(rows) = ["instances", "dataframe_records"]
        .iter()
        .find_map(|key| body[*key].as_array())
    {
        return Some(Table::of_rows(rows, "value"));
    }
    let frame = &body["dataframe_split"];
    if let (Some(names), Some(rows)) = (frame["columns"].as_array(), frame["data"].as_array()) {
        let row = |values: &Value| -> Value {
            let named = names.iter().zip(values.as_array().into_iter().flatten());
            let named = named.map(|(name, value)| {
                let name = name
                    .as_str()
                    .map_or_else(|| name.to_string(), str::to_owned);
                (name, value.clone())
            });
            Value::Object(named.collect())
        };
        let rows: Vec<Value> = rows.iter().map(row).collect();
        return Some(Table::of_rows(&rows, "value"));
    }
    match &body["inputs"] {
        Value::Object(columns) => Some(Table::of_columns(columns)),
        Value::Array(rows) => Some(Table::of_rows(rows, "value")),
        _ => None,
    }
}

fn csv(body: &[u8]) -> Option<Table> {
    let mut reader = csv::Reader::from_reader(body);
    let names = reader.headers().ok()?.clone();
    let cell = |text: &str| match text.trim().parse::<f64>() {
        _ if text.trim().is_empty() => Cell::Missing,
        Ok(x) => Cell::number(x),
        Err(_) => Cell::word(text),
    };
    let row = |record: csv::StringRecord| -> Row {
        let named = names.iter().zip(record.iter());
        named
            .map(|(name, text)| (name.to_owned(), vec![cell(text)]))
            .collect()
    };
    let records: Result<Vec<_>, _> = reader.records().collect();
    Some(Table {
        rows: records.ok()?.into_iter().map(row).collect(),
    })
}
