//! Histories of metrics, in pages that start after a point rather than at an offset: the last page of a long one costs what
//! the first does, and points that come meanwhile shift nothing.

use std::collections::HashMap;

use jiff::Timestamp;

use super::metrics::Kept;
use crate::error::{Error, Result};
use crate::search::{Cursor, Page};
use crate::tracking::MetricPoint;
use crate::tx::column::{Cols, Param as _, Value};
use crate::tx::compare::Kind;
use crate::tx::keyset;
use crate::tx::{Tx, params};

/// How many series one statement reads; their rows come sorted, and are merged as they are read.
const TOGETHER: usize = 100;
/// What a cursor holds: run and metric, and the point behind which it goes on.
const CURSOR: [Kind; 6] = [
    Kind::Text,
    Kind::Text,
    Kind::Time,
    Kind::Integer,
    Kind::Real,
    Kind::Integer,
];

/// What sorts points, and all that tells two points of a run's metric apart.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Place {
    at: Timestamp,
    step: i64,
    kept: Kept,
}

/// A point of a series.
struct Row {
    place: Place,
    series: i64,
}

impl Row {
    fn read(cols: &mut Cols<'_>) -> Result<Self> {
        Ok(Row {
            place: Place {
                at: cols.get()?,
                step: cols.get()?,
                kept: Kept {
                    value: cols.get()?,
                    nan: cols.get()?,
                },
            },
            series: cols.get()?,
        })
    }
}

impl Place {
    fn values(self) -> [Value<'static>; 4] {
        [
            Value::Int(self.at.as_microsecond()),
            Value::Int(self.step),
            Value::Real(self.kept.value),
            Value::Int(i64::from(self.kept.nan)),
        ]
    }

    fn cursor(self, run: &str, key: &str) -> Cursor {
        let mut values = vec![run.value(), key.value()];
        values.extend(self.values());
        keyset::encode(&values)
    }

    /// The place in a cursor of this run's metric.
    fn of(cursor: &Cursor, run: &str, key: &str) -> Result<Self> {
        let values = keyset::decode(cursor, &CURSOR)?;
        let place = match values.as_slice() {
            [
                of_run,
                of_key,
                Value::Int(at),
                Value::Int(step),
                Value::Real(value),
                Value::Int(nan),
            ] if *of_run == run.value() && *of_key == key.value() && !value.is_nan() => {
                Timestamp::from_microsecond(*at).ok().map(|at| Place {
                    at,
                    step: *step,
                    kept: Kept {
                        value: *value,
                        nan: *nan != 0,
                    },
                })
            }
            _ => None,
        };
        place.ok_or_else(|| Error::Invalid(keyset::OTHER.to_owned()))
    }
}

/// What a series was measured on.
struct Label {
    model_id: Option<String>,
    dataset: Option<(String, String)>,
}

impl Tx<'_> {
    /// See [`metric_history`](crate::TrackingRead::metric_history).
    pub(super) fn history(
        &mut self,
        run_id: &str,
        key: &str,
        after: Option<&Cursor>,
        limit: u32,
    ) -> Result<Page<MetricPoint>> {
        let mut after = after
            .map(|cursor| Place::of(cursor, run_id, key))
            .transpose()?;
        let labels = self.labels(run_id, key)?;
        let mut series: Vec<i64> = labels.keys().copied().collect();
        series.sort_unstable();
        let mut rows: Vec<Row> = Vec::new();
        // One row more tells whether there is another page.
        let wanted = limit as usize + 1;
        while rows.len() < wanted {
            let missing = wanted - rows.len();
            let some = self.rows_behind(&series, after, missing)?;
            let all = some.len() < missing;
            after = some.last().map(|row| row.place);
            rows.extend(some);
            // A point that was measured on several models or datasets is one point of the run.
            rows.dedup_by(|a, b| a.place == b.place);
            if all {
                break;
            }
        }
        let more = rows.len() == wanted;
        rows.truncate(limit as usize);
        let last = rows.last().filter(|_| more);
        Ok(Page {
            next: last.map(|row| row.place.cursor(run_id, key)),
            items: rows
                .iter()
                .map(|row| point(key, row, &labels[&row.series]))
                .collect(),
        })
    }

    /// The series of a run's metric by their numbers.
    fn labels(&mut self, run_id: &str, key: &str) -> Result<HashMap<i64, Label>> {
        let run = self.tracked(run_id)?;
        let sql = "SELECT \"id\", \"model_id\", \"dataset_name\", \"dataset_digest\" FROM metric_series \
                   WHERE \"run\" = ?1 AND \"key\" = ?2";
        let found = self.rows(sql, params![run, key], |cols| {
            let id = cols.get()?;
            let (model, name, digest): (String, String, String) =
                (cols.get()?, cols.get()?, cols.get()?);
            let label = Label {
                model_id: Some(model).filter(|model| !model.is_empty()),
                dataset: (!name.is_empty()).then_some((name, digest)),
            };
            Ok((id, label))
        })?;
        Ok(found.into_iter().collect())
    }

    /// The first rows of these series behind a place, in order; of equal ones that of the eldest series comes first.
    fn rows_behind(
        &mut self,
        series: &[i64],
        after: Option<Place>,
        most: usize,
    ) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        for some in series.chunks(TOGETHER) {
            let mut given = vec![Value::Int(i64::try_from(most).unwrap_or(i64::MAX))];
            given.extend(after.into_iter().flat_map(Place::values));
            let first = given.len() + 1;
            given.extend(some.iter().map(|id| Value::Int(*id)));
            rows.extend(self.rows(
                &statement(first, some.len(), after.is_some()),
                &given,
                Row::read,
            )?);
        }
        if series.len() > TOGETHER {
            rows.sort_by(|a, b| {
                let ((a, of_a), (b, of_b)) = ((a.place, a.series), (b.place, b.series));
                let values = a.kept.value.partial_cmp(&b.kept.value);
                (a.at, a.step)
                    .cmp(&(b.at, b.step))
                    .then(values.unwrap_or(std::cmp::Ordering::Equal))
                    .then((a.kept.nan, of_a).cmp(&(b.kept.nan, of_b)))
            });
            rows.truncate(most);
        }
        Ok(rows)
    }
}

/// Reads so many series, the first of which has this mark. Each is read along its key, so that nothing is sorted.
fn statement(first: usize, series: usize, behind: bool) -> String {
    let behind = if behind {
        " AND (p.\"at\", p.\"step\", p.\"value\", p.\"nan\") > (?2, ?3, ?4, ?5)"
    } else {
        ""
    };
    let one = |mark: usize| {
        format!(
            "SELECT p.\"at\", p.\"step\", p.\"value\", p.\"nan\", p.\"series\" FROM metric_points p \
             WHERE p.\"series\" = ?{mark}{behind}"
        )
    };
    let all: Vec<_> = (first..first + series).map(one).collect();
    format!(
        "{} ORDER BY 1, 2, 3, 4, 5 LIMIT ?1",
        all.join(" UNION ALL ")
    )
}

fn point(key: &str, row: &Row, label: &Label) -> MetricPoint {
    MetricPoint {
        key: key.to_owned(),
        value: row.place.kept.value(),
        at: row.place.at,
        step: row.place.step,
        model_id: label.model_id.clone(),
        dataset: label.dataset.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A page is read along the key from where it begins, however many points are before it.
    #[test]
    fn nothing_is_skipped_or_sorted() {
        let database = rusqlite::Connection::open_in_memory().unwrap();
        let table = "CREATE TABLE metric_points (\"series\" BIGINT NOT NULL, \"step\" BIGINT NOT NULL, \"at\" BIGINT NOT NULL, \
                     \"value\" DOUBLE PRECISION NOT NULL, \"nan\" BIGINT NOT NULL, \
                     PRIMARY KEY (\"series\", \"at\", \"step\", \"value\", \"nan\")) WITHOUT ROWID";
        database.execute(table, []).unwrap();
        for series in [1, 2, 5, TOGETHER] {
            let sql = format!("EXPLAIN QUERY PLAN {}", statement(6, series, true));
            let mut plan = database.prepare(&sql).unwrap();
            let given = vec![1; 5 + series];
            let steps = plan.query_map(rusqlite::params_from_iter(given), |row| {
                row.get::<_, String>(3)
            });
            let steps: Vec<_> = steps.unwrap().flatten().collect();
            let along = "SEARCH p USING PRIMARY KEY (series=? AND (at,step,value,nan)>(?,?,?,?))";
            let walked = steps.iter().filter(|step| *step == along).count();
            assert_eq!(walked, series, "{steps:?}");
            assert!(
                !steps.iter().any(|step| step.contains("B-TREE")),
                "{steps:?}"
            );
        }
    }
}
