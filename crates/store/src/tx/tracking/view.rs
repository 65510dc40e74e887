//! [`TrackingRead`] in SQL: whole runs, one or a page of them, and metric histories.

use std::collections::{BTreeMap, HashMap};

use super::metrics::{PointRow, point_columns};
use super::runs::RunRow;
use super::{IDS, filled, marks, seen};
use crate::error::Result;
use crate::gate::Thing;
use crate::search::{Clause, Cursor, Field, Op, Operand, Page, Search};
use crate::tracking::{
    Input, MetricPoint, Output, RunHead, RunView, TrackedRun, TrackingRead, UsedDataset,
};
use crate::tx::column::{Cols, Value};
use crate::tx::compare::{Kind, sign};
use crate::tx::search::{Any, Expr, Searchable, Segment, Writer};
use crate::tx::{Tx, params};

/// The longest value, in characters, by which the index of labels finds one.
const INDEXED: usize = 250;
/// Whatever was logged.
const ALL: &str = "1 = 1";
/// The series that has the latest value of a run's metric.
const LATEST: &str = "m.\"current\" = 1";

impl Searchable for RunRow {
    const TIES: &'static [(&'static str, Kind, bool)] = &[
        ("start_time", Kind::Time, true),
        ("run_id", Kind::Text, false),
    ];

    fn expr(field: &Field) -> Option<Expr> {
        match field {
            Field::Attribute(name) => attribute(name),
            Field::Metric(key) => {
                let of = |column: &str| {
                    format!(
                        "(SELECT {column} FROM metric_series m WHERE m.\"run\" = r.\"number\" AND m.\"key\" = ? AND {LATEST})"
                    )
                };
                let value = of("CASE WHEN m.\"last_nan\" = 1 THEN NULL ELSE m.\"last_value\" END");
                Some(Expr {
                    nan: Some(of("m.\"last_nan\"")),
                    ..Expr::keyed(&value, key, Kind::Real)
                })
            }
            Field::Param(key) => Some(Expr::keyed(&labelled("run_params"), key, Kind::Text)),
            Field::Tag(key) => Some(Expr::keyed(&labelled("run_tags"), key, Kind::Text)),
            Field::Dataset(name) => match name.as_str() {
                "name" => Some(dataset("i.\"name\"")),
                "digest" => Some(dataset("i.\"digest\"")),
                "context" => Some(dataset("NULLIF(i.\"context\", '')")),
                _ => None,
            },
            Field::Measured(_) => None,
        }
    }

    const KEY_COLUMN: &'static str = "number";

    fn rare(writer: &mut Writer, clause: &Clause, owners: &[Value<'static>]) -> Option<String> {
        match (&clause.field, clause.op, &clause.operand) {
            (Field::Param(key), Op::Eq, Operand::Text(text)) => {
                labels_with(writer, "run_params", key, text)
            }
            (Field::Tag(key), Op::Eq, Operand::Text(text)) if !key.starts_with("mlflow.") => {
                let found = labels_with(writer, "run_tags", key, text)?;
                Some(format!("{found} AND substr(t.\"key\", 1, 7) <> 'mlflow.'"))
            }
            (Field::Metric(key), op, Operand::Number(number)) if op != Op::Ne => {
                let sign = sign(op)?;
                let owners: Vec<String> = owners
                    .iter()
                    .map(|owner| writer.mark(owner.clone()))
                    .collect();
                let owners = owners.join(", ");
                let key = writer.mark(Value::Text(key.clone().into()));
                let number = writer.mark(Value::Real(*number));
                Some(format!(
                    "SELECT w.\"run\" FROM metric_series w WHERE w.\"experiment\" IN ({owners}) AND w.\"key\" = {key} \
                     AND w.\"current\" = 1 AND w.\"last_nan\" = 0 AND w.\"last_value\" {sign} {number}"
                ))
            }
            _ => None,
        }
    }

    fn segment(writer: &mut Writer, field: &Field, rank: i64) -> Option<Segment> {
        let Field::Metric(key) = field else {
            return None;
        };
        let key = writer.mark(Value::Text(key.clone().into()));
        if rank == 2 {
            let condition = format!(
                "NOT EXISTS (SELECT 1 FROM metric_series w WHERE w.\"run\" = r.\"number\" AND w.\"key\" = {key})"
            );
            return Some(Segment {
                from: "tracked_runs r",
                condition,
                value: None,
            });
        }
        let condition = format!(
            "w.\"experiment\" = ?1 AND w.\"key\" = {key} AND w.\"current\" = 1 AND w.\"last_nan\" = {rank} \
             AND r.\"number\" = w.\"run\""
        );
        // SQLite joins what is crossed in the order in which it is written.
        Some(Segment {
            from: "metric_series w CROSS JOIN tracked_runs r",
            condition,
            value: (rank == 0).then(|| Expr::column("w.\"last_value\"", Kind::Real)),
        })
    }
}

/// The runs that have the label, as the index of labels knows them; none for a value that is too long for it.
fn labels_with(writer: &mut Writer, table: &str, key: &str, value: &str) -> Option<String> {
    if value.chars().count() > INDEXED {
        return None;
    }
    let key = writer.mark(Value::Text(key.to_owned().into()));
    let value = writer.mark(Value::Text(value.to_owned().into()));
    Some(format!(
        "SELECT t.\"run\" FROM {table} t WHERE t.\"key\" = {key} AND t.\"value\" = {value} \
         AND length(t.\"value\") <= {INDEXED}"
    ))
}

fn attribute(name: &str) -> Option<Expr> {
    Some(match name {
        "run_id" => Expr::column("r.\"run_id\"", Kind::Text),
        "run_name" | "name" => Expr::column("r.\"name\"", Kind::Text),
        "experiment_id" => Expr::column("r.\"experiment\"", Kind::Integer),
        "status" => Expr::column("r.\"status\"", Kind::Text),
        "user_id" => Expr::column("r.\"user_id\"", Kind::Text),
        "artifact_uri" => Expr::column("r.\"artifact_uri\"", Kind::Text),
        "start_time" | "created" => Expr::column("r.\"start_time\"", Kind::Time),
        "end_time" => Expr::column("r.\"end_time\"", Kind::Time),
        _ => return None,
    })
}

fn labelled(table: &str) -> String {
    format!("(SELECT t.\"value\" FROM {table} t WHERE t.\"run\" = r.\"number\" AND t.\"key\" = ?)")
}

fn dataset(column: &str) -> Expr {
    // Inputs without a digest are logged models.
    let frame = "EXISTS (SELECT 1 FROM run_inputs i WHERE i.\"run\" = r.\"number\" AND i.\"digest\" <> '' AND @)";
    Expr {
        any: Some(Any {
            frame: frame.to_owned(),
            value: column.to_owned(),
            nan: None,
        }),
        ..Expr::column(column, Kind::Text)
    }
}

/// What was logged to some runs, by their numbers.
type ByRun<T> = HashMap<i64, Vec<T>>;

impl Tx<'_> {
    /// Fills in what was logged to these runs, with a few statements for all of them.
    fn whole_runs(&mut self, rows: Vec<RunRow>) -> Result<Vec<TrackedRun>> {
        let mut all = Vec::with_capacity(rows.len());
        let mut rows = rows.into_iter();
        loop {
            let chunk: Vec<RunRow> = rows.by_ref().take(IDS).collect();
            if chunk.is_empty() {
                return Ok(all);
            }
            self.whole_chunk(chunk, &mut all)?;
        }
    }

    fn whole_chunk(&mut self, rows: Vec<RunRow>, all: &mut Vec<TrackedRun>) -> Result<()> {
        for row in &rows {
            self.reach(Thing::Experiment(row.experiment))?;
        }
        let numbers: Vec<i64> = rows.iter().map(|row| row.number).collect();
        let ids = filled(&numbers);
        let pair = |cols: &mut Cols<'_>| Ok((cols.get()?, cols.get()?));
        let mut params: ByRun<(String, String)> =
            self.logged("\"key\", \"value\"", "run_params m", ALL, &ids, pair)?;
        let mut tags: ByRun<(String, String)> =
            self.logged("\"key\", \"value\"", "run_tags m", ALL, &ids, pair)?;
        let latest = point_columns(
            "m.\"last_value\"",
            "m.\"last_nan\"",
            "m.\"last_at\"",
            "m.\"last_step\"",
        );
        let mut metrics: ByRun<PointRow> =
            self.logged(&latest, "metric_series m", LATEST, &ids, PointRow::read)?;
        let columns =
            "\"name\", \"digest\", \"source_type\", \"source\", \"schema\", \"profile\", \"tags\"";
        let mut inputs: ByRun<Input> = self.logged(columns, "run_inputs m", ALL, &ids, |cols| {
            Ok(Input {
                name: cols.get()?,
                digest: cols.get()?,
                source_type: cols.get()?,
                source: cols.get()?,
                schema: cols.get()?,
                profile: cols.get()?,
                tags: cols.get()?,
            })
        })?;
        let mut outputs: ByRun<Output> = self.logged(
            "\"model_id\", \"step\"",
            "run_outputs m",
            ALL,
            &ids,
            |cols| {
                Ok(Output {
                    model_id: cols.get()?,
                    step: cols.get()?,
                })
            },
        )?;
        all.extend(rows.into_iter().map(|row| {
            TrackedRun {
                run_id: row.run_id,
                experiment_id: row.experiment.to_string(),
                project: row.project,
                name: row.name,
                user_id: row.user_id,
                status: row.status,
                start_time: row.start_time,
                end_time: row.end_time,
                artifact_uri: row.artifact_uri,
                lifecycle: row.lifecycle,
                deleted_at: row.deleted_at,
                parent: row.parent,
                tags: tags
                    .remove(&row.number)
                    .unwrap_or_default()
                    .into_iter()
                    .collect(),
                params: params
                    .remove(&row.number)
                    .unwrap_or_default()
                    .into_iter()
                    .collect(),
                metrics: metrics
                    .remove(&row.number)
                    .unwrap_or_default()
                    .into_iter()
                    .map(|PointRow(point)| point)
                    .collect(),
                inputs: inputs.remove(&row.number).unwrap_or_default(),
                outputs: outputs.remove(&row.number).unwrap_or_default(),
            }
        }));
        Ok(())
    }

    /// The rows that belong to the runs with these numbers.
    fn logged<T>(
        &mut self,
        columns: &str,
        table: &str,
        which: &str,
        ids: &[Value<'_>],
        read: impl Fn(&mut Cols<'_>) -> Result<T>,
    ) -> Result<ByRun<T>> {
        let sql = format!(
            "SELECT m.\"run\", {columns} FROM {table} WHERE m.\"run\" IN ({}) AND {which} ORDER BY 1, 2",
            marks(1, IDS)
        );
        let mut by_run = ByRun::new();
        for (run, one) in self.rows(&sql, ids, |cols| Ok((cols.get()?, read(cols)?)))? {
            by_run.entry(run).or_default().push(one);
        }
        Ok(by_run)
    }
}

impl TrackingRead for Tx<'_> {
    fn tracked_run(&mut self, run_id: &str) -> Result<Option<TrackedRun>> {
        let rows = self.select::<RunRow>("WHERE \"run_id\" = ?1", params![run_id])?;
        Ok(self.whole_runs(rows)?.pop())
    }

    fn run_head(&mut self, run_id: &str) -> Result<Option<RunHead>> {
        let mut rows = self.select::<RunRow>("WHERE \"run_id\" = ?1", params![run_id])?;
        for row in &rows {
            self.reach(Thing::Experiment(row.experiment))?;
        }
        Ok(rows.pop().map(|row| RunHead {
            run_id: row.run_id,
            experiment_id: row.experiment.to_string(),
            project: row.project,
            artifact_uri: row.artifact_uri,
            lifecycle: row.lifecycle,
            parent: row.parent,
        }))
    }

    fn run_tag(&mut self, run_id: &str, key: &str) -> Result<Option<String>> {
        let run = self.tracked(run_id)?;
        let sql = "SELECT \"value\" FROM run_tags WHERE \"run\" = ?1 AND \"key\" = ?2";
        self.single(sql, params![run, key])
    }

    fn run_params(&mut self, run_id: &str, keys: &[&str]) -> Result<BTreeMap<String, String>> {
        let run = self.tracked(run_id)?;
        let sql = format!(
            "SELECT \"key\", \"value\" FROM run_params WHERE \"run\" = ?{} AND \"key\" IN ({})",
            IDS + 1,
            marks(1, IDS)
        );
        let mut found = BTreeMap::new();
        for chunk in keys.chunks(IDS) {
            let mut given = filled(chunk);
            given.push(Value::Int(run));
            found.extend(self.rows(&sql, &given, |cols| Ok((cols.get()?, cols.get()?)))?);
        }
        Ok(found)
    }

    fn search_tracked_runs(
        &mut self,
        experiments: &[String],
        view: RunView,
        search: &Search,
    ) -> Result<Page<TrackedRun>> {
        let numbers: Vec<Value<'static>> = self
            .readable(experiments)
            .iter()
            .filter_map(|id| super::experiments::number(id).ok())
            .map(Value::Int)
            .collect();
        if numbers.is_empty() {
            return Ok(Page {
                items: Vec::new(),
                next: None,
            });
        }
        let base = format!(
            "@r.\"experiment\" IN ({}) AND {}",
            marks(1, numbers.len()),
            seen(view)
        );
        let page: Page<RunRow> = self.search(&base, numbers, search)?;
        Ok(Page {
            items: self.whole_runs(page.items)?,
            next: page.next,
        })
    }

    fn child_runs(&mut self, run_id: &str) -> Result<Vec<TrackedRun>> {
        let seen = self.seen_experiments("\"experiment\"");
        let rows = self.select::<RunRow>(
            &format!("WHERE \"parent\" = ?1{seen} ORDER BY \"start_time\", \"run_id\""),
            params![run_id],
        )?;
        self.whole_runs(rows)
    }

    fn latest_metrics(&mut self, run_id: &str) -> Result<BTreeMap<String, f64>> {
        let run = self.tracked(run_id)?;
        let latest = point_columns(
            "m.\"last_value\"",
            "m.\"last_nan\"",
            "m.\"last_at\"",
            "m.\"last_step\"",
        );
        let sql = format!("SELECT {latest} FROM metric_series m WHERE m.\"run\" = ?1 AND {LATEST}");
        let points = self.rows(&sql, params![run], PointRow::read)?;
        Ok(points
            .into_iter()
            .map(|PointRow(point)| (point.key, point.value))
            .collect())
    }

    fn metric_history(
        &mut self,
        run_id: &str,
        key: &str,
        after: Option<&Cursor>,
        limit: u32,
    ) -> Result<Page<MetricPoint>> {
        self.history(run_id, key, after, limit)
    }

    fn metric_sample(
        &mut self,
        run_id: &str,
        key: &str,
        steps: Option<(i64, i64)>,
        most: u32,
    ) -> Result<Vec<MetricPoint>> {
        self.sample(run_id, key, steps, most)
    }

    fn datasets_of(&mut self, experiments: &[String]) -> Result<Vec<UsedDataset>> {
        let seen = self.readable(experiments);
        self.used_datasets(&seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::sqlite::Sqlite;
    use crate::tx::Dialect;

    /// Counting runs with a label reads the index of labels alone, however many labels they have.
    #[test]
    fn labels_are_counted_in_their_index() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        drop(Sqlite::writer(&path).unwrap());
        let database = rusqlite::Connection::open(&path).unwrap();
        let eq = |field: Field, value: &str| Clause {
            field,
            op: Op::Eq,
            operand: Operand::Text(value.to_owned()),
        };
        for (field, index) in [
            (Field::Tag("t".into()), "run_tags_by_value"),
            (Field::Param("p".into()), "run_params_by_value"),
        ] {
            let mut writer = Writer::new(Vec::new(), Dialect::Sqlite);
            let long = "x".repeat(INDEXED + 1);
            assert!(RunRow::rare(&mut writer, &eq(field.clone(), &long), &[]).is_none());
            let found = RunRow::rare(&mut writer, &eq(field, &long[1..]), &[]).unwrap();
            let sql = format!("EXPLAIN QUERY PLAN SELECT COUNT(*) FROM ({found} LIMIT 9) f");
            let mut plan = database.prepare(&sql).unwrap();
            let steps = plan.query_map([1, 1], |row| row.get::<_, String>(3));
            let steps: Vec<_> = steps.unwrap().flatten().collect();
            let wanted = format!("SEARCH t USING COVERING INDEX {index} (key=? AND value=?)");
            assert!(steps.contains(&wanted), "{steps:?}");
        }
    }
}
