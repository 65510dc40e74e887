//! [`JoinLog`] in SQL. The statements are short and cached: thousands of rows come each second.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value as Json;

use super::column::{Cols, Param, Value};
use super::filter::Filter;
use super::{Tx, params};
use crate::error::Result;
use crate::joinlog::{JoinCounts, JoinLog, Joined, Label, Loss, LossFilter, Prediction};

const ADD_PREDICTION: &str = "INSERT INTO predictions (\"route\", \"request_id\", \"version\", \"y\", \"event_at\", \"arrived_at\") \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING";
const FIND_PREDICTION: &str = "SELECT \"request_id\", \"version\", \"y\", \"event_at\", \"arrived_at\", \"joined_at\" \
     FROM predictions WHERE \"route\" = ?1 AND \"request_id\" = ?2";
const MARK_JOINED: &str =
    "UPDATE predictions SET \"joined_at\" = ?3 WHERE \"route\" = ?1 AND \"request_id\" = ?2";
const ADD_LABEL: &str = "INSERT INTO labels (\"route\", \"request_id\", \"label\", \"event_at\", \"arrived_at\", \"within\") \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING";
const FIND_LABEL: &str = "SELECT \"request_id\", \"label\", \"event_at\", \"arrived_at\", \"within\" \
     FROM labels WHERE \"route\" = ?1 AND \"request_id\" = ?2";
const DROP_LABEL: &str = "DELETE FROM labels WHERE \"route\" = ?1 AND \"request_id\" = ?2";
const ADD_LOSS: &str = "INSERT INTO losses (\"route\", \"request_id\", \"version\", \"event_at\", \"predicted_at\", \
     \"labelled_at\", \"prediction\", \"label\") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
const EXPIRE: [&str; 2] = [
    "DELETE FROM predictions WHERE (\"route\", \"request_id\") IN \
     (SELECT \"route\", \"request_id\" FROM predictions WHERE \"route\" = ?1 AND \"arrived_at\" < ?2 LIMIT 5000)",
    "DELETE FROM labels WHERE (\"route\", \"request_id\") IN \
     (SELECT \"route\", \"request_id\" FROM labels WHERE \"route\" = ?1 AND \"arrived_at\" < ?2 LIMIT 5000)",
];
const EXPIRE_LOSSES: &str = "DELETE FROM losses WHERE \"seq\" IN \
     (SELECT \"seq\" FROM losses WHERE \"route\" = ?1 AND \"labelled_at\" < ?2 LIMIT 5000)";

/// A prediction and, when it has its label, when that came.
type Found = (Prediction, Option<Timestamp>);

fn read_prediction(cols: &mut Cols<'_>) -> Result<Found> {
    let prediction = Prediction {
        request_id: cols.get()?,
        version: cols.get()?,
        y: number(cols)?,
        event_at: cols.get()?,
        arrived_at: cols.get()?,
    };
    Ok((prediction, cols.get()?))
}

fn read_label(cols: &mut Cols<'_>) -> Result<(Label, i64)> {
    let label = Label {
        request_id: cols.get()?,
        label: number(cols)?,
        event_at: cols.get()?,
        arrived_at: cols.get()?,
    };
    Ok((label, cols.get()?))
}

/// NaN is kept as NULL.
fn number(cols: &mut Cols<'_>) -> Result<f64> {
    Ok(cols.get::<Option<f64>>()?.unwrap_or(f64::NAN))
}

fn micros(within: SignedDuration) -> i64 {
    i64::try_from(within.as_micros()).unwrap_or(i64::MAX)
}

impl Tx<'_> {
    fn route(&mut self, name: &str) -> Result<Option<i64>> {
        self.single(
            "SELECT \"id\" FROM join_routes WHERE \"name\" = ?1",
            params![name],
        )
    }

    fn route_or_new(&mut self, name: &str) -> Result<i64> {
        if let Some(id) = self.route(name)? {
            return Ok(id);
        }
        let sql = "INSERT INTO join_routes (\"name\", \"repeated\", \"late\") VALUES (?1, 0, 0) RETURNING \"id\"";
        Ok(self.single(sql, params![name])?.unwrap_or_default())
    }

    /// Makes a loss of the two, unless the label came too late.
    fn join(
        &mut self,
        route: i64,
        prediction: &Prediction,
        label: &Label,
        within: i64,
        done: &mut Joined,
    ) -> Result<()> {
        let waited = label.arrived_at.as_microsecond() - prediction.arrived_at.as_microsecond();
        if waited > within {
            done.late += 1;
            return Ok(());
        }
        let Prediction {
            request_id,
            version,
            y,
            event_at,
            arrived_at,
        } = prediction;
        let event_at = label.event_at.unwrap_or(*event_at);
        self.execute(
            ADD_LOSS,
            params![
                route,
                request_id,
                version,
                event_at,
                arrived_at,
                label.arrived_at,
                y,
                label.label
            ],
        )?;
        self.execute(MARK_JOINED, params![route, request_id, label.arrived_at])?;
        done.joined += 1;
        Ok(())
    }

    /// Adds to the counters of the route what will not be seen in any table. Labels alone count:
    /// a prediction that comes again is a client's retry.
    fn count_ignored(&mut self, route: i64, repeated: u64, late: u64) -> Result<()> {
        if repeated + late == 0 {
            return Ok(());
        }
        let sql = "UPDATE join_routes SET \"repeated\" = \"repeated\" + ?2, \"late\" = \"late\" + ?3 WHERE \"id\" = ?1";
        self.execute(sql, params![route, repeated, late]).map(drop)
    }

    fn count(&mut self, sql: &str, route: i64) -> Result<u64> {
        Ok(self.single(sql, params![route])?.unwrap_or_default())
    }
}

const LOSS: &str = "\"seq\", \"request_id\", \"version\", \"event_at\", \"predicted_at\", \"labelled_at\", \"prediction\", \"label\"";

fn loss(cols: &mut Cols<'_>) -> Result<Loss> {
    Ok(Loss {
        seq: cols.get()?,
        request_id: cols.get()?,
        version: cols.get()?,
        event_at: cols.get()?,
        predicted_at: cols.get()?,
        labelled_at: cols.get()?,
        prediction: number(cols)?,
        label: number(cols)?,
    })
}

impl JoinLog for Tx<'_> {
    fn add_predictions(&mut self, route: &str, predictions: &[Prediction]) -> Result<Joined> {
        let route = self.route_or_new(route)?;
        // Labels rarely come first; when none waits, none has to be looked for.
        let early = self
            .single::<i64>(
                "SELECT 1 FROM labels WHERE \"route\" = ?1 LIMIT 1",
                params![route],
            )?
            .is_some();
        let mut done = Joined::default();
        for prediction in predictions {
            let Prediction {
                request_id,
                version,
                y,
                event_at,
                arrived_at,
            } = prediction;
            if self.execute(
                ADD_PREDICTION,
                params![route, request_id, version, y, event_at, arrived_at],
            )? == 0
            {
                done.repeated += 1;
                continue;
            }
            let label = if early {
                self.rows(FIND_LABEL, params![route, request_id], read_label)?
                    .pop()
            } else {
                None
            };
            match label {
                None => done.waiting += 1,
                Some((label, within)) => {
                    self.execute(DROP_LABEL, params![route, request_id])?;
                    self.join(route, prediction, &label, within, &mut done)?;
                }
            }
        }
        self.count_ignored(route, 0, done.late)?;
        Ok(done)
    }

    fn add_labels(
        &mut self,
        route: &str,
        labels: &[Label],
        within: SignedDuration,
    ) -> Result<Joined> {
        let route = self.route_or_new(route)?;
        let within = micros(within);
        let mut done = Joined::default();
        for label in labels {
            let Label {
                request_id,
                label: truth,
                event_at,
                arrived_at,
            } = label;
            match self
                .rows(FIND_PREDICTION, params![route, request_id], read_prediction)?
                .pop()
            {
                Some((_, Some(_))) => done.repeated += 1,
                Some((prediction, None)) => {
                    self.join(route, &prediction, label, within, &mut done)?;
                }
                None => match self.execute(
                    ADD_LABEL,
                    params![route, request_id, truth, event_at, arrived_at, within],
                )? {
                    0 => done.repeated += 1,
                    _ => done.waiting += 1,
                },
            }
        }
        self.count_ignored(route, done.repeated, done.late)?;
        Ok(done)
    }

    fn losses(&mut self, route: &str, filter: &LossFilter) -> Result<Vec<Loss>> {
        let Some(route) = self.route(route)? else {
            return Ok(Vec::new());
        };
        let mut wanted = Filter::default();
        wanted
            .and("\"route\" = ?", Value::Int(route))
            .and("\"seq\" > ?", filter.after.value())
            .some("\"version\" = ?", filter.version.as_ref())
            .some("\"event_at\" >= ?", filter.since.as_ref())
            .some("\"predicted_at\" >= ?", filter.predicted_since.as_ref());
        let (rest, values) = wanted.finish("\"seq\"", filter.limit, 10_000);
        self.rows(&format!("SELECT {LOSS} FROM losses {rest}"), &values, loss)
    }

    fn newest_losses(
        &mut self,
        route: &str,
        version: Option<u32>,
        limit: u32,
    ) -> Result<Vec<Loss>> {
        let Some(route) = self.route(route)? else {
            return Ok(Vec::new());
        };
        let mut wanted = Filter::default();
        wanted
            .and("\"route\" = ?", Value::Int(route))
            .some("\"version\" = ?", version.as_ref());
        let (rest, values) = wanted.finish("\"seq\" DESC", limit, 10_000);
        self.rows(&format!("SELECT {LOSS} FROM losses {rest}"), &values, loss)
    }

    fn join_counts(&mut self, route: &str) -> Result<JoinCounts> {
        let Some(id) = self.route(route)? else {
            return Ok(JoinCounts::default());
        };
        Ok(JoinCounts {
            waiting_predictions: self.count(
                "SELECT COUNT(*) FROM predictions WHERE \"route\" = ?1 AND \"joined_at\" IS NULL",
                id,
            )?,
            waiting_labels: self.count("SELECT COUNT(*) FROM labels WHERE \"route\" = ?1", id)?,
            losses: self.count("SELECT COUNT(*) FROM losses WHERE \"route\" = ?1", id)?,
            repeated: self.count("SELECT \"repeated\" FROM join_routes WHERE \"id\" = ?1", id)?,
            late: self.count("SELECT \"late\" FROM join_routes WHERE \"id\" = ?1", id)?,
        })
    }

    fn expire_joins(
        &mut self,
        route: &str,
        before: Timestamp,
        losses_before: Option<Timestamp>,
    ) -> Result<u64> {
        let Some(route) = self.route(route)? else {
            return Ok(0);
        };
        let mut gone = 0;
        for sql in EXPIRE {
            gone += self.execute(sql, params![route, before])?;
        }
        if let Some(before) = losses_before {
            gone += self.execute(EXPIRE_LOSSES, params![route, before])?;
        }
        Ok(gone)
    }

    fn join_routes(&mut self) -> Result<Vec<String>> {
        self.rows(
            "SELECT \"name\" FROM join_routes ORDER BY \"name\"",
            &[],
            super::only,
        )
    }

    fn offset(&mut self, reader: &str) -> Result<Option<Json>> {
        self.single(
            "SELECT \"position\" FROM log_offsets WHERE \"reader\" = ?1",
            params![reader],
        )
    }

    fn set_offset(&mut self, reader: &str, offset: &Json) -> Result<()> {
        let sql = "INSERT INTO log_offsets (\"reader\", \"position\") VALUES (?1, ?2) \
                   ON CONFLICT (\"reader\") DO UPDATE SET \"position\" = excluded.\"position\"";
        self.execute(sql, params![reader, offset]).map(drop)
    }
}
