//! [`Events`] in SQL.

use super::column::{Cols, Param};
use super::filter::{Filter, starts_with};
use super::{Dialect, Tx, params};
use crate::error::Result;
use crate::events::{Event, EventFilter, Events, NewEvent};

const COLUMNS: &str = "\"seq\", \"project\", \"at\", \"actor\", \"kind\", \"subject\", \"reason\", \"before\", \"after\"";

fn read(cols: &mut Cols<'_>) -> Result<Event> {
    Ok(Event {
        seq: cols.get()?,
        event: NewEvent {
            project: cols.get()?,
            at: cols.get()?,
            actor: cols.get()?,
            kind: cols.get()?,
            subject: cols.get()?,
            reason: cols.get()?,
            before: cols.get()?,
            after: cols.get()?,
        },
    })
}

impl Events for Tx<'_> {
    fn append_event(&mut self, event: &NewEvent) -> Result<u64> {
        if self.dialect() == Dialect::Postgres {
            // Numbers must become visible in their order, or who follows them would miss some.
            self.execute("SELECT pg_advisory_xact_lock(7070, 2)", &[])?;
        }
        let sql = "INSERT INTO events (\"project\", \"at\", \"actor\", \"kind\", \"subject\", \"reason\", \"before\", \"after\") \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) RETURNING \"seq\"";
        let NewEvent {
            project,
            at,
            actor,
            kind,
            subject,
            reason,
            before,
            after,
        } = event;
        let seq = self.single(
            sql,
            params![project, at, actor, kind, subject, reason, before, after],
        )?;
        Ok(seq.unwrap_or_default())
    }

    fn events(&mut self, filter: &EventFilter) -> Result<Vec<Event>> {
        let kinds = filter.kind.as_deref().map(|kind| {
            if kind.ends_with('.') {
                starts_with(kind)
            } else {
                kind.to_owned()
            }
        });
        let subjects = filter.subject_prefix.as_deref().map(starts_with);
        let mut wanted = Filter::default();
        wanted.some("\"project\" = ?", filter.project.as_ref());
        match filter.kind.as_deref() {
            Some(kind) if kind.ends_with('.') => {
                wanted.some("\"kind\" LIKE ? ESCAPE '!'", kinds.as_ref())
            }
            _ => wanted.some("\"kind\" = ?", kinds.as_ref()),
        };
        // SQLite makes no range of a pattern that it does not know yet; Postgres has orders of its own.
        let bounds = filter
            .subject_prefix
            .as_ref()
            .map(|prefix| (prefix, format!("{prefix}\u{10ffff}")));
        if let (Some((first, last)), Dialect::Sqlite) = (&bounds, self.dialect()) {
            wanted.some("\"subject\" >= ?", Some(first));
            wanted.some("\"subject\" < ?", Some(last));
        }
        wanted.some("\"subject\" LIKE ? ESCAPE '!'", subjects.as_ref());
        wanted.some("\"seq\" > ?", filter.after.as_ref());
        wanted.some("\"seq\" < ?", filter.before.as_ref());
        let order = if filter.oldest_first {
            "\"seq\""
        } else {
            "\"seq\" DESC"
        };
        let (rest, values) = wanted.finish(order, filter.limit, 100);
        self.rows(
            &format!("SELECT {COLUMNS} FROM events {rest}"),
            &values,
            read,
        )
    }

    fn event(&mut self, seq: u64) -> Result<Option<Event>> {
        let sql = format!("SELECT {COLUMNS} FROM events WHERE \"seq\" = ?1");
        Ok(self.rows(&sql, &[seq.value()], read)?.pop())
    }

    fn last_event(&mut self) -> Result<u64> {
        Ok(self
            .single("SELECT COALESCE(MAX(\"seq\"), 0) FROM events", &[])?
            .unwrap_or_default())
    }
}
