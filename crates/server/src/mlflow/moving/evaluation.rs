//! Evaluation datasets with their records, and versions of scorers under their own numbers.

use super::{
    Into,
    merge::{self, Step},
};
use crate::mlflow::{
    convert::{filled, time},
    failure::Refuse as _,
    find,
};
use mlflow::{
    Error,
    evaluation_datasets::{self as wire, Dataset, Record},
    moving::{Outcome, State},
    scorers::{self, Scorer},
};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeSet;
use store::{
    Digest, EvaluationDataset, EvaluationDatasets as _, EvaluationRecord, EvaluationRecords as _,
    Moving as _, ScorerVersion, Scorers as _, Tx,
};

/// A dataset with the experiments that it belongs to.
#[derive(PartialEq, Serialize)]
struct Homed {
    #[serde(flatten)]
    dataset: EvaluationDataset,
    experiments: BTreeSet<String>,
}

pub(super) fn dataset(tx: &mut Tx<'_>, into: &Into, comes: &Dataset) -> store::Result<Outcome> {
    let here = match tx.evaluation_dataset(&into.project, &comes.dataset_id)? {
        Some(dataset) => Some(Homed {
            experiments: tx.dataset_experiments(&dataset.id)?.into_iter().collect(),
            dataset,
        }),
        None => None,
    };
    let mut wanted = Homed {
        dataset: wanted_dataset(into, comes).refuse()?,
        experiments: BTreeSet::new(),
    };
    for id in &comes.experiment_ids {
        let home = find::experiment(tx, &into.project, id)?;
        wanted.experiments.insert(home.id);
    }
    let key = ("evaluation dataset", comes.dataset_id.as_str());
    let step = merge::step(tx, into, key, here.as_ref(), &wanted)?;
    match &step {
        Step::Create => match tx.create_evaluation_dataset(&wanted.dataset) {
            Err(store::Error::Exists { .. }) => {
                return Ok(merge::failed(
                    "another project of this server has an evaluation dataset with this id: import into that project, or delete it there",
                ));
            }
            made => made?,
        },
        Step::Update => tx.update_evaluation_dataset(&wanted.dataset)?,
        Step::Keep | Step::Differs(_) => {}
    }
    if matches!(step, Step::Create | Step::Update) {
        let old = here.map(|here| here.experiments).unwrap_or_default();
        for gone in old.difference(&wanted.experiments) {
            tx.remove_dataset_from_experiment(&wanted.dataset.id, gone)?;
        }
        for home in &wanted.experiments {
            tx.add_dataset_to_experiment(&wanted.dataset.id, home)?;
        }
    }
    merge::remember(tx, into, key, &step, &wanted)?;
    Ok(merge::outcome(step))
}

fn wanted_dataset(into: &Into, comes: &Dataset) -> Result<EvaluationDataset, Error> {
    let parsed = |text: &Option<String>| -> Option<Value> {
        text.as_deref()
            .and_then(|text| serde_json::from_str(text).ok())
    };
    let tags = Some(comes.tags.as_str()).filter(|tags| !tags.is_empty());
    Ok(EvaluationDataset {
        id: comes.dataset_id.clone(),
        project: into.project.clone(),
        name: comes.name.clone(),
        digest: comes.digest.clone(),
        schema: parsed(&comes.schema),
        profile: parsed(&comes.profile),
        tags: wire::tags(tags.unwrap_or("{}"))?,
        created_at: time("created_time", comes.created_time)?,
        updated_at: time("last_update_time", comes.last_update_time)?,
        created_by: filled(comes.created_by.as_deref()),
        updated_by: filled(comes.last_updated_by.as_deref()),
    })
}

pub(super) fn record(tx: &mut Tx<'_>, into: &Into, comes: &Record) -> store::Result<Outcome> {
    let dataset = &comes.dataset_id;
    if tx.evaluation_dataset(&into.project, dataset)?.is_none() {
        let why = format!("Evaluation dataset with id '{dataset}' not found");
        return Err(Error::missing(why)).refuse();
    }
    let wanted = wanted_record(comes).refuse()?;
    let here = tx.evaluation_record(dataset, &wanted.inputs_digest)?;
    let id = format!("{dataset}/{}", wanted.id);
    let key = ("evaluation record", id.as_str());
    let step = merge::step(tx, into, key, here.as_ref(), &wanted)?;
    if matches!(step, Step::Create | Step::Update) {
        tx.put_evaluation_record(&wanted)?;
    }
    merge::remember(tx, into, key, &step, &wanted)?;
    Ok(merge::outcome(step))
}

fn wanted_record(comes: &Record) -> Result<EvaluationRecord, Error> {
    if !comes.inputs.is_object() {
        return Err(Error::invalid(
            "the inputs of a record are expected to be a JSON object",
        ));
    }
    Ok(EvaluationRecord {
        dataset: comes.dataset_id.clone(),
        id: comes.dataset_record_id.clone(),
        inputs_digest: Digest::of(wire::key(&comes.inputs).as_bytes()),
        inputs: comes.inputs.clone(),
        outputs: comes.outputs.clone(),
        expectations: comes.expectations.clone(),
        tags: match &comes.tags {
            Value::Null => Value::Object(serde_json::Map::new()),
            tags => tags.clone(),
        },
        source: comes.source.clone(),
        created_at: time("created_time", comes.created_time)?,
        updated_at: time("last_update_time", comes.last_update_time)?,
        created_by: filled(comes.created_by.as_deref()),
        updated_by: filled(comes.last_updated_by.as_deref()),
    })
}

pub(super) fn scorer(tx: &mut Tx<'_>, into: &Into, comes: &Scorer) -> store::Result<Outcome> {
    let name = &comes.scorer_name;
    let home = comes.experiment_id.to_string();
    let experiment = find::experiment(tx, &into.project, &home)?.id;
    if let Err(refused) = scorers::check(&comes.serialized_scorer) {
        return Ok(Outcome {
            state: State::LeftOut,
            why: Some(refused.message),
            ..merge::outcome(Step::Keep)
        });
    }
    if name.trim().is_empty() || comes.scorer_version == 0 || comes.scorer_id.is_empty() {
        return Ok(merge::failed("a scorer has a name, an id and a version"));
    }
    let known = tx.scorer_versions(&experiment, name)?;
    let here = known.iter().find(|one| one.version == comes.scorer_version);
    let same = here.filter(|here| scorers::same(&here.serialized, &comes.serialized_scorer));
    let serialized = same.map_or(&comes.serialized_scorer, |here| &here.serialized);
    let wanted = ScorerVersion {
        id: tx
            .scorer_id(&experiment, name)?
            .unwrap_or_else(|| comes.scorer_id.clone()),
        experiment,
        name: name.clone(),
        version: comes.scorer_version,
        serialized: serialized.clone(),
        created_at: time("creation_time", comes.creation_time).refuse()?,
    };
    let id = format!("{}/{name}/{}", wanted.experiment, wanted.version);
    let key = ("scorer", id.as_str());
    let step = merge::step(tx, into, key, here, &wanted)?;
    if step == Step::Update {
        tx.delete_scorer(&wanted.experiment, name, Some(wanted.version))?;
    }
    if matches!(step, Step::Create | Step::Update) {
        match tx.put_scorer_version(&into.project, &wanted) {
            Err(store::Error::Exists { .. }) => {
                return Ok(merge::failed(
                    "another experiment of this server has a scorer with this id",
                ));
            }
            made => made?,
        }
    }
    merge::remember(tx, into, key, &step, &wanted)?;
    Ok(merge::outcome(step))
}
