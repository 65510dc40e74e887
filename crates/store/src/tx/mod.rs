//! A transaction and the statements that the traits of this crate make on it.
//!
//! The traits are implemented once, on [`Tx`]; the two databases differ behind [`Sql`] only.
//! Nothing here commits: the writer does, when the closure has returned.

mod alarms;
mod artifacts;
pub(crate) mod column;
mod compare;
mod datasets;
mod deployments;
mod evaluation;
mod events;
pub(crate) mod filter;
mod issues;
mod joinlog;
mod keyset;
mod label_schemas;
mod leases;
mod models;
mod moving;
mod projects;
mod reach;
pub(crate) mod record;
mod retention;
mod roles;
mod rollouts;
mod runs;
mod scorers;
pub(crate) mod search;
mod steps;
mod tokens;
mod traces;
mod tracking;
mod uploads;
mod users;
mod webhooks;
mod workspaces;

use crate::error::{Error, Result};
use column::{Cols, Column, Row, Value};
use record::Record;

/// Which database speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
}

/// One open transaction of a driver. Placeholders are `?1`, `?2` … in both.
pub(crate) trait Sql {
    fn dialect(&self) -> Dialect;
    fn execute(&mut self, sql: &str, params: &[Value<'_>]) -> Result<u64>;
    fn batch(&mut self, sql: &str) -> Result<()>;
    /// What was changed so far is nothing that reconcilers wait for.
    fn wake_nobody(&mut self);
    fn query(
        &mut self,
        sql: &str,
        params: &[Value<'_>],
        each: &mut dyn FnMut(&Row<'_>) -> Result<()>,
    ) -> Result<()>;
}

/// A transaction. What can be done in it are the traits of this crate: [`Projects`](crate::Projects),
/// [`Events`](crate::Events), [`Runs`](crate::Runs) and so on.
pub struct Tx<'a> {
    sql: &'a mut dyn Sql,
    guarded: Option<reach::Guarded>,
}

impl std::fmt::Debug for Tx<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tx")
            .field("dialect", &self.sql.dialect())
            .finish_non_exhaustive()
    }
}

/// The values for a statement's placeholders.
macro_rules! params {
    ($($value:expr),* $(,)?) => { &[$($crate::tx::column::Param::value(&$value)),*] };
}
pub(crate) use params;

impl<'a> Tx<'a> {
    pub(crate) fn new(sql: &'a mut dyn Sql) -> Self {
        Self { sql, guarded: None }
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.sql.dialect()
    }

    /// Runs a statement and returns how many rows it touched.
    pub(crate) fn execute(&mut self, sql: &str, params: &[Value<'_>]) -> Result<u64> {
        self.sql.execute(sql, params)
    }

    /// What was changed so far is nothing that reconcilers wait for.
    pub(crate) fn wake_nobody(&mut self) {
        self.sql.wake_nobody();
    }

    /// Every row, read by `read`.
    pub(crate) fn rows<T>(
        &mut self,
        sql: &str,
        params: &[Value<'_>],
        read: impl Fn(&mut Cols<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut all = Vec::new();
        self.sql.query(sql, params, &mut |row| {
            all.push(read(&mut Cols::new(row))?);
            Ok(())
        })?;
        Ok(all)
    }

    /// The only column of the first row.
    pub(crate) fn single<T: Column>(
        &mut self,
        sql: &str,
        params: &[Value<'_>],
    ) -> Result<Option<T>> {
        Ok(self.rows(sql, params, only)?.into_iter().next())
    }

    /// The records that the rest of a SELECT (`WHERE … ORDER BY …`) finds.
    pub(crate) fn select<R: Record>(&mut self, rest: &str, params: &[Value<'_>]) -> Result<Vec<R>> {
        let sql = format!(
            "SELECT {} FROM {} {rest}",
            record::columns(R::FIELDS),
            R::TABLE
        );
        self.rows(&sql, params, R::read)
    }

    /// The first record that the rest of a SELECT finds.
    pub(crate) fn select_one<R: Record>(
        &mut self,
        rest: &str,
        params: &[Value<'_>],
    ) -> Result<Option<R>> {
        Ok(self.select(rest, params)?.into_iter().next())
    }

    /// The record with that key.
    pub(crate) fn get<R: Record>(&mut self, key: &[Value<'_>]) -> Result<Option<R>> {
        self.select_one(
            &format!("WHERE {}", record::assignments(R::KEY, 1, " AND ")),
            key,
        )
    }

    /// Adds a record; false when its key is taken.
    pub(crate) fn insert<R: Record>(&mut self, record: &R) -> Result<bool> {
        let sql = format!("{} ON CONFLICT DO NOTHING", record::insert::<R>());
        Ok(self.sql.execute(&sql, &record.values())? == 1)
    }

    /// Adds a record or replaces the one with its key.
    pub(crate) fn upsert<R: Record>(&mut self, record: &R) -> Result<()> {
        self.sql
            .execute(&record::upsert::<R>(), &record.values())
            .map(drop)
    }

    /// Replaces the record with its key; false when there is none.
    pub(crate) fn replace<R: Record>(&mut self, record: &R) -> Result<bool> {
        Ok(self.sql.execute(&record::update::<R>(), &record.values())? == 1)
    }

    /// Removes the record with that key; false when there is none.
    pub(crate) fn remove<R: Record>(&mut self, key: &[Value<'_>]) -> Result<bool> {
        let sql = format!(
            "DELETE FROM {} WHERE {}",
            R::TABLE,
            record::assignments(R::KEY, 1, " AND ")
        );
        Ok(self.sql.execute(&sql, key)? > 0)
    }
}

/// Reads the only column of a row.
pub(crate) fn only<T: Column>(cols: &mut Cols<'_>) -> Result<T> {
    cols.get()
}

/// Turns "was not there" into an error that names the thing.
pub(crate) fn must(found: bool, what: &'static str, name: impl Into<String>) -> Result<()> {
    if found {
        Ok(())
    } else {
        Err(Error::missing(what, name))
    }
}

/// Turns "was there already" into an error that names the thing.
pub(crate) fn must_be_new(added: bool, what: &'static str, name: impl Into<String>) -> Result<()> {
    if added {
        Ok(())
    } else {
        Err(Error::Exists {
            what,
            name: name.into(),
        })
    }
}
