//! SQLite: a connection with our settings, its statements, and the threads that read.

use std::path::Path;
use std::time::Duration;

use regex::Regex;
use rusqlite::config::DbConfig;
use rusqlite::functions::FunctionFlags;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::queue::{Queue, Waiting};
use super::{Job, migrate};
use crate::error::{Error, Result};
use crate::tx::column::{Row, Value};
use crate::tx::{Dialect, Sql, Tx};

/// A connection with the settings that everything relies on.
pub(crate) struct Sqlite {
    connection: Connection,
}

impl Sqlite {
    /// Opens the file for writing and brings its schema up to date.
    pub(crate) fn writer(path: &Path) -> Result<Self> {
        // One thread at a time has it.
        let flags = OpenFlags::default() | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let flags = flags - OpenFlags::SQLITE_OPEN_FULL_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(|e| failed(&e))?;
        let own = Self { connection };
        // What is written again and again reaches the file once in 32 MB of the log.
        own.settings(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA journal_size_limit=67108864; \
             PRAGMA wal_autocheckpoint=8000; PRAGMA cache_size=-16384;",
        )?;
        own.batch("BEGIN IMMEDIATE")?;
        migrate::migrate(&mut own.sql())?;
        own.batch("COMMIT")?;
        Ok(own)
    }

    /// Opens the file for reading only.
    pub(crate) fn reader(path: &Path) -> Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(|e| failed(&e))?;
        let own = Self { connection };
        // Enough for a page of whole runs from all over a large file.
        own.settings("PRAGMA query_only=ON; PRAGMA cache_size=-8192;")?;
        Ok(own)
    }

    fn settings(&self, more: &str) -> Result<()> {
        self.connection.set_prepared_statement_cache_capacity(256);
        // Without it, a listing is parsed and planned again for every value that it is asked for.
        self.connection
            .set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)
            .map_err(|e| failed(&e))?;
        self.regexp().map_err(|e| failed(&e))?;
        self.batch("PRAGMA busy_timeout=20000; PRAGMA foreign_keys=ON; PRAGMA case_sensitive_like=ON; PRAGMA temp_store=MEMORY;")?;
        self.batch(more)
    }

    /// `text REGEXP pattern`, which SQLite leaves to its users. A pattern that is none is found nowhere.
    fn regexp(&self) -> rusqlite::Result<()> {
        let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
        self.connection
            .create_scalar_function("regexp", 2, flags, |call| {
                let pattern = call.get_or_create_aux(0, |pattern| {
                    let pattern = pattern.as_str().map(Regex::new);
                    Ok::<_, rusqlite::Error>(pattern.ok().and_then(Result::ok))
                })?;
                let text = call.get_raw(1).as_str();
                Ok(matches!((&*pattern, text), (Some(pattern), Ok(text)) if pattern.is_match(text)))
            })
    }

    pub(crate) fn batch(&self, sql: &str) -> Result<()> {
        self.connection.execute_batch(sql).map_err(|e| failed(&e))
    }

    pub(crate) fn sql(&self) -> SqliteSql<'_> {
        SqliteSql {
            connection: &self.connection,
            changed: 0,
        }
    }

    /// Whether a transaction is open.
    pub(super) fn in_transaction(&self) -> bool {
        !self.connection.is_autocommit()
    }

    /// A short statement that is used all the time.
    pub(super) fn cached(&self, sql: &str) -> Result<()> {
        let mut statement = self
            .connection
            .prepare_cached(sql)
            .map_err(|e| failed(&e))?;
        statement.raw_execute().map(drop).map_err(|e| failed(&e))
    }

    /// A reader thread: works until the queue is closed.
    pub(crate) fn read_all(&self, queue: &Queue) {
        while let Some(Waiting { mut job, .. }) = queue.wait() {
            let outcome = self.read_one(job.as_mut());
            if outcome.is_err() {
                // The next reader must find no transaction open.
                let _ = self.batch("ROLLBACK");
            }
            job.finish(outcome.as_ref().err());
        }
    }

    fn read_one(&self, job: &mut dyn Job) -> Result<()> {
        self.cached("BEGIN")?;
        job.run(&mut Tx::new(&mut self.sql()));
        self.cached("COMMIT")
    }
}

/// The statements of one transaction.
pub(crate) struct SqliteSql<'c> {
    connection: &'c Connection,
    changed: u64,
}

impl<'c> SqliteSql<'c> {
    /// How many rows the statements changed.
    pub(super) fn changed(&self) -> u64 {
        self.changed
    }

    fn bound(&self, sql: &str, params: &[Value<'_>]) -> Result<rusqlite::CachedStatement<'c>> {
        let mut statement = self
            .connection
            .prepare_cached(sql)
            .map_err(|e| failed(&e))?;
        for (index, value) in (1..).zip(params) {
            statement
                .raw_bind_parameter(index, value)
                .map_err(|e| failed(&e))?;
        }
        Ok(statement)
    }
}

impl Sql for SqliteSql<'_> {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn execute(&mut self, sql: &str, params: &[Value<'_>]) -> Result<u64> {
        let changed = self
            .bound(sql, params)?
            .raw_execute()
            .map_err(|e| failed(&e))? as u64;
        self.changed += changed;
        Ok(changed)
    }

    fn query(
        &mut self,
        sql: &str,
        params: &[Value<'_>],
        each: &mut dyn FnMut(&Row<'_>) -> Result<()>,
    ) -> Result<()> {
        let mut statement = self.bound(sql, params)?;
        // A query that writes (RETURNING) counts as a change.
        self.changed += u64::from(!statement.readonly());
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next().map_err(|e| failed(&e))? {
            each(&Row::Sqlite(row))?;
        }
        Ok(())
    }

    fn wake_nobody(&mut self) {
        self.changed = 0;
    }

    fn batch(&mut self, sql: &str) -> Result<()> {
        self.connection.execute_batch(sql).map_err(|e| failed(&e))
    }
}

impl rusqlite::ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(value) => ValueRef::Integer(*value),
            Self::Real(value) => ValueRef::Real(*value),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

/// Writes a consistent copy of a database in use. Readers and the writer go on meanwhile.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<()> {
    // A reader's connection would refuse: it may write nothing, not even a copy.
    let source = Connection::open(from).map_err(|e| failed(&e))?;
    source
        .busy_timeout(Duration::from_secs(20))
        .map_err(|e| failed(&e))?;
    source
        .execute("VACUUM INTO ?1", [to.to_string_lossy()])
        .map_err(|e| failed(&e))?;
    std::fs::File::open(to)
        .and_then(|file| file.sync_all())
        .map_err(Error::io("sync", to))
}

/// What the driver's error means for the caller.
pub(crate) fn failed(error: &rusqlite::Error) -> Error {
    let text = error.to_string();
    let Some(code) = error.sqlite_error_code() else {
        return Error::Database(text);
    };
    match code {
        ErrorCode::DiskFull => Error::Full(text),
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Error::Unavailable(text),
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Error::Corrupt(text),
        ErrorCode::ConstraintViolation => Error::Conflict(text),
        ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::SystemIoFailure => {
            Error::Unavailable(format!(
                "{text} (is the state directory on a healthy disk, and yours?)"
            ))
        }
        _ => Error::Database(text),
    }
}
