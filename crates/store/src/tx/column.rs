//! How Rust values become columns and back, the same for both databases: integers, doubles and
//! texts only. Times are microseconds, flags are 0 and 1, structures are JSON texts.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::runs::RunSpec;
use crate::words::numbers;

/// A value on its way into a statement.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value<'a> {
    Null,
    Int(i64),
    Real(f64),
    Text(Cow<'a, str>),
}

/// The value on its own feet.
pub(crate) fn owned(value: Value<'_>) -> Value<'static> {
    match value {
        Value::Null => Value::Null,
        Value::Int(int) => Value::Int(int),
        Value::Real(real) => Value::Real(real),
        Value::Text(text) => Value::Text(Cow::Owned(text.into_owned())),
    }
}

/// What can be bound to a placeholder.
pub(crate) trait Param {
    fn value(&self) -> Value<'_>;
}

/// What can be read from a column.
pub(crate) trait Column: Sized {
    fn read(row: &Row<'_>, index: usize) -> Result<Self>;
}

/// A row as the driver holds it.
pub(crate) enum Row<'r> {
    Sqlite(&'r rusqlite::Row<'r>),
    Postgres(&'r postgres::Row),
}

/// Reads the columns of a row one after the other.
pub(crate) struct Cols<'r> {
    row: &'r Row<'r>,
    next: usize,
}

impl<'r> Cols<'r> {
    pub(crate) fn new(row: &'r Row<'r>) -> Self {
        Self { row, next: 0 }
    }

    pub(crate) fn get<T: Column>(&mut self) -> Result<T> {
        let index = self.next;
        self.next += 1;
        T::read(self.row, index)
    }
}

/// Reads an enum that is stored as its word.
pub(crate) fn read_word<W: std::str::FromStr<Err = Error>>(
    row: &Row<'_>,
    index: usize,
) -> Result<W> {
    read_word_if_any(row, index)?.ok_or_else(|| wrong(index, "it is null"))
}

/// Reads an enum that is stored as its word, where there may be none.
pub(crate) fn read_word_if_any<W: std::str::FromStr<Err = Error>>(
    row: &Row<'_>,
    index: usize,
) -> Result<Option<W>> {
    row.text(index)?
        .map(|text| text.parse().map_err(|e| wrong(index, e)))
        .transpose()
}

fn wrong(index: usize, found: impl std::fmt::Display) -> Error {
    Error::Corrupt(format!("column {index} of a row cannot be read: {found}"))
}

impl Row<'_> {
    fn int(&self, index: usize) -> Result<Option<i64>> {
        match self {
            Self::Sqlite(row) => row.get(index).map_err(|e| wrong(index, e)),
            // A constant in a SELECT is a short integer there.
            Self::Postgres(row) if *row.columns()[index].type_() == postgres::types::Type::INT4 => {
                let short = row.try_get::<_, Option<i32>>(index);
                short
                    .map(|int| int.map(i64::from))
                    .map_err(|e| wrong(index, e))
            }
            Self::Postgres(row) => row.try_get(index).map_err(|e| wrong(index, e)),
        }
    }

    fn real(&self, index: usize) -> Result<Option<f64>> {
        match self {
            Self::Sqlite(row) => row.get(index).map_err(|e| wrong(index, e)),
            Self::Postgres(row) => row.try_get(index).map_err(|e| wrong(index, e)),
        }
    }

    fn text(&self, index: usize) -> Result<Option<&str>> {
        match self {
            Self::Sqlite(row) => {
                let value = row.get_ref(index).map_err(|e| wrong(index, e))?;
                value.as_str_or_null().map_err(|e| wrong(index, e))
            }
            Self::Postgres(row) => row.try_get(index).map_err(|e| wrong(index, e)),
        }
    }
}

macro_rules! integers {
    ($($int:ty),+) => {$(
        impl Param for $int {
            fn value(&self) -> Value<'_> {
                // Counters stay far below 2^63; saturating keeps a hostile number from wrapping.
                Value::Int(i64::try_from(*self).unwrap_or(i64::MAX))
            }
        }

        impl Column for Option<$int> {
            fn read(row: &Row<'_>, index: usize) -> Result<Self> {
                row.int(index)?.map(|v| <$int>::try_from(v).map_err(|e| wrong(index, e))).transpose()
            }
        }

        required!($int);
    )+};
}

macro_rules! required {
    ($type:ty) => {
        impl Column for $type {
            fn read(row: &Row<'_>, index: usize) -> Result<Self> {
                Option::<$type>::read(row, index)?.ok_or_else(|| wrong(index, "it is null"))
            }
        }
    };
}

integers!(i64, i32, u64, u32);

impl Param for bool {
    fn value(&self) -> Value<'_> {
        Value::Int(i64::from(*self))
    }
}

impl Column for bool {
    fn read(row: &Row<'_>, index: usize) -> Result<Self> {
        i64::read(row, index).map(|v| v != 0)
    }
}

impl Param for f64 {
    fn value(&self) -> Value<'_> {
        // SQLite would keep NaN as NULL; so both do.
        if self.is_nan() {
            Value::Null
        } else {
            Value::Real(*self)
        }
    }
}

impl Column for Option<f64> {
    fn read(row: &Row<'_>, index: usize) -> Result<Self> {
        row.real(index)
    }
}

required!(f64);

impl Param for str {
    fn value(&self) -> Value<'_> {
        Value::Text(Cow::Borrowed(self))
    }
}

impl Param for String {
    fn value(&self) -> Value<'_> {
        Value::Text(Cow::Borrowed(self))
    }
}

impl Column for Option<String> {
    fn read(row: &Row<'_>, index: usize) -> Result<Self> {
        row.text(index).map(|text| text.map(str::to_owned))
    }
}

required!(String);

impl Param for Timestamp {
    fn value(&self) -> Value<'_> {
        Value::Int(self.as_microsecond())
    }
}

impl Column for Option<Timestamp> {
    fn read(row: &Row<'_>, index: usize) -> Result<Self> {
        row.int(index)?
            .map(|v| Timestamp::from_microsecond(v).map_err(|e| wrong(index, e)))
            .transpose()
    }
}

required!(Timestamp);

impl Param for Digest {
    fn value(&self) -> Value<'_> {
        Value::Text(Cow::Borrowed(self.as_str()))
    }
}

impl Column for Option<Digest> {
    fn read(row: &Row<'_>, index: usize) -> Result<Self> {
        row.text(index)?
            .map(|text| text.parse().map_err(|e| wrong(index, e)))
            .transpose()
    }
}

required!(Digest);

impl<P: Param + ?Sized> Param for &P {
    fn value(&self) -> Value<'_> {
        (**self).value()
    }
}

impl<P: Param> Param for Option<P> {
    fn value(&self) -> Value<'_> {
        self.as_ref().map_or(Value::Null, Param::value)
    }
}

fn to_json<T: Serialize + ?Sized>(value: &T) -> Value<'static> {
    // Maps with text keys and JSON values always serialise.
    serde_json::to_string(value).map_or(Value::Null, |text| Value::Text(Cow::Owned(text)))
}

fn from_json<T: DeserializeOwned>(row: &Row<'_>, index: usize) -> Result<T> {
    let text = row.text(index)?.ok_or_else(|| wrong(index, "it is null"))?;
    serde_json::from_str(text).map_err(|e| wrong(index, e))
}

impl Param for Json {
    fn value(&self) -> Value<'_> {
        to_json(self)
    }
}

impl Column for Json {
    fn read(row: &Row<'_>, index: usize) -> Result<Self> {
        from_json(row, index)
    }
}

impl Column for Option<Json> {
    fn read(row: &Row<'_>, index: usize) -> Result<Self> {
        if row.text(index)?.is_none() {
            Ok(None)
        } else {
            from_json(row, index).map(Some)
        }
    }
}

impl Param for RunSpec {
    fn value(&self) -> Value<'_> {
        self.text().value()
    }
}

impl Column for RunSpec {
    fn read(row: &Row<'_>, index: usize) -> Result<Self> {
        String::read(row, index).map(RunSpec::kept)
    }
}

impl Param for BTreeMap<String, String> {
    fn value(&self) -> Value<'_> {
        to_json(self)
    }
}

impl Column for BTreeMap<String, String> {
    fn read(row: &Row<'_>, index: usize) -> Result<Self> {
        from_json(row, index)
    }
}

impl Param for BTreeMap<String, Digest> {
    fn value(&self) -> Value<'_> {
        to_json(self)
    }
}

impl Column for BTreeMap<String, Digest> {
    fn read(row: &Row<'_>, index: usize) -> Result<Self> {
        from_json(row, index)
    }
}

impl Param for BTreeSet<String> {
    fn value(&self) -> Value<'_> {
        to_json(self)
    }
}

impl Column for BTreeSet<String> {
    fn read(row: &Row<'_>, index: usize) -> Result<Self> {
        from_json(row, index)
    }
}

impl Param for Vec<String> {
    fn value(&self) -> Value<'_> {
        to_json(self)
    }
}

impl Column for Vec<String> {
    fn read(row: &Row<'_>, index: usize) -> Result<Self> {
        from_json(row, index)
    }
}

/// A map of numbers in a form that JSON can hold.
#[derive(Serialize, serde::Deserialize)]
struct Numbers(#[serde(with = "numbers")] BTreeMap<String, f64>);

impl Param for BTreeMap<String, f64> {
    fn value(&self) -> Value<'_> {
        to_json(&Numbers(self.clone()))
    }
}

impl Column for BTreeMap<String, f64> {
    fn read(row: &Row<'_>, index: usize) -> Result<Self> {
        from_json::<Numbers>(row, index).map(|numbers| numbers.0)
    }
}
