//! Evaluation datasets, scorers and webhooks. Secrets of webhooks are encrypted there, and are not read.

use super::{
    Page, by_owner, number,
    rows::{Database, Row},
};
use crate::error::{Error, Result};
use mlflow::{
    evaluation_datasets::{Dataset, Record, source_id},
    scorers::Scorer,
    webhooks::{Webhook, WireEvent, Word},
};
use serde_json::{Map, Value};

/// The field in which outputs are kept, whatever they are.
const WRAPPED: &str = "mlflow_wrapped";

pub(super) fn datasets(
    database: &mut Database,
    workspace: &str,
    after: &str,
) -> Result<Page<Dataset>> {
    let sql = format!(
        "SELECT dataset_id, name, schema, profile, digest, created_time, last_update_time, created_by, last_updated_by \
         FROM evaluation_datasets WHERE workspace = ?1 AND dataset_id > ?2 ORDER BY dataset_id LIMIT {}",
        super::PAGE
    );
    let mut found = database.all(&sql, &[workspace, after], dataset)?;
    let ids: Vec<String> = found.iter().map(|one| one.dataset_id.clone()).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let sql = "SELECT dataset_id, key, value FROM evaluation_dataset_tags WHERE dataset_id";
    let mut tags = by_owner(database, sql, &ids, "ORDER BY key", |mut row| {
        (row.text(), row.maybe().map_or(Value::Null, Value::String))
    })?;
    let sql = "SELECT source_id, destination_id FROM entity_associations \
               WHERE source_type = 'evaluation_dataset' AND destination_type = 'experiment' AND source_id";
    let mut homes = by_owner(database, sql, &ids, "ORDER BY destination_id", |mut row| {
        row.text()
    })?;
    for one in &mut found {
        let tags: Map<_, _> = tags
            .remove(&one.dataset_id)
            .unwrap_or_default()
            .into_iter()
            .collect();
        one.tags = Value::Object(tags).to_string();
        one.experiment_ids = homes.remove(&one.dataset_id).unwrap_or_default();
    }
    Ok(super::page(found, |one| one.dataset_id.clone()))
}

fn dataset(mut row: Row) -> Dataset {
    Dataset {
        dataset_id: row.text(),
        name: row.text(),
        schema: row.maybe(),
        profile: row.maybe(),
        digest: row.text(),
        created_time: row.int(),
        last_update_time: row.int(),
        created_by: row.maybe(),
        last_updated_by: row.maybe(),
        ..Dataset::default()
    }
}

/// A page goes on behind the time and the id of its last record.
pub(super) fn records(
    database: &mut Database,
    dataset: &str,
    after: Option<&str>,
) -> Result<Page<Record>> {
    let (time, id) = after
        .and_then(|after| after.split_once(' '))
        .unwrap_or(("-1", ""));
    let time = number(time)?;
    let sql = format!(
        "SELECT dataset_record_id, CAST(inputs AS TEXT), CAST(outputs AS TEXT), CAST(expectations AS TEXT), CAST(tags AS TEXT), \
         CAST(source AS TEXT), created_time, last_update_time, created_by, last_updated_by FROM evaluation_dataset_records \
         WHERE dataset_id = ?1 AND (created_time > {time} OR (created_time = {time} AND dataset_record_id > ?2)) \
         ORDER BY created_time, dataset_record_id LIMIT {}",
        super::PAGE
    );
    let found = database.all(&sql, &[dataset, id], |row| record(dataset, row))?;
    let found = found.into_iter().collect::<Result<Vec<_>>>()?;
    Ok(super::page(found, |one| {
        format!("{} {}", one.created_time, one.dataset_record_id)
    }))
}

fn record(dataset: &str, mut row: Row) -> Result<Record> {
    let id = row.text();
    let mut part = || match row.maybe() {
        None => Ok(Value::Null),
        Some(text) => serde_json::from_str(&text)
            .map_err(|error| Error::shape(format!("the evaluation record {id}"), error)),
    };
    let (inputs, mut outputs) = (part()?, part()?);
    let (expectations, tags, source) = (part()?, part()?, part()?);
    let said = |value: Value| Some(value).filter(|value| !value.is_null());
    let source = said(source).filter(|source| *source != Value::Object(Map::new()));
    Ok(Record {
        dataset_id: dataset.to_owned(),
        inputs,
        outputs: said(outputs[WRAPPED].take()),
        expectations: said(expectations),
        tags: said(tags).unwrap_or_else(|| Value::Object(Map::new())),
        source_id: source.as_ref().and_then(source_id),
        source_type: source
            .as_ref()
            .and_then(|source| source["source_type"].as_str().map(str::to_owned)),
        source,
        created_time: row.int(),
        last_update_time: row.int(),
        created_by: row.maybe(),
        last_updated_by: row.maybe(),
        dataset_record_id: id,
    })
}

pub(super) fn scorers(database: &mut Database, experiment: i64) -> Result<Vec<Scorer>> {
    let sql = format!(
        "SELECT s.scorer_id, s.scorer_name, v.scorer_version, v.serialized_scorer, v.creation_time \
         FROM scorers s JOIN scorer_versions v ON v.scorer_id = s.scorer_id \
         WHERE s.experiment_id = {experiment} ORDER BY s.scorer_name, v.scorer_version"
    );
    database.all(&sql, &[], |mut row| Scorer {
        experiment_id: experiment,
        scorer_id: row.text(),
        scorer_name: row.text(),
        scorer_version: row.int().try_into().unwrap_or_default(),
        serialized_scorer: row.text(),
        creation_time: row.int(),
    })
}

pub(super) fn webhooks(
    database: &mut Database,
    workspace: &str,
    after: &str,
) -> Result<Page<Webhook>> {
    let sql = format!(
        "SELECT webhook_id, name, description, url, status, creation_timestamp, last_updated_timestamp FROM webhooks \
         WHERE workspace = ?1 AND webhook_id > ?2 AND deleted_timestamp IS NULL ORDER BY webhook_id LIMIT {}",
        super::PAGE
    );
    let mut found = database.all(&sql, &[workspace, after], webhook)?;
    let ids: Vec<String> = found.iter().map(|one| one.webhook_id.clone()).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let sql = "SELECT webhook_id, entity, action FROM webhook_events WHERE webhook_id";
    let mut events = by_owner(database, sql, &ids, "ORDER BY entity, action", |mut row| {
        let mut word = || Word::Name(row.text().to_ascii_uppercase());
        WireEvent {
            entity: word(),
            action: word(),
        }
    })?;
    for one in &mut found {
        one.events = events.remove(&one.webhook_id).unwrap_or_default();
    }
    Ok(super::page(found, |one| one.webhook_id.clone()))
}

fn webhook(mut row: Row) -> Webhook {
    Webhook {
        webhook_id: row.text(),
        name: row.text(),
        description: row.text(),
        url: row.text(),
        status: row.text(),
        creation_timestamp: row.int(),
        last_updated_timestamp: row.int(),
        events: Vec::new(),
    }
}
