//! [`LoggedModels`] in SQL.

use super::marks;
use super::metrics::{PointRow, point_columns};
use crate::error::Result;
use crate::search::{Field, Measured, Page, Search};
use crate::tracking::{LoggedModel, LoggedModels};
use crate::tx::column::{Cols, Param as _, Value};
use crate::tx::compare::Kind;
use crate::tx::record::Record;
use crate::tx::search::{Any, Expr, Searchable};
use crate::tx::{Tx, must, must_be_new, params};

/// By hand, since the metrics are kept elsewhere.
impl Record for LoggedModel {
    const TABLE: &'static str = "logged_models";
    const KEY: &'static [&'static str] = &["model_id"];
    const FIELDS: &'static [&'static str] = &[
        "model_id",
        "experiment_id",
        "project",
        "name",
        "model_type",
        "source_run_id",
        "artifact_uri",
        "status",
        "status_message",
        "created_at",
        "updated_at",
        "tags",
        "params",
    ];

    fn read(cols: &mut Cols<'_>) -> Result<Self> {
        Ok(Self {
            model_id: cols.get()?,
            experiment_id: cols.get()?,
            project: cols.get()?,
            name: cols.get()?,
            model_type: cols.get()?,
            source_run_id: cols.get()?,
            artifact_uri: cols.get()?,
            status: cols.get()?,
            status_message: cols.get()?,
            created_at: cols.get()?,
            updated_at: cols.get()?,
            tags: cols.get()?,
            params: cols.get()?,
            metrics: Vec::new(),
        })
    }

    fn values(&self) -> Vec<Value<'_>> {
        vec![
            self.model_id.value(),
            self.experiment_id.value(),
            self.project.value(),
            self.name.value(),
            self.model_type.value(),
            self.source_run_id.value(),
            self.artifact_uri.value(),
            self.status.value(),
            self.status_message.value(),
            self.created_at.value(),
            self.updated_at.value(),
            self.tags.value(),
            self.params.value(),
        ]
    }
}

impl Searchable for LoggedModel {
    const TIES: &'static [(&'static str, Kind, bool)] = &[
        ("created_at", Kind::Time, true),
        ("model_id", Kind::Text, false),
    ];

    fn expr(field: &Field) -> Option<Expr> {
        let labelled = |table: &str| {
            format!(
                "(SELECT t.\"value\" FROM {table} t WHERE t.\"model_id\" = r.\"model_id\" AND t.\"key\" = ?)"
            )
        };
        match field {
            Field::Attribute(name) => match name.as_str() {
                text @ ("name" | "model_id" | "model_type" | "status") => {
                    Some(Expr::column(&format!("r.\"{text}\""), Kind::Text))
                }
                // A deleted one is gone.
                "lifecycle_stage" => Some(Expr::column("CAST('active' AS TEXT)", Kind::Text)),
                "source_run_id" => Some(Expr::column(
                    "COALESCE(r.\"source_run_id\", '')",
                    Kind::Text,
                )),
                "creation_timestamp" => Some(Expr::column("r.\"created_at\"", Kind::Time)),
                "last_updated_timestamp" => Some(Expr::column("r.\"updated_at\"", Kind::Time)),
                _ => None,
            },
            Field::Metric(key) => Some(measured(&Measured {
                metric: Some(key.clone()),
                datasets: Vec::new(),
            })),
            Field::Measured(which) => Some(measured(which)),
            Field::Param(key) => Some(Expr::keyed(
                &labelled("logged_model_params"),
                key,
                Kind::Text,
            )),
            Field::Tag(key) => Some(Expr::keyed(&labelled("logged_model_tags"), key, Kind::Text)),
            Field::Dataset(_) => None,
        }
    }
}

/// Points measured on a model: clauses look at any of them, an order at the latest by time.
fn measured(which: &Measured) -> Expr {
    let mut keys = Vec::new();
    let mut wheres = vec![
        "m.\"model_id\" = r.\"model_id\"".to_owned(),
        "m.\"model_id\" <> ''".to_owned(),
    ];
    if let Some(metric) = &which.metric {
        wheres.push("m.\"key\" = ?".to_owned());
        keys.push(metric.clone());
    }
    let mut datasets = Vec::new();
    for (name, digest) in &which.datasets {
        let mut both = Vec::new();
        for (column, text) in [("dataset_name", name), ("dataset_digest", digest)] {
            if let Some(text) = text {
                both.push(format!("m.\"{column}\" = ?"));
                keys.push(text.clone());
            }
        }
        datasets.push(format!("({})", both.join(" AND ")));
    }
    if !datasets.is_empty() {
        wheres.push(format!("({})", datasets.join(" OR ")));
    }
    let points = format!(
        "FROM metric_series m JOIN metric_points p ON p.\"series\" = m.\"id\" \
         JOIN tracked_runs t ON t.\"number\" = m.\"run\" WHERE {}",
        wheres.join(" AND ")
    );
    let latest = |column: &str| {
        format!(
            "(SELECT {column} {points} ORDER BY p.\"at\" DESC, p.\"step\" DESC, t.\"run_id\" LIMIT 1)"
        )
    };
    let value = "CASE WHEN p.\"nan\" = 1 THEN NULL ELSE p.\"value\" END";
    Expr {
        keys,
        nan: Some(latest("p.\"nan\"")),
        any: Some(Any {
            frame: format!("EXISTS (SELECT 1 {points} AND @)"),
            value: value.to_owned(),
            nan: Some("p.\"nan\"".to_owned()),
        }),
        ..Expr::column(&latest(value), Kind::Real)
    }
}

impl Tx<'_> {
    /// Keeps tags and params once more, where a search can look at them.
    fn keep_labels(&mut self, model: &LoggedModel) -> Result<()> {
        for (table, labels) in [
            ("logged_model_tags", &model.tags),
            ("logged_model_params", &model.params),
        ] {
            self.execute(
                &format!("DELETE FROM {table} WHERE \"model_id\" = ?1"),
                params![model.model_id],
            )?;
            for (key, value) in labels {
                let sql = format!(
                    "INSERT INTO {table} (\"model_id\", \"key\", \"value\") VALUES (?1, ?2, ?3)"
                );
                self.execute(&sql, params![model.model_id, key, value])?;
            }
        }
        Ok(())
    }

    fn with_metrics(&mut self, model: LoggedModel) -> Result<LoggedModel> {
        self.reach_experiment(&model.experiment_id)?;
        let seen = self.seen_experiments("t.\"experiment\"");
        let columns = point_columns("p.\"value\"", "p.\"nan\"", "p.\"at\"", "p.\"step\"");
        let sql = format!(
            "SELECT t.\"run_id\", {columns} FROM metric_series m JOIN metric_points p ON p.\"series\" = m.\"id\" \
             JOIN tracked_runs t ON t.\"number\" = m.\"run\" WHERE m.\"model_id\" = ?1 AND m.\"model_id\" <> ''{seen} \
             ORDER BY m.\"key\", p.\"at\", p.\"step\", m.\"id\""
        );
        let metrics = self.rows(&sql, params![model.model_id], |cols| {
            let run_id = cols.get()?;
            let PointRow(point) = PointRow::read(cols)?;
            Ok((run_id, point))
        })?;
        Ok(LoggedModel { metrics, ..model })
    }
}

impl LoggedModels for Tx<'_> {
    fn create_logged_model(&mut self, model: &LoggedModel) -> Result<()> {
        self.reach_experiment(&model.experiment_id)?;
        must_be_new(self.insert(model)?, "logged model", &model.model_id)?;
        self.keep_labels(model)
    }

    fn update_logged_model(&mut self, model: &LoggedModel) -> Result<()> {
        self.reach_logged_model(&model.model_id)?;
        must(self.replace(model)?, "logged model", &model.model_id)?;
        self.keep_labels(model)
    }

    fn logged_model(&mut self, model_id: &str) -> Result<Option<LoggedModel>> {
        let found: Option<LoggedModel> = self.get(params![model_id])?;
        found.map(|model| self.with_metrics(model)).transpose()
    }

    fn search_logged_models(
        &mut self,
        experiments: &[String],
        search: &Search,
    ) -> Result<Page<LoggedModel>> {
        let experiments = self.readable(experiments);
        if experiments.is_empty() {
            return Ok(Page {
                items: Vec::new(),
                next: None,
            });
        }
        let base = format!("r.\"experiment_id\" IN ({})", marks(1, experiments.len()));
        let ids = experiments
            .iter()
            .map(|id| Value::Text(id.clone().into()))
            .collect();
        let page: Page<LoggedModel> = self.search(&base, ids, search)?;
        let items = page
            .items
            .into_iter()
            .map(|model| self.with_metrics(model))
            .collect::<Result<_>>()?;
        Ok(Page {
            items,
            next: page.next,
        })
    }

    fn delete_logged_model(&mut self, model_id: &str) -> Result<bool> {
        self.deleting(|tx| tx.reach_logged_model(model_id))?;
        self.remove::<LoggedModel>(params![model_id])
    }
}
