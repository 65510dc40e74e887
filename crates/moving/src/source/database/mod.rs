//! The database behind an MLflow server, read without the server: SQLite or Postgres, in the schema of MLflow 3.17.

mod evaluation;
mod files;
mod models;
mod rows;
mod runs;
mod traces;

use super::{Named, Owner, Page, Place, Source, Trace};
use crate::error::{Error, Result};
use mlflow::{
    artifacts::File,
    evaluation_datasets::{Dataset, Record},
    experiments::Experiment,
    logged_models::LoggedModel,
    registry::{ModelVersion, RegisteredModel},
    runs::{Metric, Run},
    scorers::Scorer,
    tag::Pair,
    webhooks::Webhook,
};
use rows::{Database, Row};
use std::{
    collections::BTreeMap,
    io::Read,
    path::{Path, PathBuf},
};

/// The schema that is known to be read right, by its Alembic revision.
const KNOWN: &str = "dc11669786a5";
/// How many records a page has.
const PAGE: usize = 200;

/// The database of a server.
pub struct Stored {
    database: Database,
    workspace: String,
    /// Where artifacts are when they are not where the database says.
    artifacts: Option<PathBuf>,
}

impl std::fmt::Debug for Stored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stored")
            .field("workspace", &self.workspace)
            .finish_non_exhaustive()
    }
}

impl Stored {
    /// Opens a SQLite file, for reading only.
    ///
    /// # Errors
    /// When it is none, or none of MLflow's.
    pub fn sqlite(path: &Path, workspace: &str, artifacts: Option<PathBuf>) -> Result<Self> {
        Self::checked(Database::sqlite(path)?, workspace, artifacts)
    }

    /// Opens a Postgres database, for reading only.
    ///
    /// # Errors
    /// When it is none, or none of MLflow's.
    pub fn postgres(url: &str, workspace: &str, artifacts: Option<PathBuf>) -> Result<Self> {
        Self::checked(Database::postgres(url)?, workspace, artifacts)
    }

    fn checked(
        mut database: Database,
        workspace: &str,
        artifacts: Option<PathBuf>,
    ) -> Result<Self> {
        let sql = "SELECT version_num FROM alembic_version";
        let found = database.all(sql, &[], |mut row| row.text());
        let found = found.map_err(|error| {
            Error::Usage(format!(
                "this is not the database of an MLflow server, or it cannot be read: {error}"
            ))
        })?;
        let found = found.join(", ");
        if found != KNOWN {
            probe(&mut database, &found)?;
        }
        Ok(Stored {
            database,
            workspace: workspace.to_owned(),
            artifacts,
        })
    }
}

/// Another version's schema will do when it has every table and column that is read.
fn probe(database: &mut Database, found: &str) -> Result<()> {
    for (table, columns) in NEEDED {
        let sql = format!("SELECT {columns} FROM {table} WHERE 1 = 0");
        if let Err(error) = database.all(&sql, &[], drop) {
            return Err(Error::Usage(format!(
                "the database has the schema {found} of another MLflow, not that of 3.17 ({KNOWN}): {error}. Bring a copy of it up to date with `mlflow db upgrade`, or import from the running server by its address"
            )));
        }
    }
    Ok(())
}

/// The tables and columns that are read.
const NEEDED: &[(&str, &str)] = &[
    (
        "experiments",
        "experiment_id, name, artifact_location, lifecycle_stage, creation_time, last_update_time, workspace",
    ),
    ("experiment_tags", "experiment_id, key, value"),
    (
        "runs",
        "run_uuid, name, user_id, status, start_time, end_time, lifecycle_stage, artifact_uri, experiment_id",
    ),
    ("params", "run_uuid, key, value"),
    ("tags", "run_uuid, key, value"),
    ("metrics", "run_uuid, key, value, is_nan, timestamp, step"),
    (
        "inputs",
        "input_uuid, source_type, source_id, destination_type, destination_id, step",
    ),
    ("input_tags", "input_uuid, name, value"),
    (
        "datasets",
        "dataset_uuid, name, digest, dataset_source_type, dataset_source, dataset_schema, dataset_profile",
    ),
    (
        "logged_models",
        "model_id, experiment_id, name, artifact_location, creation_timestamp_ms, last_updated_timestamp_ms, status, lifecycle_stage, model_type, source_run_id, status_message",
    ),
    ("logged_model_tags", "model_id, tag_key, tag_value"),
    ("logged_model_params", "model_id, param_key, param_value"),
    (
        "logged_model_metrics",
        "model_id, metric_name, metric_value, metric_timestamp_ms, metric_step, run_id, dataset_name, dataset_digest",
    ),
    (
        "registered_models",
        "name, creation_time, last_updated_time, description, workspace",
    ),
    ("registered_model_tags", "name, key, value, workspace"),
    (
        "registered_model_aliases",
        "name, alias, version, workspace",
    ),
    (
        "model_versions",
        "name, version, creation_time, last_updated_time, description, user_id, current_stage, source, run_id, status, status_message, workspace",
    ),
    ("model_version_tags", "name, version, key, value, workspace"),
    (
        "trace_info",
        "request_id, experiment_id, timestamp_ms, execution_time_ms, status, client_request_id, request_preview, response_preview, trace_name, session_id, input_tokens, output_tokens, total_tokens, cache_read_input_tokens, cache_creation_input_tokens, cache_creation_input_tokens_above_1hr, input_cost, output_cost, total_cost",
    ),
    ("trace_tags", "request_id, key, value"),
    ("trace_request_metadata", "request_id, key, value"),
    ("spans", "trace_id, span_id, start_time_unix_nano, content"),
    (
        "assessments",
        "assessment_id, trace_id, name, assessment_type, value, error, created_timestamp, last_updated_timestamp, source_type, source_id, run_id, span_id, rationale, overrides, valid, assessment_metadata",
    ),
    (
        "evaluation_datasets",
        "dataset_id, workspace, name, schema, profile, digest, created_time, last_update_time, created_by, last_updated_by",
    ),
    ("evaluation_dataset_tags", "dataset_id, key, value"),
    (
        "evaluation_dataset_records",
        "dataset_record_id, dataset_id, inputs, outputs, expectations, tags, source, created_time, last_update_time, created_by, last_updated_by",
    ),
    (
        "entity_associations",
        "source_type, source_id, destination_type, destination_id",
    ),
    ("scorers", "scorer_id, experiment_id, scorer_name"),
    (
        "scorer_versions",
        "scorer_id, scorer_version, serialized_scorer, creation_time",
    ),
    (
        "webhooks",
        "webhook_id, workspace, name, description, url, status, creation_timestamp, last_updated_timestamp, deleted_timestamp",
    ),
    ("webhook_events", "webhook_id, entity, action"),
];

impl Source for Stored {
    fn experiments(&mut self, after: Option<&str>) -> Result<Page<Experiment>> {
        let after = number(after.unwrap_or("-1"))?;
        let sql = format!(
            "SELECT experiment_id, name, artifact_location, lifecycle_stage, last_update_time, creation_time FROM experiments \
             WHERE workspace = ?1 AND experiment_id > {after} ORDER BY experiment_id LIMIT {PAGE}"
        );
        let mut found = self.database.all(&sql, &[&self.workspace], experiment)?;
        for one in &mut found {
            let id = number(&one.experiment_id)?;
            let sql = format!(
                "SELECT key, value FROM experiment_tags WHERE experiment_id = {id} ORDER BY key"
            );
            one.tags = self.database.all(&sql, &[], pair)?;
        }
        Ok(page(found, |one| one.experiment_id.clone()))
    }

    fn runs(&mut self, experiment: &str, after: Option<&str>) -> Result<Page<Run>> {
        runs::page(
            &mut self.database,
            number(experiment)?,
            after.unwrap_or_default(),
        )
    }

    fn points(&mut self, run: &Run, each: &mut dyn FnMut(Vec<Metric>) -> Result<()>) -> Result<()> {
        runs::points(&mut self.database, &run.info.run_id, each)
    }

    fn logged_models(
        &mut self,
        experiment: &str,
        after: Option<&str>,
    ) -> Result<Page<LoggedModel>> {
        models::logged(
            &mut self.database,
            number(experiment)?,
            after.unwrap_or_default(),
        )
    }

    fn models(&mut self, after: Option<&str>) -> Result<Page<Named>> {
        models::registered(&mut self.database, &self.workspace, after)
    }

    fn versions(
        &mut self,
        model: &RegisteredModel,
        after: Option<&str>,
    ) -> Result<Page<ModelVersion>> {
        let after = number(after.unwrap_or("0"))?;
        models::versions(&mut self.database, &self.workspace, &model.name, after)
    }

    fn traces(&mut self, experiment: &str, after: Option<&str>) -> Result<Page<Trace>> {
        traces::page(
            &mut self.database,
            number(experiment)?,
            after.unwrap_or_default(),
        )
    }

    fn evaluation_datasets(&mut self, after: Option<&str>) -> Result<Page<Dataset>> {
        let after = after.unwrap_or_default();
        evaluation::datasets(&mut self.database, &self.workspace, after)
    }

    fn evaluation_records(&mut self, dataset: &str, after: Option<&str>) -> Result<Page<Record>> {
        evaluation::records(&mut self.database, dataset, after)
    }

    fn scorers(&mut self, experiment: &str) -> Result<Vec<Scorer>> {
        evaluation::scorers(&mut self.database, number(experiment)?)
    }

    fn webhooks(&mut self, after: Option<&str>) -> Result<Page<Webhook>> {
        let after = after.unwrap_or_default();
        evaluation::webhooks(&mut self.database, &self.workspace, after)
    }

    fn files(&mut self, place: &Place) -> Result<Vec<File>> {
        files::all(&self.folder(place)?)
    }

    fn open(&mut self, place: &Place, path: &str) -> Result<Box<dyn Read + Send>> {
        files::open(&self.folder(place)?, path)
    }
}

impl Stored {
    fn folder(&self, place: &Place) -> Result<PathBuf> {
        let Place {
            owner: Owner::Run(_) | Owner::Model(_),
            uri,
        } = place;
        files::folder(uri, self.artifacts.as_deref())
    }
}

fn experiment(mut row: Row) -> Experiment {
    Experiment {
        experiment_id: row.text(),
        name: row.text(),
        artifact_location: row.text(),
        lifecycle_stage: row.text(),
        last_update_time: row.int(),
        creation_time: row.int(),
        tags: Vec::new(),
    }
}

fn pair(mut row: Row) -> Pair {
    Pair::new(row.text(), row.text())
}

/// A number that goes into the text of a statement.
fn number(text: &str) -> Result<i64> {
    text.parse()
        .map_err(|_| Error::Usage(format!("`{text}` is not a number")))
}

/// A page of a listing that is sorted by this key.
fn page<T>(items: Vec<T>, key: impl Fn(&T) -> String) -> Page<T> {
    let next = (items.len() >= PAGE)
        .then(|| items.last().map(key))
        .flatten();
    Page { items, next }
}

/// What the statement finds for each of these records, by the text in its first column.
fn by_owner<T>(
    database: &mut Database,
    before: &str,
    owners: &[&str],
    after: &str,
    read: impl Fn(Row) -> T,
) -> Result<BTreeMap<String, Vec<T>>> {
    let mut found: BTreeMap<String, Vec<T>> = BTreeMap::new();
    if owners.is_empty() {
        return Ok(found);
    }
    let sql = format!("{before} IN ({}) {after}", rows::marks(1, owners.len()));
    database.each(&sql, owners, &mut |mut row| {
        let owner = row.text();
        found.entry(owner).or_default().push(read(row));
        Ok(())
    })?;
    Ok(found)
}
