//! Records as rows: which table, which columns, in which order. The columns carry the fields'
//! names, so that the struct is the only place where they are spelt.

use std::fmt::Write as _;

use super::column::{Cols, Value};
use crate::error::Result;

/// A struct that is a row of a table.
pub(crate) trait Record: Sized {
    const TABLE: &'static str;
    const KEY: &'static [&'static str];
    const FIELDS: &'static [&'static str];

    fn read(cols: &mut Cols<'_>) -> Result<Self>;
    fn values(&self) -> Vec<Value<'_>>;
}

/// Declares a struct as a row: its table, the fields that are its key, the other fields.
macro_rules! record {
    ($type:ident in $table:literal, key($($key:ident),+), $($field:ident),* $(,)?) => {
        impl $crate::tx::record::Record for $type {
            const TABLE: &'static str = $table;
            const KEY: &'static [&'static str] = &[$(stringify!($key)),+];
            const FIELDS: &'static [&'static str] = &[$(stringify!($key),)+ $(stringify!($field)),*];

            fn read(cols: &mut $crate::tx::column::Cols<'_>) -> $crate::Result<Self> {
                Ok(Self { $($key: cols.get()?,)+ $($field: cols.get()?,)* })
            }

            fn values(&self) -> Vec<$crate::tx::column::Value<'_>> {
                use $crate::tx::column::Param as _;
                vec![$(self.$key.value(),)+ $(self.$field.value()),*]
            }
        }
    };
}
pub(crate) use record;

/// `"a", "b"`
pub(crate) fn columns(fields: &[&str]) -> String {
    let mut text = String::with_capacity(fields.len() * 16);
    for (index, field) in fields.iter().enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        // Writing to a String cannot fail.
        let _ = write!(text, "{comma}\"{field}\"");
    }
    text
}

/// `"a" = ?1, "b" = ?2`, with `between` in place of the comma, counted from `first`.
pub(crate) fn assignments(fields: &[&str], first: usize, between: &str) -> String {
    let each = fields
        .iter()
        .enumerate()
        .map(|(index, field)| format!("\"{field}\" = ?{}", first + index));
    each.collect::<Vec<_>>().join(between)
}

/// An INSERT of all fields, without a word on conflicts.
pub(crate) fn insert<R: Record>() -> String {
    let marks: Vec<_> = (1..=R::FIELDS.len()).map(|n| format!("?{n}")).collect();
    format!(
        "INSERT INTO {} ({}) VALUES ({})",
        R::TABLE,
        columns(R::FIELDS),
        marks.join(", ")
    )
}

/// An INSERT that replaces the row with the same key.
pub(crate) fn upsert<R: Record>() -> String {
    let others = &R::FIELDS[R::KEY.len()..];
    let sets: Vec<_> = others
        .iter()
        .map(|field| format!("\"{field}\" = excluded.\"{field}\""))
        .collect();
    format!(
        "{} ON CONFLICT ({}) DO UPDATE SET {}",
        insert::<R>(),
        columns(R::KEY),
        sets.join(", ")
    )
}

/// An UPDATE of all other fields of the row with this key.
pub(crate) fn update<R: Record>() -> String {
    let keys = R::KEY.len();
    let sets = assignments(&R::FIELDS[keys..], keys + 1, ", ");
    format!(
        "UPDATE {} SET {sets} WHERE {}",
        R::TABLE,
        assignments(R::KEY, 1, " AND ")
    )
}
