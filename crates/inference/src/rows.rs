//! Plain rows: `{"dep_delay": 5.0, "carrier": "UA"}`, or an array of such objects.
//!
//! Columns are the model's inputs by name. An input of shape `[N]` or `[N, 1]` takes one value a
//! row; a wider one takes an array a row, flat or nested. Fields that the model does not know are
//! ignored, for they may be keys, labels or features of the next version. The engine calls
//! [`parse`]; the gateway forwards bodies unparsed.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::model::{Dim, Inputs, TensorSpec};
use crate::tensor::{Data, Tensor};
use crate::values::{Array, Element, Scalar, named};

/// The rows of one request, as the tensors that the model takes, in its order.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    /// One tensor per input.
    pub tensors: Vec<Tensor>,
    /// How many rows there are, at least one.
    pub count: usize,
    /// Whether the body was one object, so that the answer is one prediction.
    pub single: bool,
}

/// A body that is not rows for this model: the client's fault.
#[derive(Debug, thiserror::Error)]
pub enum RowsError {
    /// Not JSON.
    #[error("the body is not valid JSON: {0}")]
    Syntax(serde_json::Error),
    /// JSON, but not rows of this model.
    #[error("{0}")]
    Row(serde_json::Error),
    /// An array without any row.
    #[error("the body has no rows; send an object or an array of objects")]
    NoRows,
    /// More rows than one request may carry, or than the model takes.
    #[error("{got} rows in one request, but at most {most} are allowed; send them in parts")]
    TooMany {
        /// Rows in the body.
        got: usize,
        /// Rows allowed.
        most: usize,
    },
    /// The model was exported for a fixed number of rows.
    #[error("the model takes exactly {expect} rows a request, not {got}")]
    FixedCount {
        /// Rows in the body.
        got: usize,
        /// Rows that the model takes.
        expect: usize,
    },
    /// A table without a column that the model takes.
    #[error("column `{0}` is missing; the model takes {1}")]
    Missing(String, String),
    /// A row with more or fewer values than there are columns.
    #[error("row {row} has {got} values, but there are {expect} columns")]
    Ragged {
        /// Which row, from 0.
        row: usize,
        /// Its values.
        got: usize,
        /// Columns of the table.
        expect: usize,
    },
    /// An input that rows cannot express.
    #[error("input `{0}` has a shape that rows cannot express; use the Open Inference Protocol")]
    Open(String),
    /// A length that the input's shape does not allow.
    #[error("input `{name}` has {got} values a row, but its shape is {shape:?}")]
    Width {
        /// The input.
        name: String,
        /// Values given.
        got: usize,
        /// The shape of the input, -1 where open.
        shape: Vec<i64>,
    },
}

impl RowsError {
    /// The parser's word.
    pub(crate) fn of(error: serde_json::Error) -> Self {
        if error.is_data() {
            Self::Row(error)
        } else {
            Self::Syntax(error)
        }
    }
}

/// Reads the rows in `body` for a model with these inputs; at most `most` of them.
pub fn parse(body: &[u8], inputs: &Inputs, most: usize) -> Result<Rows, RowsError> {
    let mut columns = inputs
        .specs()
        .iter()
        .map(Column::new)
        .collect::<Result<Vec<_>, _>>()?;
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let table = Table {
        inputs,
        columns: &mut columns,
    };
    let (count, single) = table
        .deserialize(&mut deserializer)
        .and_then(|read| deserializer.end().map(|()| read))
        .map_err(RowsError::of)?;
    if count == 0 {
        return Err(RowsError::NoRows);
    }
    if count > most {
        return Err(RowsError::TooMany { got: count, most });
    }
    let tensors = columns
        .into_iter()
        .map(|column| column.finish(count))
        .collect::<Result<_, _>>()?;
    Ok(Rows {
        tensors,
        count,
        single,
    })
}

/// One input while its rows come in.
pub(crate) struct Column<'a> {
    spec: &'a TensorSpec,
    data: Data,
    /// Lengths of a row's dimensions, where known.
    row: Vec<Cell<Option<usize>>>,
    scalar: bool,
    /// Elements a row, once known.
    width: Option<usize>,
}

impl<'a> Column<'a> {
    pub(crate) fn new(spec: &'a TensorSpec) -> Result<Self, RowsError> {
        let open = || RowsError::Open(spec.name.clone());
        let row: Vec<_> = spec.dims.iter().skip(1).map(length).collect();
        if spec.dims.is_empty() || row.iter().filter(|dim| dim.is_none()).count() > 1 {
            return Err(open());
        }
        let width = row.iter().try_fold(1_usize, |product, dim| {
            Some(product.saturating_mul((*dim)?))
        });
        let data = Data::empty(spec.datatype);
        let row = row.into_iter().map(Cell::new).collect();
        Ok(Self {
            spec,
            data,
            row,
            scalar: spec.is_column(),
            width,
        })
    }

    /// Takes a value of a row that is JSON: a scalar, or an array where the input is wider.
    pub(crate) fn take(&mut self, json: &RawValue) -> Result<(), serde_json::Error> {
        let (name, data) = (&self.spec.name, &mut self.data);
        let mut deserializer = serde_json::Deserializer::from_str(json.get());
        if self.scalar {
            return Scalar { name, data }.deserialize(&mut deserializer);
        }
        let array = Array {
            name,
            data,
            shape: &self.row,
            level: 0,
        };
        array.deserialize(&mut deserializer).map(drop)
    }

    /// Takes a value of a row that is text.
    pub(crate) fn take_text(&mut self, text: &str) -> Result<(), serde_json::Error> {
        named(&self.spec.name, self.data.push_text(text))
    }

    /// Checks the number of elements after row `index`.
    pub(crate) fn check<E: Error>(&mut self, index: usize) -> Result<(), E> {
        let name = &self.spec.name;
        let before = self.width.unwrap_or(0).saturating_mul(index);
        let got = self.data.len().saturating_sub(before);
        match self.width {
            Some(width) if got == width => Ok(()),
            Some(_) if self.scalar && got > 1 => Err(E::custom(format_args!(
                "input `{name}` is given twice in one row"
            ))),
            Some(width) => Err(E::custom(format_args!(
                "input `{name}` has {got} values in row {index}, not {width}"
            ))),
            None => {
                self.width = Some(got);
                Ok(())
            }
        }
    }

    pub(crate) fn finish(self, count: usize) -> Result<Tensor, RowsError> {
        if let Some(Dim::Fixed(expect)) = self.spec.dims.first()
            && *expect != count
        {
            return Err(RowsError::FixedCount {
                got: count,
                expect: *expect,
            });
        }
        let width = self.width.unwrap_or(0);
        let fixed = self.spec.dims.iter().skip(1).filter_map(length);
        let known = fixed.fold(1_usize, usize::saturating_mul);
        let fits = known > 0 && width > 0 && width.is_multiple_of(known);
        if !fits {
            let shape = self.spec.description().shape;
            return Err(RowsError::Width {
                name: self.spec.name.clone(),
                got: width,
                shape,
            });
        }
        let row = self
            .spec
            .dims
            .iter()
            .skip(1)
            .map(|dim| length(dim).unwrap_or(width / known));
        let shape = std::iter::once(count).chain(row).collect();
        Ok(Tensor {
            shape,
            data: self.data,
        })
    }
}

fn length(dim: &Dim) -> Option<usize> {
    match dim {
        Dim::Fixed(n) => Some(*n),
        Dim::Free(_) => None,
    }
}

/// The whole body: an object or an array of objects. Gives the number of rows, and whether it was
/// one object.
struct Table<'a, 'm> {
    inputs: &'a Inputs,
    columns: &'a mut [Column<'m>],
}

impl<'de> DeserializeSeed<'de> for Table<'_, '_> {
    type Value = (usize, bool);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Table<'_, '_> {
    type Value = (usize, bool);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "an object with the fields {}, or an array of them",
            self.inputs.names()
        )
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        let row = Row {
            inputs: self.inputs,
            columns: self.columns,
            index: 0,
        };
        row.visit_map(map).map(|()| (1, true))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut index = 0;
        while let Some(()) = seq.next_element_seed(Row {
            inputs: self.inputs,
            columns: &mut *self.columns,
            index,
        })? {
            index += 1;
        }
        Ok((index, false))
    }
}

/// One row.
struct Row<'a, 'm> {
    inputs: &'a Inputs,
    columns: &'a mut [Column<'m>],
    index: usize,
}

impl<'de> DeserializeSeed<'de> for Row<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Row<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "row {} to be an object with the fields {}",
            self.index,
            self.inputs.names()
        )
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self {
            inputs,
            columns,
            index,
        } = self;
        let mut guess = 0;
        while let Some(place) = map.next_key_seed(Key { inputs, guess })? {
            let Some(column) = place.and_then(|place| columns.get_mut(place)) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            guess = place.unwrap_or(0) + 1;
            let name = &column.spec.name;
            if column.scalar {
                map.next_value_seed(Scalar {
                    name,
                    data: &mut column.data,
                })?;
            } else {
                let array = Array {
                    name,
                    data: &mut column.data,
                    shape: &column.row,
                    level: 0,
                };
                if map.next_value_seed(array)? == Element::Scalar {
                    return Err(A::Error::custom(format_args!(
                        "input `{name}` must be an array in row {index}"
                    )));
                }
            }
        }
        for column in columns {
            if column.data.len() <= column.width.unwrap_or(0).saturating_mul(index) {
                let name = &column.spec.name;
                return Err(A::Error::custom(format_args!(
                    "input `{name}` is missing in row {index}"
                )));
            }
            column.check(index)?;
        }
        Ok(())
    }
}

/// A field's name, turned into the place of the input without a copy.
struct Key<'a> {
    inputs: &'a Inputs,
    guess: usize,
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.inputs.place(name, self.guess))
    }
}

#[cfg(test)]
mod tests;
