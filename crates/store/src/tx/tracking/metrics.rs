//! How metric points are kept: a series per metric of a run, with its latest point beside it,
//! and the points in the order in which histories are read.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::error::Result;
use crate::tracking::MetricPoint;
use crate::tx::column::{Cols, Column, Row, Value};
use crate::tx::{Tx, params};

/// How many points one statement adds.
const POINTS: usize = 50;

/// The columns of one series.
const SERIES: &str = "\"id\", \"last_value\", \"last_nan\", \"last_at\", \"last_step\"";

/// A value as it is kept: NaN apart, since SQLite has none.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Kept {
    value: f64,
    nan: bool,
}

impl Kept {
    fn of(value: f64) -> Self {
        if value.is_nan() {
            Self {
                value: 0.0,
                nan: true,
            }
        } else {
            Self { value, nan: false }
        }
    }

    fn value(self) -> f64 {
        if self.nan { f64::NAN } else { self.value }
    }
}

/// One series and its latest point.
struct Series {
    id: i64,
    last: Kept,
    at: Timestamp,
    step: i64,
    dirty: bool,
}

impl Series {
    /// Whether the point comes after the latest: larger step, then time, then value.
    fn is_overtaken_by(&self, kept: Kept, point: &MetricPoint) -> bool {
        let old = (self.step, self.at);
        let new = (point.step, point.at);
        new > old || (new == old && (kept.value > self.last.value || (self.last.nan && !kept.nan)))
    }
}

/// What tells two series of a run apart.
type SeriesKey<'p> = (&'p str, &'p str, &'p str, &'p str);

fn key(point: &MetricPoint) -> SeriesKey<'_> {
    let (name, digest) = point
        .dataset
        .as_ref()
        .map_or(("", ""), |(name, digest)| (name.as_str(), digest.as_str()));
    (
        &point.key,
        point.model_id.as_deref().unwrap_or_default(),
        name,
        digest,
    )
}

/// A point with its labels, as every query of this module selects it.
pub(super) struct PointRow(pub(super) MetricPoint);

/// The columns of [`PointRow`], with the table of the series called `m` and the point's own
/// columns given.
pub(super) fn point_columns(value: &str, nan: &str, at: &str, step: &str) -> String {
    format!(
        "m.\"key\", {value}, {nan}, {at}, {step}, m.\"model_id\", m.\"dataset_name\", m.\"dataset_digest\""
    )
}

impl PointRow {
    pub(super) fn read(cols: &mut Cols<'_>) -> Result<Self> {
        let key = cols.get()?;
        let kept = Kept {
            value: cols.get()?,
            nan: cols.get()?,
        };
        let (at, step) = (cols.get()?, cols.get()?);
        let NotEmpty(model_id) = cols.get()?;
        let (NotEmpty(name), digest) = (cols.get()?, cols.get()?);
        Ok(Self(MetricPoint {
            key,
            value: kept.value(),
            at,
            step,
            model_id,
            dataset: name.map(|name| (name, digest)),
        }))
    }
}

/// A text that is none when it is empty.
struct NotEmpty(Option<String>);

impl Column for NotEmpty {
    fn read(row: &Row<'_>, index: usize) -> Result<Self> {
        let text = String::read(row, index)?;
        Ok(Self(Some(text).filter(|text| !text.is_empty())))
    }
}

fn insert_points(count: usize) -> String {
    let rows: Vec<_> = (0..count)
        .map(|n| format!("({})", super::marks(5 * n + 1, 5)))
        .collect();
    format!(
        "INSERT INTO metric_points (\"series\", \"at\", \"step\", \"value\", \"nan\") VALUES {} ON CONFLICT DO NOTHING",
        rows.join(", ")
    )
}

impl Tx<'_> {
    /// Adds points to a run; those that are there already change nothing.
    pub(super) fn add_points(&mut self, run: i64, points: &[MetricPoint]) -> Result<()> {
        let mut known: HashMap<SeriesKey<'_>, Series> = HashMap::new();
        let mut values: Vec<Value<'_>> = Vec::with_capacity(5 * points.len());
        for point in points {
            let kept = Kept::of(point.value);
            let series = match known.entry(key(point)) {
                std::collections::hash_map::Entry::Occupied(found) => found.into_mut(),
                std::collections::hash_map::Entry::Vacant(space) => {
                    space.insert(self.series(run, point, kept)?)
                }
            };
            if series.is_overtaken_by(kept, point) {
                (series.last, series.at, series.step, series.dirty) =
                    (kept, point.at, point.step, true);
            }
            let Kept { value, nan } = kept;
            values.extend([
                Value::Int(series.id),
                Value::Int(point.at.as_microsecond()),
                Value::Int(point.step),
                Value::Real(value),
                Value::Int(i64::from(nan)),
            ]);
        }
        self.insert_point_rows(&values)?;
        for series in known.values().filter(|series| series.dirty) {
            let sql = "UPDATE metric_series SET \"last_value\" = ?2, \"last_nan\" = ?3, \"last_at\" = ?4, \"last_step\" = ?5 WHERE \"id\" = ?1";
            self.execute(
                sql,
                params![
                    series.id,
                    series.last.value,
                    series.last.nan,
                    series.at,
                    series.step
                ],
            )?;
        }
        Ok(())
    }

    fn insert_point_rows(&mut self, values: &[Value<'_>]) -> Result<()> {
        let many = values.chunks_exact(5 * POINTS);
        let rest = many.remainder();
        if values.len() >= 5 * POINTS {
            let sql = insert_points(POINTS);
            for chunk in many {
                self.execute(&sql, chunk)?;
            }
        }
        let sql = insert_points(1);
        for row in rest.chunks_exact(5) {
            self.execute(&sql, row)?;
        }
        Ok(())
    }

    /// The series that the point belongs to; a new one has the point as its latest.
    fn series(&mut self, run: i64, point: &MetricPoint, kept: Kept) -> Result<Series> {
        let (key, model, name, digest) = key(point);
        let sql = format!(
            "SELECT {SERIES} FROM metric_series WHERE \"run\" = ?1 AND \"key\" = ?2 AND \"model_id\" = ?3 \
             AND \"dataset_name\" = ?4 AND \"dataset_digest\" = ?5"
        );
        let found = self.rows(&sql, params![run, key, model, name, digest], |cols| {
            Ok(Series {
                id: cols.get()?,
                last: Kept {
                    value: cols.get()?,
                    nan: cols.get()?,
                },
                at: cols.get()?,
                step: cols.get()?,
                dirty: false,
            })
        })?;
        if let Some(series) = found.into_iter().next() {
            return Ok(series);
        }
        let sql = "INSERT INTO metric_series (\"run\", \"key\", \"model_id\", \"dataset_name\", \"dataset_digest\", \
                   \"last_value\", \"last_nan\", \"last_at\", \"last_step\") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) RETURNING \"id\"";
        let given = params![
            run, key, model, name, digest, kept.value, kept.nan, point.at, point.step
        ];
        let id = self.single(sql, given)?.unwrap_or_default();
        Ok(Series {
            id,
            last: kept,
            at: point.at,
            step: point.step,
            dirty: false,
        })
    }
}
