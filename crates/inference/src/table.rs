//! Tables: rows of cells, with or without names of columns, into the tensors that a model takes.
//!
//! What MLflow's and KServe's first protocol send beside objects. A model with one input that is
//! wider than a column takes all columns in their order, as data frames are fed to such models;
//! others take theirs by name, or by place where columns have no names.

mod array;

use std::borrow::Cow;

use serde::de::Error as _;
use serde_json::value::RawValue;

use crate::model::{Inputs, TensorSpec};
use crate::rows::{Column, RowsError};
use crate::tensor::Tensor;

pub(crate) use array::array;

/// A cell.
#[derive(Debug, Clone)]
pub(crate) enum Cell<'a> {
    /// A JSON value.
    Json(&'a RawValue),
    /// A text.
    Text(Cow<'a, str>),
}

/// A table.
#[derive(Debug, Default)]
pub(crate) struct Table<'a> {
    pub(crate) columns: Option<Vec<Cow<'a, str>>>,
    pub(crate) rows: Vec<Vec<Cell<'a>>>,
}

/// Where an input's values are.
enum Layout {
    /// For each input, the place of its column.
    Each(Vec<usize>),
    /// All columns are the one input.
    Whole,
}

impl Table<'_> {
    /// One tensor per input, if there are at most `most` rows.
    pub(crate) fn tensors(&self, inputs: &Inputs, most: usize) -> Result<Vec<Tensor>, RowsError> {
        let got = self.rows.len();
        if got == 0 {
            return Err(RowsError::NoRows);
        }
        if got > most {
            return Err(RowsError::TooMany { got, most });
        }
        let width = match &self.columns {
            Some(columns) => columns.len(),
            None => self.rows[0].len(),
        };
        let layout = self.layout(inputs, width)?;
        let columns = inputs.specs().iter().map(Column::new);
        let mut columns: Vec<_> = columns.collect::<Result<_, _>>()?;
        for (index, row) in self.rows.iter().enumerate() {
            if row.len() != width {
                let (row, got, expect) = (index, row.len(), width);
                return Err(RowsError::Ragged { row, got, expect });
            }
            take(row, &layout, &mut columns)
                .and_then(|()| {
                    columns
                        .iter_mut()
                        .try_for_each(|column| column.check(index))
                })
                .map_err(RowsError::Row)?;
        }
        columns
            .into_iter()
            .map(|column| column.finish(got))
            .collect()
    }

    fn layout(&self, inputs: &Inputs, width: usize) -> Result<Layout, RowsError> {
        let specs = inputs.specs();
        let missing = |spec: &TensorSpec| RowsError::Missing(spec.name.clone(), inputs.names());
        let place = |spec: &TensorSpec| match &self.columns {
            Some(columns) => columns.iter().position(|column| *column == spec.name),
            None => None,
        };
        match specs {
            [only] if !only.is_column() && place(only).is_none() => Ok(Layout::Whole),
            _ if self.columns.is_none() && width == specs.len() => {
                Ok(Layout::Each((0..width).collect()))
            }
            _ => {
                let places = specs
                    .iter()
                    .map(|spec| place(spec).ok_or_else(|| missing(spec)));
                places.collect::<Result<_, _>>().map(Layout::Each)
            }
        }
    }
}

fn take(
    row: &[Cell<'_>],
    layout: &Layout,
    columns: &mut [Column<'_>],
) -> Result<(), serde_json::Error> {
    let put = |column: &mut Column<'_>, cell: &Cell<'_>| match cell {
        Cell::Json(json) => column.take(json),
        Cell::Text(text) => column.take_text(text),
    };
    match (layout, columns) {
        (Layout::Whole, [only]) => row.iter().try_for_each(|cell| put(only, cell)),
        (Layout::Whole, _) => Err(serde_json::Error::custom("the model has not one input")),
        (Layout::Each(places), columns) => {
            let mut pairs = columns.iter_mut().zip(places);
            pairs.try_for_each(|(column, place)| put(column, &row[*place]))
        }
    }
}
