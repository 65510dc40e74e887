//! A page of a search of traces: its order, and where it starts.

use super::rows::TraceRow;
use super::search::{Kind, Writer};
use crate::error::{Error, Result};
use crate::search::{Cursor, Page};
use crate::traces::{TraceOrder, TraceSearch};
use crate::tx::Tx;
use crate::tx::column::{Cols, Value};
use crate::tx::record::{Record as _, columns};

/// A sort key: its name in the inner select, its kind, and whether the largest comes first.
struct Key {
    sql: String,
    kind: Kind,
    descending: bool,
}

impl Tx<'_> {
    pub(super) fn find_traces(
        &mut self,
        project: &str,
        experiments: &[String],
        search: &TraceSearch,
    ) -> Result<Page<TraceRow>> {
        let mut writer = Writer::new(self.dialect(), project, experiments);
        let mut wheres = writer.wheres(&search.clauses)?;
        let (mut inner, mut keys) = (vec!["t.*".to_owned()], Vec::new());
        for (n, TraceOrder { field, descending }) in search.order.iter().enumerate() {
            let (sql, kind) = writer.sorted(field);
            inner.push(format!("{sql} AS key{n}"));
            keys.push(Key {
                sql: format!("CASE WHEN f.key{n} IS NULL THEN 1 ELSE 0 END"),
                kind: Kind::Integer,
                descending: false,
            });
            keys.push(Key {
                sql: format!("f.key{n}"),
                kind,
                descending: *descending,
            });
        }
        for (name, kind, descending) in [
            ("request_time", Kind::Time, true),
            ("trace_id", Kind::Text, false),
        ] {
            keys.push(Key {
                sql: format!("f.\"{name}\""),
                kind,
                descending,
            });
        }
        let mut after = "1 = 1".to_owned();
        if let Some(cursor) = &search.after {
            let values = decode(cursor, &keys)?;
            if search.order.is_empty() {
                // Said once more where an index can use it.
                let mark = writer.mark(values[0].clone());
                wheres = format!("{wheres} AND t.\"request_time\" <= {mark}");
            }
            after = behind(&mut writer, &keys, values);
        }
        let limit = if search.limit == 0 { 100 } else { search.limit };
        let sql = format!(
            "SELECT {}, {} FROM (SELECT {} FROM traces t WHERE {wheres}) f WHERE {after} ORDER BY {} LIMIT {limit}",
            columns(TraceRow::FIELDS),
            keys.iter()
                .map(|key| key.sql.as_str())
                .collect::<Vec<_>>()
                .join(", "),
            inner.join(", "),
            keys.iter()
                .map(|key| format!("{}{}", key.sql, if key.descending { " DESC" } else { "" }))
                .collect::<Vec<_>>()
                .join(", "),
        );
        let rows = self.rows(&sql, &writer.params, |cols| {
            let row = TraceRow::read(cols)?;
            let values: Result<Vec<_>> = keys.iter().map(|key| read(cols, key.kind)).collect();
            Ok((row, values?))
        })?;
        let full = rows.len() >= limit as usize;
        let next = rows
            .last()
            .filter(|_| full)
            .map(|(_, values)| encode(values));
        Ok(Page {
            items: rows.into_iter().map(|(row, _)| row).collect(),
            next,
        })
    }
}

/// The condition that a row comes after the values.
fn behind(writer: &mut Writer, keys: &[Key], values: Vec<Value<'static>>) -> String {
    let mut equal: Vec<String> = Vec::new();
    let mut either: Vec<String> = Vec::new();
    for (key, value) in keys.iter().zip(values) {
        if value == Value::Null {
            equal.push(format!("{} IS NULL", key.sql));
            continue;
        }
        let mark = writer.mark(value);
        let sign = if key.descending { "<" } else { ">" };
        let mut all = equal.clone();
        all.push(format!("{} {sign} {mark}", key.sql));
        either.push(format!("({})", all.join(" AND ")));
        equal.push(format!("{} = {mark}", key.sql));
    }
    format!("({})", either.join(" OR "))
}

fn read(cols: &mut Cols<'_>, kind: Kind) -> Result<Value<'static>> {
    Ok(match kind {
        Kind::Text => cols
            .get::<Option<String>>()?
            .map_or(Value::Null, |text| Value::Text(text.into())),
        _ => cols.get::<Option<i64>>()?.map_or(Value::Null, Value::Int),
    })
}

/// The values of a cursor, each with a letter for its type.
fn encode(values: &[Value<'_>]) -> Cursor {
    let one = |value: &Value<'_>| match value {
        Value::Int(int) => format!("i{int}"),
        Value::Text(text) => format!("t{text}"),
        Value::Null | Value::Real(_) => "n".to_owned(),
    };
    let texts: Vec<String> = values.iter().map(one).collect();
    // A list of texts always serialises.
    Cursor(serde_json::to_string(&texts).unwrap_or_default())
}

fn decode(cursor: &Cursor, keys: &[Key]) -> Result<Vec<Value<'static>>> {
    let broken = || {
        Error::Invalid(
            "this page token belongs to another search: start from the first page".to_owned(),
        )
    };
    let texts: Vec<String> = serde_json::from_str(&cursor.0).map_err(|_| broken())?;
    if texts.len() != keys.len() {
        return Err(broken());
    }
    let one = |text: &String, key: &Key| match (text.split_at_checked(1)?, key.kind) {
        (("n", _), _) => Some(Value::Null),
        (("i", rest), Kind::Time | Kind::Integer) => rest.parse().ok().map(Value::Int),
        (("t", rest), Kind::Text) => Some(Value::Text(rest.to_owned().into())),
        _ => None,
    };
    let all = texts.iter().zip(keys).map(|(text, key)| one(text, key));
    all.map(|value| value.ok_or_else(broken)).collect()
}
