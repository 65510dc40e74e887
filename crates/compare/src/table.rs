//! Rows of named values: what a request asks, or what an answer says.

use crate::cell::{self, Cell};
use indexmap::IndexMap;
use serde_json::{Map, Value};

/// Values of one row by name.
pub(crate) type Row = IndexMap<String, Vec<Cell>>;

/// Rows by number. A row has only what it brings.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Table {
    pub(crate) rows: Vec<Row>,
}

impl Table {
    /// One row.
    pub(crate) fn one(row: Row) -> Self {
        Self { rows: vec![row] }
    }

    /// Rows that are JSON objects; one that is anything else has one value under `name`.
    pub(crate) fn of_rows(rows: &[Value], name: &str) -> Self {
        let row = |value: &Value| match value {
            Value::Object(fields) => row_of(fields),
            other => Row::from([(name.to_owned(), flat(other))]),
        };
        Self {
            rows: rows.iter().map(row).collect(),
        }
    }

    /// Columns that are arrays with an element for each row, or else one row.
    pub(crate) fn of_columns(columns: &Map<String, Value>) -> Self {
        let lengths: Vec<Option<usize>> = columns
            .values()
            .map(|value| value.as_array().map(Vec::len))
            .collect();
        let same = match lengths.first() {
            Some(Some(first)) if lengths.iter().all(|n| n == &Some(*first)) => *first,
            _ => return Self::one(row_of(columns)),
        };
        let row = |at: usize| {
            let value = |(name, all): (&String, &Value)| (name.clone(), flat(&all[at]));
            columns.iter().map(value).collect()
        };
        Self {
            rows: (0..same).map(row).collect(),
        }
    }

    /// Columns of which each says how many rows it has: so many rows where all say the same, or else one. Rows without any
    /// value are none, for a shape may say as many of them as it likes.
    pub(crate) fn of_cells(columns: &[Column]) -> Self {
        let most = columns.iter().map(|column| column.cells.len()).max();
        let rows = match columns {
            [head, rest @ ..] if rest.iter().all(|column| column.rows == head.rows) => {
                head.rows.min(most.unwrap_or(0))
            }
            _ => 1,
        };
        let row = |at: usize| {
            let part = |column: &Column| {
                let width = column.cells.len() / rows.max(1);
                let part = column.cells.get(at * width..(at + 1) * width);
                let part = column.classes.iter().chain(part.unwrap_or_default());
                (column.name.clone(), part.cloned().collect())
            };
            columns.iter().map(part).collect()
        };
        Self {
            rows: (0..rows).map(row).collect(),
        }
    }
}

/// All values of one name.
pub(crate) struct Column {
    pub(crate) name: String,
    /// Its first dimension; 1 for a scalar.
    pub(crate) rows: usize,
    pub(crate) cells: Vec<Cell>,
    /// What the places of its last dimension are called: a word of every row, so that another order is a change.
    pub(crate) classes: Option<Cell>,
}

/// The fields of an object.
pub(crate) fn row_of(fields: &Map<String, Value>) -> Row {
    fields
        .iter()
        .map(|(name, value)| (name.clone(), flat(value)))
        .collect()
}

fn flat(value: &Value) -> Vec<Cell> {
    let mut cells = Vec::new();
    cell::flat(value, &mut cells);
    cells
}
