//! Rows of either database, read by one code: SQLite's file opened for reading only, Postgres in a read-only session.

use crate::error::{Error, Result};
use postgres::{Client, NoTls, fallible_iterator::FallibleIterator as _, types::ToSql};
use rusqlite::{Connection, OpenFlags, types::ValueRef};
use std::{path::Path, time::Duration};

/// How long a writer of the file is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Int(i64),
    Real(f64),
    Text(String),
}

/// One row, read from its first column to its last.
pub(super) struct Row(std::vec::IntoIter<Value>);

impl Row {
    fn next(&mut self) -> Value {
        self.0.next().unwrap_or(Value::Null)
    }

    /// A text; none when it is NULL.
    pub(super) fn maybe(&mut self) -> Option<String> {
        match self.next() {
            Value::Null => None,
            Value::Int(number) => Some(number.to_string()),
            Value::Real(number) => Some(number.to_string()),
            Value::Text(text) => Some(text),
        }
    }

    /// A text; empty when it is NULL.
    pub(super) fn text(&mut self) -> String {
        self.maybe().unwrap_or_default()
    }

    /// A whole number; none when it is NULL.
    pub(super) fn number(&mut self) -> Option<i64> {
        match self.next() {
            Value::Int(number) => Some(number),
            Value::Text(text) => text.parse().ok(),
            Value::Null | Value::Real(_) => None,
        }
    }

    /// A whole number; zero when it is NULL.
    pub(super) fn int(&mut self) -> i64 {
        self.number().unwrap_or_default()
    }

    /// A number; none when it is NULL.
    pub(super) fn real(&mut self) -> Option<f64> {
        match self.next() {
            Value::Real(number) => Some(number),
            #[expect(
                clippy::cast_precision_loss,
                reason = "SQLite keeps whole doubles as integers"
            )]
            Value::Int(number) => Some(number as f64),
            Value::Null | Value::Text(_) => None,
        }
    }

    /// A truth.
    pub(super) fn flag(&mut self) -> bool {
        self.int() != 0
    }
}

/// A database that is read. Placeholders are `?1`, `?2` …, and stand for texts.
pub(super) enum Database {
    Sqlite(Connection),
    Postgres(Client),
}

impl Database {
    pub(super) fn sqlite(path: &Path) -> Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)
            .map_err(|error| Error::Usage(format!("cannot open `{}`: {error}", path.display())))?;
        connection.busy_timeout(PATIENCE)?;
        Ok(Database::Sqlite(connection))
    }

    pub(super) fn postgres(url: &str) -> Result<Self> {
        let mut client = Client::connect(url, NoTls).map_err(|error| {
            let said = std::error::Error::source(&error).map(ToString::to_string);
            Error::Usage(format!(
                "cannot open the Postgres database: {}",
                said.unwrap_or_else(|| error.to_string())
            ))
        })?;
        client.batch_execute("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")?;
        Ok(Database::Postgres(client))
    }

    /// Calls `each` with every row as it is read.
    pub(super) fn each(
        &mut self,
        sql: &str,
        given: &[&str],
        each: &mut dyn FnMut(Row) -> Result<()>,
    ) -> Result<()> {
        match self {
            Database::Sqlite(connection) => each_of_sqlite(connection, sql, given, each),
            Database::Postgres(client) => each_of_postgres(client, sql, given, each),
        }
    }

    /// Every row, read by `read`.
    pub(super) fn all<T>(
        &mut self,
        sql: &str,
        given: &[&str],
        read: impl Fn(Row) -> T,
    ) -> Result<Vec<T>> {
        let mut all = Vec::new();
        self.each(sql, given, &mut |row| {
            all.push(read(row));
            Ok(())
        })?;
        Ok(all)
    }
}

fn each_of_sqlite(
    connection: &Connection,
    sql: &str,
    given: &[&str],
    each: &mut dyn FnMut(Row) -> Result<()>,
) -> Result<()> {
    let mut statement = connection.prepare_cached(sql)?;
    let columns = statement.column_count();
    let mut rows = statement.query(rusqlite::params_from_iter(given))?;
    while let Some(row) = rows.next()? {
        let mut values = Vec::with_capacity(columns);
        for column in 0..columns {
            values.push(match row.get_ref(column)? {
                ValueRef::Null => Value::Null,
                ValueRef::Integer(number) => Value::Int(number),
                ValueRef::Real(number) => Value::Real(number),
                ValueRef::Text(text) | ValueRef::Blob(text) => {
                    Value::Text(String::from_utf8_lossy(text).into_owned())
                }
            });
        }
        each(Row(values.into_iter()))?;
    }
    Ok(())
}

fn each_of_postgres(
    client: &mut Client,
    sql: &str,
    given: &[&str],
    each: &mut dyn FnMut(Row) -> Result<()>,
) -> Result<()> {
    let sql = sql.replace('?', "$");
    let given: Vec<&(dyn ToSql + Sync)> = given.iter().map(|text| text as _).collect();
    let mut rows = client.query_raw(&sql, given.iter().copied())?;
    while let Some(row) = rows.next()? {
        let values = (0..row.len()).map(|column| of_postgres(&row, column));
        let values = values.collect::<Result<Vec<_>>>()?;
        each(Row(values.into_iter()))?;
    }
    Ok(())
}

fn of_postgres(row: &postgres::Row, column: usize) -> Result<Value> {
    let kind = row.columns()[column].type_();
    Ok(match kind.name() {
        "bool" => row
            .try_get::<_, Option<bool>>(column)?
            .map(i64::from)
            .map(Value::Int),
        "int2" => row
            .try_get::<_, Option<i16>>(column)?
            .map(|n| Value::Int(n.into())),
        "int4" => row
            .try_get::<_, Option<i32>>(column)?
            .map(|n| Value::Int(n.into())),
        "int8" => row.try_get::<_, Option<i64>>(column)?.map(Value::Int),
        "float4" => row
            .try_get::<_, Option<f32>>(column)?
            .map(|n| Value::Real(n.into())),
        "float8" => row.try_get::<_, Option<f64>>(column)?.map(Value::Real),
        _ => row.try_get::<_, Option<String>>(column)?.map(Value::Text),
    }
    .unwrap_or(Value::Null))
}

/// `?first, ?first+1, …`
pub(super) fn marks(first: usize, count: usize) -> String {
    let marks = (first..first + count).map(|n| format!("?{n}"));
    marks.collect::<Vec<_>>().join(", ")
}
