//! Runs and the points of their metrics.

use super::{
    Page, by_owner, pair,
    rows::{Database, Row},
};
use crate::error::{Error, Result};
use mlflow::{
    runs::{
        Data, Dataset, DatasetInput, Info, Inputs, Metric, ModelInput, ModelOutput, Outputs, Run,
        Status,
    },
    tag::{Double, Pair},
};
use std::collections::BTreeMap;

/// How many points are handed on at once.
const POINTS: usize = 10_000;
/// The tag that carries a run's name.
const NAME_TAG: &str = "mlflow.runName";

pub(super) fn page(database: &mut Database, experiment: i64, after: &str) -> Result<Page<Run>> {
    let sql = format!(
        "SELECT run_uuid, name, user_id, status, start_time, end_time, artifact_uri, lifecycle_stage FROM runs \
         WHERE experiment_id = {experiment} AND run_uuid > ?1 ORDER BY run_uuid LIMIT {}",
        super::PAGE
    );
    let infos = database.all(&sql, &[after], |row| info(experiment, row))?;
    let infos = infos.into_iter().collect::<Result<Vec<Info>>>()?;
    let ids: Vec<&str> = infos.iter().map(|info| info.run_id.as_str()).collect();
    let mut more = More::of(database, &ids)?;
    let runs = infos.iter().map(|info| more.run(info.clone())).collect();
    Ok(super::page(runs, |run: &Run| run.info.run_id.clone()))
}

fn info(experiment: i64, mut row: Row) -> Result<Info> {
    let run_id = row.text();
    let (run_name, user_id, status) = (row.text(), row.text(), row.text());
    Ok(Info {
        run_uuid: run_id.clone(),
        run_name,
        experiment_id: experiment.to_string(),
        user_id,
        status: word(&status).ok_or_else(|| {
            Error::shape(format!("run {run_id}"), format!("`{status}` is no status"))
        })?,
        start_time: row.int(),
        end_time: row.number(),
        artifact_uri: row.text(),
        lifecycle_stage: row.text(),
        run_id,
    })
}

fn word(status: &str) -> Option<Status> {
    Some(match status {
        "RUNNING" => Status::Running,
        "SCHEDULED" => Status::Scheduled,
        "FINISHED" => Status::Finished,
        "FAILED" => Status::Failed,
        "KILLED" => Status::Killed,
        _ => return None,
    })
}

/// What was logged to the runs of a page.
struct More {
    params: BTreeMap<String, Vec<Pair>>,
    tags: BTreeMap<String, Vec<Pair>>,
    datasets: BTreeMap<String, Vec<DatasetInput>>,
    inputs: BTreeMap<String, Vec<ModelInput>>,
    outputs: BTreeMap<String, Vec<ModelOutput>>,
}

impl More {
    fn of(database: &mut Database, ids: &[&str]) -> Result<Self> {
        let pairs = |database: &mut Database, table: &str| {
            let sql = format!("SELECT run_uuid, key, value FROM {table} WHERE run_uuid");
            by_owner(database, &sql, ids, "ORDER BY key", pair)
        };
        let models = "SELECT source_id, destination_id, step FROM inputs WHERE source_type";
        Ok(More {
            params: pairs(database, "params")?,
            tags: pairs(database, "tags")?,
            datasets: datasets(database, ids)?,
            inputs: by_owner(
                database,
                &format!(
                    "{models} = 'RUN_INPUT' AND destination_type = 'MODEL_INPUT' AND source_id"
                ),
                ids,
                "ORDER BY destination_id",
                |mut row| ModelInput {
                    model_id: row.text(),
                },
            )?,
            outputs: by_owner(
                database,
                &format!(
                    "{models} = 'RUN_OUTPUT' AND destination_type = 'MODEL_OUTPUT' AND source_id"
                ),
                ids,
                "ORDER BY destination_id",
                |mut row| ModelOutput {
                    model_id: row.text(),
                    step: row.int(),
                },
            )?,
        })
    }

    fn run(&mut self, mut info: Info) -> Run {
        let id = info.run_id.clone();
        let tags = self.tags.remove(&id).unwrap_or_default();
        if info.run_name.is_empty() {
            let named = tags.iter().find(|tag| tag.key == NAME_TAG);
            info.run_name = named.map(|tag| tag.value.clone()).unwrap_or_default();
        }
        Run {
            info,
            data: Data {
                metrics: Vec::new(),
                params: self.params.remove(&id).unwrap_or_default(),
                tags,
            },
            inputs: Inputs {
                dataset_inputs: self.datasets.remove(&id).unwrap_or_default(),
                model_inputs: self.inputs.remove(&id).unwrap_or_default(),
            },
            outputs: Some(Outputs {
                model_outputs: self.outputs.remove(&id).unwrap_or_default(),
            }),
        }
    }
}

fn datasets(database: &mut Database, ids: &[&str]) -> Result<BTreeMap<String, Vec<DatasetInput>>> {
    let before = "SELECT i.destination_id, i.input_uuid, d.name, d.digest, d.dataset_source_type, d.dataset_source, \
                  d.dataset_schema, d.dataset_profile FROM inputs i JOIN datasets d ON d.dataset_uuid = i.source_id \
                  WHERE i.source_type = 'DATASET' AND i.destination_type = 'RUN' AND i.destination_id";
    let after = "ORDER BY d.name, d.digest";
    let used = by_owner(database, before, ids, after, |mut row| {
        (row.text(), dataset(row))
    })?;
    let uses: Vec<&str> = used
        .values()
        .flatten()
        .map(|(input, _)| input.as_str())
        .collect();
    let mut tags = BTreeMap::new();
    for chunk in uses.chunks(super::PAGE) {
        let before = "SELECT input_uuid, name, value FROM input_tags WHERE input_uuid";
        tags.append(&mut by_owner(
            database,
            before,
            chunk,
            "ORDER BY name",
            pair,
        )?);
    }
    let mut with_tags = |(input, dataset): (String, Dataset)| DatasetInput {
        tags: tags.remove(&input).unwrap_or_default(),
        dataset: Some(dataset),
    };
    let mut found = BTreeMap::new();
    for (run, all) in used {
        found.insert(run, all.into_iter().map(&mut with_tags).collect());
    }
    Ok(found)
}

fn dataset(mut row: Row) -> Dataset {
    Dataset {
        name: row.text(),
        digest: row.text(),
        source_type: row.text(),
        source: row.text(),
        schema: row.maybe(),
        profile: row.maybe(),
    }
}

pub(super) fn points(
    database: &mut Database,
    run_id: &str,
    each: &mut dyn FnMut(Vec<Metric>) -> Result<()>,
) -> Result<()> {
    let sql = "SELECT key, value, is_nan, timestamp, step FROM metrics WHERE run_uuid = ?1";
    let mut some = Vec::new();
    database.each(sql, &[run_id], &mut |row| {
        some.push(point(row));
        if some.len() < POINTS {
            return Ok(());
        }
        each(std::mem::take(&mut some))
    })?;
    if some.is_empty() { Ok(()) } else { each(some) }
}

fn point(mut row: Row) -> Metric {
    let key = row.text();
    let value = row.real();
    let value = if row.flag() { None } else { value };
    Metric {
        key,
        value: Double(value.unwrap_or(f64::NAN)),
        timestamp: row.int(),
        step: row.int(),
        dataset_name: None,
        dataset_digest: None,
        model_id: None,
        run_id: None,
    }
}
