//! Evaluation datasets, their records, and scorers.

use jiff::Timestamp;
use mlflow::{
    evaluation_datasets::{Asked, Dataset, Record, merged, source_id, widened},
    scorers::Scorer,
};
use serde_json::{Value, json};
use store::{Digest, EvaluationDataset, EvaluationRecord, ScorerVersion};

/// A dataset as answers show it.
pub(in crate::mlflow) fn dataset(dataset: EvaluationDataset) -> Dataset {
    Dataset {
        dataset_id: dataset.id,
        name: dataset.name,
        tags: json!(dataset.tags).to_string(),
        schema: dataset.schema.map(|schema| schema.to_string()),
        profile: dataset.profile.map(|profile| profile.to_string()),
        digest: dataset.digest,
        created_time: dataset.created_at.as_millisecond(),
        last_update_time: dataset.updated_at.as_millisecond(),
        created_by: dataset.created_by,
        last_updated_by: dataset.updated_by,
        experiment_ids: Vec::new(),
    }
}

/// The mark of a dataset that changed at that time.
pub(in crate::mlflow) fn mark(name: &str, at: Timestamp) -> String {
    let digest = Digest::of(format!("{name}:{}", at.as_millisecond()).as_bytes());
    digest.hex()[..8].to_owned()
}

/// A record as answers show it.
pub(in crate::mlflow) fn record(record: EvaluationRecord) -> Record {
    let source = record.source.as_ref();
    Record {
        source_id: source.and_then(source_id),
        source_type: source.and_then(|source| source["source_type"].as_str().map(str::to_owned)),
        dataset_record_id: record.id,
        dataset_id: record.dataset,
        inputs: record.inputs,
        expectations: record.expectations,
        tags: record.tags,
        source: record.source,
        created_time: record.created_at.as_millisecond(),
        last_update_time: record.updated_at.as_millisecond(),
        created_by: record.created_by,
        last_updated_by: record.updated_by,
        outputs: record.outputs,
    }
}

/// A record that was not there before.
pub(in crate::mlflow) fn new_record(
    dataset: &str,
    id: &str,
    inputs_digest: Digest,
    asked: &Asked,
    now: Timestamp,
) -> EvaluationRecord {
    let user = asked.user().map(str::to_owned);
    EvaluationRecord {
        dataset: dataset.to_owned(),
        id: id.to_owned(),
        inputs_digest,
        inputs: Value::Object(asked.inputs.clone()),
        // MLflow keeps an empty object where nothing was said.
        outputs: said(asked.outputs.clone().unwrap_or_else(|| json!({}))),
        expectations: asked.expectations.clone().map(Value::Object),
        tags: Value::Object(asked.tags.clone().unwrap_or_default()),
        source: asked.source.clone(),
        created_at: now,
        updated_at: now,
        created_by: user.clone(),
        updated_by: user,
    }
}

/// A record that comes again: outputs are replaced, expectations and tags put over the old ones.
pub(in crate::mlflow) fn merge(record: &mut EvaluationRecord, asked: &Asked, now: Timestamp) {
    if let Some(outputs) = &asked.outputs {
        record.outputs = said(outputs.clone());
    }
    if let Some(new) = asked.expectations.as_ref().filter(|new| !new.is_empty()) {
        record.expectations = Some(merged(record.expectations.take(), new));
    }
    if let Some(new) = asked.tags.as_ref().filter(|new| !new.is_empty()) {
        record.tags = merged(Some(record.tags.take()), new);
    }
    record.updated_at = now;
    if let Some(user) = asked.user() {
        record.updated_by = Some(user.to_owned());
    }
}

/// A dataset once these records are among its `count`.
pub(in crate::mlflow) fn grown(
    dataset: &mut EvaluationDataset,
    records: &[Asked],
    count: u64,
    now: Timestamp,
) {
    dataset.schema = widened(dataset.schema.take(), records);
    if count > 0 {
        dataset.profile = Some(counts(count));
    }
    dataset.digest = mark(&dataset.name, now);
    dataset.updated_at = now;
    let user = records.iter().filter_map(Asked::user).next_back();
    dataset.updated_by = user.map(str::to_owned);
}

/// The profile of a dataset with so many records.
pub(in crate::mlflow) fn counts(records: u64) -> Value {
    match records {
        0 => Value::Null,
        some => json!({ "num_records": some }),
    }
}

/// A scorer's version as answers to reads show it.
pub(in crate::mlflow) fn scorer(version: ScorerVersion) -> Scorer {
    Scorer {
        experiment_id: version.experiment.parse().unwrap_or_default(),
        scorer_name: version.name,
        scorer_version: version.version,
        serialized_scorer: version.serialized,
        creation_time: version.created_at.as_millisecond(),
        scorer_id: version.id,
    }
}

/// None for null.
fn said(value: Value) -> Option<Value> {
    (!value.is_null()).then_some(value)
}
