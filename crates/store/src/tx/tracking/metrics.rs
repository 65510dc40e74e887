//! How metric points are kept: a series per metric of a run, with its latest point beside it,
//! and the points in the order in which histories are read.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::LazyLock;

use jiff::Timestamp;

use super::runs::RunNumber;
use crate::error::Result;
use crate::tracking::MetricPoint;
use crate::tx::column::{Cols, Column, Row, Value};
use crate::tx::{Tx, params};

/// How many points one statement adds.
const POINTS: usize = 50;
static MANY: LazyLock<String> = LazyLock::new(|| insert_points(POINTS));
static ONE: LazyLock<String> = LazyLock::new(|| insert_points(1));

/// The columns of one series, and then what tells it apart from the others of its metric.
const SERIES: &str = "\"id\", \"last_value\", \"last_nan\", \"last_at\", \"last_step\", \"current\", \
    \"model_id\", \"dataset_name\", \"dataset_digest\"";

/// A value as it is kept: NaN apart, since SQLite has none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Kept {
    pub(super) value: f64,
    pub(super) nan: bool,
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

    pub(super) fn value(self) -> f64 {
        if self.nan { f64::NAN } else { self.value }
    }
}

/// One series and its latest point.
#[derive(Clone)]
struct Series {
    id: i64,
    last: Latest,
    current: bool,
    dirty: bool,
}

/// The latest point of a series.
#[derive(Clone, Copy, PartialEq)]
struct Latest {
    kept: Kept,
    at: Timestamp,
    step: i64,
}

impl Latest {
    fn of(point: &MetricPoint) -> Self {
        Self {
            kept: Kept::of(point.value),
            at: point.at,
            step: point.step,
        }
    }

    /// Whether this one is later: larger step, then time, then value, where NaN counts as 0 as in MLflow.
    fn is_after(&self, other: &Self) -> bool {
        let (new, old) = ((self.step, self.at), (other.step, other.at));
        new > old || (new == old && self.kept.value > other.kept.value)
    }
}

/// What tells two series of a metric apart: logged model, name and digest of the dataset. Nearly all have none of them.
type Labels<'p> = Option<[Cow<'p, str>; 3]>;

fn labels(point: &MetricPoint) -> Labels<'_> {
    let (name, digest) = point
        .dataset
        .as_ref()
        .map_or(("", ""), |(name, digest)| (name.as_str(), digest.as_str()));
    let model = point.model_id.as_deref().unwrap_or_default();
    unless_empty([model.into(), name.into(), digest.into()])
}

fn unless_empty(labels: [Cow<'_, str>; 3]) -> Labels<'_> {
    Some(labels).filter(|labels| labels.iter().any(|label| !label.is_empty()))
}

/// The series of one metric of a run; nearly always one.
struct Metric<'p> {
    series: HashMap<Labels<'p>, Series>,
}

impl Metric<'_> {
    /// Marks the one series that has the latest point of all; of equal ones the eldest.
    fn choose_current(&mut self) {
        let mut latest: Option<&Series> = None;
        for series in self.series.values() {
            let better = latest.is_none_or(|best| {
                series.last.is_after(&best.last)
                    || (!best.last.is_after(&series.last) && series.id < best.id)
            });
            if better {
                latest = Some(series);
            }
        }
        let Some(chosen) = latest.map(|series| series.id) else {
            return;
        };
        for series in self.series.values_mut() {
            let current = series.id == chosen;
            series.dirty |= series.current != current;
            series.current = current;
        }
    }
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
    pub(super) fn add_points(&mut self, run: RunNumber, points: &[MetricPoint]) -> Result<()> {
        let mut known: HashMap<&str, Metric<'_>> = HashMap::new();
        let mut rows = Vec::with_capacity(points.len());
        for point in points {
            let metric = match known.entry(&point.key) {
                Entry::Occupied(found) => found.into_mut(),
                Entry::Vacant(space) => space.insert(self.metric(run, &point.key)?),
            };
            let latest = Latest::of(point);
            let series = match metric.series.get_mut(&labels(point)) {
                Some(series) => series,
                None => {
                    let first = metric.series.is_empty();
                    let made = self.new_series(run, point, latest, first)?;
                    metric.series.entry(labels(point)).or_insert(made)
                }
            };
            if latest.is_after(&series.last) {
                (series.last, series.dirty) = (latest, true);
            }
            rows.push((series.id, latest));
        }
        self.insert_points(rows)?;
        for metric in known.values_mut() {
            metric.choose_current();
            for series in metric.series.values().filter(|series| series.dirty) {
                self.keep_latest(series)?;
            }
        }
        Ok(())
    }

    fn keep_latest(&mut self, series: &Series) -> Result<()> {
        let sql = "UPDATE metric_series SET \"last_value\" = ?2, \"last_nan\" = ?3, \"last_at\" = ?4, \"last_step\" = ?5, \
                   \"current\" = ?6 WHERE \"id\" = ?1";
        let Latest { kept, at, step } = series.last;
        let given = params![series.id, kept.value, kept.nan, at, step, series.current];
        self.execute(sql, given).map(drop)
    }

    /// In the order in which they are kept, so that neighbours are written together.
    fn insert_points(&mut self, mut rows: Vec<(i64, Latest)>) -> Result<()> {
        rows.sort_by(|(a, left), (b, right)| {
            (a, left.at, left.step).cmp(&(b, right.at, right.step))
        });
        let mut values: Vec<Value<'_>> = Vec::with_capacity(5 * rows.len());
        for (series, Latest { kept, at, step }) in rows {
            values.extend([
                Value::Int(series),
                Value::Int(at.as_microsecond()),
                Value::Int(step),
                Value::Real(kept.value),
                Value::Int(i64::from(kept.nan)),
            ]);
        }
        let many = values.chunks_exact(5 * POINTS);
        let rest = many.remainder();
        for chunk in many {
            self.execute(&MANY, chunk)?;
        }
        for row in rest.chunks_exact(5) {
            self.execute(&ONE, row)?;
        }
        Ok(())
    }

    /// What is known of a run's metric.
    fn metric<'p>(&mut self, run: RunNumber, key: &str) -> Result<Metric<'p>> {
        let sql = format!("SELECT {SERIES} FROM metric_series WHERE \"run\" = ?1 AND \"key\" = ?2");
        let found = self.rows(&sql, params![run.number, key], |cols| {
            let series = Series {
                id: cols.get()?,
                last: Latest {
                    kept: Kept {
                        value: cols.get()?,
                        nan: cols.get()?,
                    },
                    at: cols.get()?,
                    step: cols.get()?,
                },
                current: cols.get()?,
                dirty: false,
            };
            let mut label = || Ok::<_, crate::Error>(Cow::Owned(cols.get::<String>()?));
            Ok((unless_empty([label()?, label()?, label()?]), series))
        })?;
        Ok(Metric {
            series: found.into_iter().collect(),
        })
    }

    /// A series that has the point as its latest.
    fn new_series(
        &mut self,
        run: RunNumber,
        point: &MetricPoint,
        last: Latest,
        current: bool,
    ) -> Result<Series> {
        let sql = "INSERT INTO metric_series (\"run\", \"experiment\", \"key\", \"model_id\", \"dataset_name\", \"dataset_digest\", \
                   \"last_value\", \"last_nan\", \"last_at\", \"last_step\", \"current\") \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) RETURNING \"id\"";
        let own = labels(point).unwrap_or_default();
        let [model, name, digest] = own.each_ref().map(|label| &**label);
        let Latest { kept, at, step } = last;
        let given = params![
            run.number,
            run.experiment,
            point.key,
            model,
            name,
            digest,
            kept.value,
            kept.nan,
            at,
            step,
            current
        ];
        let id = self.single(sql, given)?.unwrap_or_default();
        Ok(Series {
            id,
            last,
            current,
            dirty: false,
        })
    }
}
