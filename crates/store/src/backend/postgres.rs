//! Postgres: a few threads with a connection each; every job is a serialisable transaction,
//! repeated when it collided with another.

use std::collections::HashMap;
use std::thread::park_timeout;
use std::time::Duration;

use postgres::error::SqlState;
use postgres::fallible_iterator::FallibleIterator as _;
use postgres::types::{IsNull, ToSql, Type, private::BytesMut, to_sql_checked};
use postgres::{Client, IsolationLevel, NoTls, Statement, Transaction};

use super::queue::{Queue, Waiting};
use super::{Job, migrate};
use crate::error::{Error, Result};
use crate::store::Priority;
use crate::tx::column::{Row, Value};
use crate::tx::{Dialect, Sql, Tx};

/// A server that stands still (a paused machine) in the middle of a transaction would hold its locks, and with them the
/// lease, for as long as it stands; no transaction of ours waits for anybody in between.
const IDLE: &str = "SET idle_in_transaction_session_timeout = '5s'";

/// How often a transaction that collided is tried again.
const ATTEMPTS: u32 = 60;
/// Writers go on side by side,
const TOGETHER: &str = "LOCK TABLE mainspan_schema IN ROW SHARE MODE";
/// or one waits for those that are writing, and keeps others waiting.
const ALONE: &str = "LOCK TABLE mainspan_schema IN EXCLUSIVE MODE";
/// How many prepared statements a connection keeps.
const STATEMENTS: usize = 512;

/// A connection that heals itself.
pub(crate) struct Postgres {
    url: String,
    open: Option<(Client, Statements)>,
}

type Statements = HashMap<String, Statement>;

impl Postgres {
    /// Connects.
    pub(crate) fn connect(url: &str) -> Result<Self> {
        let mut own = Self {
            url: url.to_owned(),
            open: None,
        };
        own.client()?;
        Ok(own)
    }

    /// Brings the schema up to date.
    pub(crate) fn migrate(&mut self) -> Result<()> {
        self.migrate_to(migrate::newest())
    }

    /// Brings the schema up to a version.
    pub(crate) fn migrate_to(&mut self, wanted: u32) -> Result<()> {
        let (client, statements) = self.client()?;
        let mut transaction = client.transaction().map_err(|e| failed(&e))?;
        migrate::migrate_to(&mut PostgresSql::new(&mut transaction, statements), wanted)?;
        transaction.commit().map_err(|e| failed(&e))
    }

    fn client(&mut self) -> Result<&mut (Client, Statements)> {
        if self
            .open
            .as_ref()
            .is_some_and(|(client, _)| client.is_closed())
        {
            self.open = None;
        }
        if self.open.is_none() {
            let mut client = Client::connect(&self.url, NoTls).map_err(|e| failed(&e))?;
            client.batch_execute(IDLE).map_err(|e| failed(&e))?;
            self.open = Some((client, Statements::new()));
        }
        self.open
            .as_mut()
            .ok_or(Error::Stopped("there is no connection"))
    }

    /// A writer thread: works until the queue is closed.
    pub(crate) fn write_all(&mut self, queue: &Queue, committed: &dyn Fn()) {
        while let Some(Waiting {
            mut job, priority, ..
        }) = queue.wait()
        {
            let outcome = self.write_one(job.as_mut(), priority);
            if matches!(outcome, Ok(true)) {
                committed();
            }
            job.finish(outcome.as_ref().err());
        }
    }

    /// What collided twice is written alone, with no other writer of any server beside it, rather than left to luck: where many
    /// write to one row, each would undo the others again and again.
    fn write_one(&mut self, job: &mut dyn Job, priority: Priority) -> Result<bool> {
        for attempt in 0..ATTEMPTS {
            match self.try_write(job, priority, attempt >= 2)? {
                Attempt::Done(noted) => return Ok(noted),
                Attempt::Collided => park_timeout(Duration::from_millis(1 << attempt.min(3))),
            }
        }
        Err(Error::Unavailable(
            "other writers were always faster: try again".to_owned(),
        ))
    }

    fn try_write(&mut self, job: &mut dyn Job, priority: Priority, alone: bool) -> Result<Attempt> {
        let (client, statements) = self.client()?;
        let begun = client
            .build_transaction()
            .isolation_level(IsolationLevel::Serializable)
            .start();
        let mut transaction = begun.map_err(|e| failed(&e))?;
        let mut sql = PostgresSql::new(&mut transaction, statements);
        let done = sql.work(job, priority, alone);
        if sql.collided {
            return Ok(Attempt::Collided);
        }
        let (keep, noted) = done?;
        if !keep {
            return Ok(Attempt::Done(false));
        }
        match transaction.commit() {
            Ok(()) => Ok(Attempt::Done(noted)),
            Err(error) if collided(&error) => Ok(Attempt::Collided),
            Err(error) => Err(failed(&error)),
        }
    }

    /// A reader thread: works until the queue is closed.
    pub(crate) fn read_all(&mut self, queue: &Queue) {
        while let Some(Waiting { mut job, .. }) = queue.wait() {
            let outcome = self.read_one(job.as_mut());
            job.finish(outcome.as_ref().err());
        }
    }

    fn read_one(&mut self, job: &mut dyn Job) -> Result<()> {
        let (client, statements) = self.client()?;
        let begun = client
            .build_transaction()
            .isolation_level(IsolationLevel::RepeatableRead)
            .read_only(true)
            .start();
        let mut transaction = begun.map_err(|e| failed(&e))?;
        job.run(&mut Tx::new(&mut PostgresSql::new(
            &mut transaction,
            statements,
        )));
        transaction.commit().map_err(|e| failed(&e))
    }

    /// The thread that hears of the commits of other servers, until `stop` says so.
    pub(crate) fn listen(&mut self, stop: &dyn Fn() -> bool, committed: &dyn Fn()) {
        let period = Duration::from_millis(250);
        while !stop() {
            let heard = self.client().and_then(|(client, _)| {
                client
                    .batch_execute("LISTEN mainspan_changes")
                    .map_err(|e| failed(&e))?;
                loop {
                    let one = client
                        .notifications()
                        .timeout_iter(period)
                        .next()
                        .map_err(|e| failed(&e))?;
                    if stop() {
                        return Ok(());
                    }
                    if one.is_some() {
                        committed();
                    } else if client.is_closed() {
                        return Ok(());
                    }
                }
            });
            if let Err(error) = heard {
                tracing::warn!(%error, "cannot hear of other servers' changes");
                park_timeout(period);
            }
        }
    }
}

enum Attempt {
    /// Committed or given up by the job; says whether reconcilers should know.
    Done(bool),
    /// Undone by the database; may be tried again.
    Collided,
}

/// The statements of one transaction.
struct PostgresSql<'a, 't> {
    transaction: &'a mut Transaction<'t>,
    statements: &'a mut Statements,
    changed: u64,
    collided: bool,
}

impl<'a, 't> PostgresSql<'a, 't> {
    fn new(transaction: &'a mut Transaction<'t>, statements: &'a mut Statements) -> Self {
        Self {
            transaction,
            statements,
            changed: 0,
            collided: false,
        }
    }

    /// Runs the job; says whether what it wrote may stay, and whether reconcilers should know.
    fn work(&mut self, job: &mut dyn Job, priority: Priority, alone: bool) -> Result<(bool, bool)> {
        // To lock a table is the one thing that can be waited for before the transaction sees a state of the data.
        self.batch(if alone { ALONE } else { TOGETHER })?;
        let keep = job.run(&mut Tx::new(self));
        let noted = keep && self.changed > 0 && priority.wakes();
        if noted && !self.collided {
            self.batch("NOTIFY mainspan_changes")?;
        }
        Ok((keep, noted))
    }

    fn failed(&mut self, error: &postgres::Error) -> Error {
        self.collided |= collided(error);
        failed(error)
    }

    fn prepared(&mut self, sql: &str) -> Result<Statement> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        // Placeholders are the only question marks in our statements.
        let statement = self
            .transaction
            .prepare(&sql.replace('?', "$"))
            .map_err(|e| self.failed(&e))?;
        if self.statements.len() >= STATEMENTS {
            self.statements.clear();
        }
        self.statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }
}

impl Sql for PostgresSql<'_, '_> {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    fn execute(&mut self, sql: &str, params: &[Value<'_>]) -> Result<u64> {
        let statement = self.prepared(sql)?;
        let bound: Vec<&(dyn ToSql + Sync)> = params
            .iter()
            .map(|value| value as &(dyn ToSql + Sync))
            .collect();
        let changed = self
            .transaction
            .execute(&statement, &bound)
            .map_err(|e| self.failed(&e))?;
        self.changed += changed;
        Ok(changed)
    }

    fn query(
        &mut self,
        sql: &str,
        params: &[Value<'_>],
        each: &mut dyn FnMut(&Row<'_>) -> Result<()>,
    ) -> Result<()> {
        let statement = self.prepared(sql)?;
        let bound: Vec<&(dyn ToSql + Sync)> = params
            .iter()
            .map(|value| value as &(dyn ToSql + Sync))
            .collect();
        let rows = self
            .transaction
            .query(&statement, &bound)
            .map_err(|e| self.failed(&e))?;
        // A query that writes (RETURNING) counts as a change.
        self.changed += u64::from(!sql.starts_with("SELECT"));
        rows.iter().try_for_each(|row| each(&Row::Postgres(row)))
    }

    fn wake_nobody(&mut self) {
        self.changed = 0;
    }

    fn batch(&mut self, sql: &str) -> Result<()> {
        self.transaction
            .batch_execute(sql)
            .map_err(|e| self.failed(&e))
    }
}

impl ToSql for Value<'_> {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> std::result::Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Int(value) if *ty == Type::INT4 => i32::try_from(*value)?.to_sql(ty, out),
            Self::Int(value) if *ty == Type::FLOAT8 => (*value as f64).to_sql(ty, out),
            Self::Int(value) => value.to_sql(ty, out),
            Self::Real(value) => value.to_sql(ty, out),
            Self::Text(text) => text.as_ref().to_sql(ty, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

fn collided(error: &postgres::Error) -> bool {
    matches!(error.code(), Some(code) if *code == SqlState::T_R_SERIALIZATION_FAILURE || *code == SqlState::T_R_DEADLOCK_DETECTED)
}

/// What the driver's error means for the caller.
fn failed(error: &postgres::Error) -> Error {
    let Some(db) = error.as_db_error() else {
        return Error::Unavailable(format!(
            "{error}: is Postgres running, and the --store address right?"
        ));
    };
    let text = db.message().to_owned();
    match db.code() {
        code if *code == SqlState::DISK_FULL => Error::Full(text),
        code if *code == SqlState::CHARACTER_NOT_IN_REPERTOIRE => {
            Error::Invalid("a text with a NUL character cannot be stored".to_owned())
        }
        code if *code == SqlState::UNIQUE_VIOLATION || *code == SqlState::FOREIGN_KEY_VIOLATION => {
            Error::Conflict(text)
        }
        code if collided(error)
            || code.code().starts_with("57")
            || code.code().starts_with("08")
            || code.code().starts_with("28")
            || code.code().starts_with("3D") =>
        {
            Error::Unavailable(text)
        }
        _ => Error::Database(text),
    }
}
