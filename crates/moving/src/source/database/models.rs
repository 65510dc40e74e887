//! Logged models, registered models, prompts, and versions.

use super::{
    Named, Page, by_owner, pair,
    rows::{Database, Row},
};
use crate::error::Result;
use mlflow::{
    logged_models::{Data, Info, LoggedModel},
    registry::{Alias, ModelVersion, RegisteredModel},
    runs::Metric,
    tag::{Double, Pair},
};
use std::collections::BTreeMap;

/// The stage of a version that was deleted.
const DELETED: &str = "Deleted_Internal";

pub(super) fn logged(
    database: &mut Database,
    experiment: i64,
    after: &str,
) -> Result<Page<LoggedModel>> {
    let sql = format!(
        "SELECT model_id, name, creation_timestamp_ms, last_updated_timestamp_ms, artifact_location, status, model_type, \
         source_run_id, status_message FROM logged_models \
         WHERE experiment_id = {experiment} AND model_id > ?1 AND lifecycle_stage = 'active' ORDER BY model_id LIMIT {}",
        super::PAGE
    );
    let infos = database.all(&sql, &[after], |row| info(experiment, row))?;
    let ids: Vec<&str> = infos.iter().map(|info| info.model_id.as_str()).collect();
    let pairs = |database: &mut Database, what: &str| {
        let sql = format!(
            "SELECT model_id, {what}_key, {what}_value FROM logged_model_{what}s WHERE model_id"
        );
        by_owner(database, &sql, &ids, "ORDER BY 2", pair)
    };
    let (mut tags, mut params) = (pairs(database, "tag")?, pairs(database, "param")?);
    let before = "SELECT model_id, metric_name, metric_value, metric_timestamp_ms, metric_step, run_id, dataset_name, \
                  dataset_digest FROM logged_model_metrics WHERE model_id";
    let mut metrics = by_owner(database, before, &ids, "", metric)?;
    let models = infos.iter().map(|info| LoggedModel {
        info: Info {
            tags: tags.remove(&info.model_id).unwrap_or_default(),
            ..info.clone()
        },
        data: Data {
            params: params.remove(&info.model_id).unwrap_or_default(),
            metrics: metrics.remove(&info.model_id).unwrap_or_default(),
        },
    });
    let models = models.collect();
    Ok(super::page(models, |one: &LoggedModel| {
        one.info.model_id.clone()
    }))
}

fn info(experiment: i64, mut row: Row) -> Info {
    Info {
        model_id: row.text(),
        experiment_id: experiment.to_string(),
        name: row.text(),
        creation_timestamp_ms: row.int(),
        last_updated_timestamp_ms: row.int(),
        artifact_uri: row.text(),
        status: status(row.int()).to_owned(),
        model_type: row.text(),
        source_run_id: row.maybe().unwrap_or_default(),
        status_message: row.maybe(),
        tags: Vec::new(),
    }
}

fn status(number: i64) -> &'static str {
    match number {
        1 => "LOGGED_MODEL_PENDING",
        2 => "LOGGED_MODEL_READY",
        3 => "LOGGED_MODEL_UPLOAD_FAILED",
        _ => "LOGGED_MODEL_STATUS_UNSPECIFIED",
    }
}

fn metric(mut row: Row) -> Metric {
    Metric {
        key: row.text(),
        value: Double(row.real().unwrap_or(f64::NAN)),
        timestamp: row.int(),
        step: row.int(),
        run_id: row.maybe(),
        dataset_name: row.maybe(),
        dataset_digest: row.maybe(),
        model_id: None,
    }
}

pub(super) fn registered(
    database: &mut Database,
    workspace: &str,
    after: Option<&str>,
) -> Result<Page<Named>> {
    let sql = format!(
        "SELECT name, creation_time, last_updated_time, description FROM registered_models \
         WHERE workspace = ?1 AND name > ?2 ORDER BY name LIMIT {}",
        super::PAGE
    );
    let mut found = database.all(&sql, &[workspace, after.unwrap_or_default()], model)?;
    for Named {
        model,
        last_version,
    } in &mut found
    {
        let given = [workspace, model.name.as_str()];
        let sql = "SELECT key, value FROM registered_model_tags WHERE workspace = ?1 AND name = ?2 ORDER BY key";
        model.tags = database.all(sql, &given, pair)?;
        let sql = "SELECT alias, version FROM registered_model_aliases WHERE workspace = ?1 AND name = ?2 ORDER BY alias";
        model.aliases = database.all(sql, &given, |mut row| Alias {
            alias: row.text(),
            version: row.text(),
        })?;
        let sql = "SELECT max(version) FROM model_versions WHERE workspace = ?1 AND name = ?2";
        let last = database.all(sql, &given, |mut row| row.number())?;
        *last_version = last
            .into_iter()
            .flatten()
            .next()
            .and_then(|n| n.try_into().ok());
    }
    Ok(super::page(found, |one| one.model.name.clone()))
}

fn model(mut row: Row) -> Named {
    Named {
        model: RegisteredModel {
            name: row.text(),
            creation_timestamp: row.int(),
            last_updated_timestamp: row.int(),
            description: row.text(),
            latest_versions: Vec::new(),
            tags: Vec::new(),
            aliases: Vec::new(),
        },
        last_version: None,
    }
}

pub(super) fn versions(
    database: &mut Database,
    workspace: &str,
    model: &str,
    after: i64,
) -> Result<Page<ModelVersion>> {
    let sql = format!(
        "SELECT name, version, creation_time, last_updated_time, user_id, current_stage, description, source, run_id, run_link, status, \
         status_message FROM model_versions \
         WHERE workspace = ?1 AND name = ?2 AND version > {after} AND current_stage <> '{DELETED}' ORDER BY version LIMIT {}",
        super::PAGE
    );
    let mut found = database.all(&sql, &[workspace, model], version)?;
    let sql = "SELECT version, key, value FROM model_version_tags WHERE workspace = ?1 AND name = ?2 ORDER BY version, key";
    let mut tags: BTreeMap<String, Vec<Pair>> = BTreeMap::new();
    database.each(sql, &[workspace, model], &mut |mut row| {
        tags.entry(row.text()).or_default().push(pair(row));
        Ok(())
    })?;
    for one in &mut found {
        one.tags = tags.remove(&one.version).unwrap_or_default();
    }
    Ok(super::page(found, |one| one.version.clone()))
}

fn version(mut row: Row) -> ModelVersion {
    ModelVersion {
        name: row.text(),
        version: row.text(),
        creation_timestamp: row.int(),
        last_updated_timestamp: row.int(),
        user_id: row.text(),
        current_stage: row.text(),
        description: row.text(),
        source: row.text(),
        run_id: row.text(),
        run_link: row.text(),
        status: row.text(),
        status_message: row.text(),
        tags: Vec::new(),
        aliases: Vec::new(),
    }
}
