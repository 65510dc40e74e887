//! Runs: first all of them as shells, so that they can name each other, then what was logged to them.

use super::{Export, RUN_TAG, map, merge};
use crate::{
    error::Result,
    report::Kind,
    source::{Owner, Place, Source, pages},
};
use mlflow::{
    moving::State,
    runs::{Metric, Run, Status},
    tally::{Shown, Tally},
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The protocol's limits for one call.
const PAIRS: usize = 100;
const POINTS: usize = 1000;
/// The tag of a run that is nested under another.
const PARENT_TAG: &str = "mlflow.parentRunId";
/// The tag in which clients keep which models a run has logged, with the run's id in it.
const HISTORY_TAG: &str = "mlflow.log-model.history";

#[derive(Deserialize)]
struct Got {
    run: Run,
}

impl Export<'_> {
    /// Finds the runs that an earlier copy made.
    pub(super) fn known_runs(&mut self, experiment: &str) -> Result<()> {
        let Some(home) = self.experiments.get(experiment).cloned() else {
            return Ok(());
        };
        let (there, known) = (&mut self.there, &mut self.runs);
        pages(
            |after| there.runs(&home.id, after),
            |some| {
                for run in some {
                    let copied = run.data.tags.into_iter().find(|tag| tag.key == RUN_TAG);
                    known.extend(copied.map(|tag| (tag.value, run.info.run_id)));
                }
                Ok(())
            },
        )
    }

    /// Starts the runs that are not there.
    pub(super) fn new_runs(&mut self, experiment: &str) -> Result<()> {
        let mut after = None;
        loop {
            let page = self.source.runs(experiment, after.as_deref())?;
            for run in page.items {
                if !self.runs.contains_key(&run.info.run_id) {
                    self.start(experiment, &run)?;
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }

    fn start(&mut self, experiment: &str, run: &Run) -> Result<()> {
        let home = self.writable(experiment)?;
        let tag = json!([{ "key": RUN_TAG, "value": run.info.run_id }]);
        let asked = json!({
            "experiment_id": home,
            "user_id": run.info.user_id,
            "run_name": run.info.run_name,
            "start_time": run.info.start_time,
            "tags": tag,
        });
        let made: Got = serde_json::from_value(self.post("runs/create", &asked)?)
            .map_err(|error| crate::error::Error::shape("a new run", error))?;
        self.runs
            .insert(run.info.run_id.clone(), made.run.info.run_id);
        Ok(())
    }

    /// Writes what was logged to the runs of an experiment.
    pub(super) fn fill_runs(&mut self, experiment: &str) -> Result<()> {
        let mut after = None;
        loop {
            let page = self.source.runs(experiment, after.as_deref())?;
            for run in page.items {
                self.fill(experiment, &run)?;
                self.doing("runs");
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }

    fn fill(&mut self, experiment: &str, run: &Run) -> Result<()> {
        self.report.count(Kind::Runs).found += 1;
        let id = run.info.run_id.clone();
        let Some(to) = self.runs.get(&id).cloned() else {
            self.report.tell(
                Kind::Runs,
                &id,
                State::Failed,
                Some("it could not be started"),
            );
            return Ok(());
        };
        let wanted = self.wanted(run, &to);
        let before = self.run_there(&to)?;
        let points = self.tally_here(run)?;
        let had = self.tally_there(&before)?;
        self.report.count(Kind::MetricPoints).found += points.points;
        if shape(&before) == wanted && had == points {
            self.report.tell(Kind::Runs, &id, State::Same, None);
            self.report.count(Kind::MetricPoints).there_already += points.points;
            return self.run_files(run, &before);
        }
        self.writable(experiment)?;
        if before.info.lifecycle_stage == "deleted" {
            self.post("runs/restore", &json!({ "run_id": to }))?;
        }
        let written = self.write(run, &to, &before, &points, &had);
        // What the server refuses is said of the run, and the others go on.
        let refused = match written {
            Err(error) if error.is_refusal() => Some(error.to_string()),
            other => other.map(|()| None)?,
        };
        self.run_files(run, &before)?;
        if run.info.lifecycle_stage == "deleted" {
            self.post("runs/delete", &json!({ "run_id": to }))?;
        }
        self.tell_run(run, &wanted, &before, (&points, &had), refused)
    }

    fn tell_run(
        &mut self,
        run: &Run,
        wanted: &Value,
        before: &Run,
        (points, had): (&Shown, &Shown),
        refused: Option<String>,
    ) -> Result<()> {
        let id = &run.info.run_id;
        let after = self.run_there(&before.info.run_id)?;
        let is_new = before.data.tags.len() <= 2;
        let (state, why) = match differing(&shape(&after), wanted) {
            _ if refused.is_some() => (State::Failed, refused),
            Some(fields) => (State::Different, Some(fields)),
            None if is_new => (State::Copied, None),
            None => (State::Updated, None),
        };
        self.report.tell(Kind::Runs, id, state, why.as_deref());
        let has = self.tally_there(&after)?;
        let count = self.report.count(Kind::MetricPoints);
        count.there_already += had.points.min(points.points);
        if has == *points {
            count.copied += points.points.saturating_sub(had.points);
            return Ok(());
        }
        let why = format!(
            "{} of {} points are there, or others",
            has.points, points.points
        );
        self.report
            .tell(Kind::MetricPoints, id, State::Different, Some(&why));
        Ok(())
    }

    fn run_there(&self, id: &str) -> Result<Run> {
        let path = format!("{}/runs/get", crate::source::rest::API);
        Ok(self.http.get::<Got>(&path, &[("run_id", id)])?.run)
    }

    /// The run as it should be there.
    fn wanted(&self, run: &Run, to: &str) -> Value {
        let mut run = run.clone();
        for tag in &mut run.data.tags {
            if tag.key == PARENT_TAG {
                tag.value = self.runs.get(&tag.value).unwrap_or(&tag.value).clone();
            } else if tag.key == HISTORY_TAG {
                tag.value = tag.value.replace(&run.info.run_id, to);
            }
        }
        let tag = mlflow::tag::Pair::new(RUN_TAG, &run.info.run_id);
        run.data.tags.push(tag);
        for input in &mut run.inputs.model_inputs {
            input.model_id = self.model(&input.model_id);
        }
        for output in run
            .outputs
            .iter_mut()
            .flat_map(|all| &mut all.model_outputs)
        {
            output.model_id = self.model(&output.model_id);
        }
        shape(&run)
    }

    /// The id of a logged model there.
    fn model(&self, id: &str) -> String {
        self.models
            .get(id)
            .cloned()
            .unwrap_or_else(|| id.to_owned())
    }

    fn tally_here(&mut self, run: &Run) -> Result<Shown> {
        tally(self.source, run)
    }

    fn tally_there(&mut self, run: &Run) -> Result<Shown> {
        tally(&mut self.there, run)
    }

    fn write(
        &mut self,
        run: &Run,
        to: &str,
        before: &Run,
        points: &Shown,
        had: &Shown,
    ) -> Result<()> {
        let wanted = self.wanted(run, to);
        let pairs = |field: &str| -> BTreeMap<String, String> {
            serde_json::from_value(wanted[field].clone()).unwrap_or_default()
        };
        let params = merge::missing(&map(&before.data.params), &pairs("params"));
        let tags = merge::missing(&map(&before.data.tags), &pairs("tags"));
        for (field, missing) in [("params", params), ("tags", tags)] {
            for some in missing.chunks(PAIRS) {
                let some: Vec<Value> = some
                    .iter()
                    .map(|(key, value)| json!({ "key": key, "value": value }))
                    .collect();
                self.post("runs/log-batch", &json!({ "run_id": to, field: some }))?;
            }
        }
        self.inputs(run, to, before)?;
        if points != had {
            self.points(run, to)?;
        }
        if run.info.status != before.info.status && before.info.status == Status::Running {
            let asked =
                json!({ "run_id": to, "status": run.info.status, "end_time": run.info.end_time });
            self.post("runs/update", &asked)?;
        }
        Ok(())
    }

    fn inputs(&self, run: &Run, to: &str, before: &Run) -> Result<()> {
        let inputs = &run.inputs;
        let known: BTreeSet<_> = before.inputs.dataset_inputs.iter().map(name_of).collect();
        let datasets: Vec<_> = inputs
            .dataset_inputs
            .iter()
            .filter(|one| !known.contains(&name_of(one)))
            .collect();
        let models: Vec<_> = inputs
            .model_inputs
            .iter()
            .map(|one| json!({ "model_id": self.model(&one.model_id) }))
            .collect();
        if !datasets.is_empty() || !models.is_empty() {
            let asked = json!({ "run_id": to, "datasets": datasets, "models": models });
            self.post("runs/log-inputs", &asked)?;
        }
        let known: BTreeSet<&str> = outputs(before).map(|one| one.model_id.as_str()).collect();
        let made: Vec<_> = outputs(run)
            .map(|one| (self.model(&one.model_id), one.step))
            .filter(|(id, _)| !known.contains(id.as_str()))
            .map(|(id, step)| json!({ "model_id": id, "step": step }))
            .collect();
        if made.is_empty() {
            return Ok(());
        }
        self.post("runs/outputs", &json!({ "run_id": to, "models": made }))
            .map(drop)
    }

    /// Sends all points: those that are there already change nothing.
    fn points(&mut self, run: &Run, to: &str) -> Result<()> {
        let (labels, models) = (&self.labels, &self.models);
        let http = &self.http;
        self.source.points(run, &mut |points| {
            let mut points = labels.put(&run.info.run_id, points);
            for point in &mut points {
                point.model_id = point
                    .model_id
                    .as_ref()
                    .map(|id| models.get(id).unwrap_or(id).clone());
                point.run_id = None;
            }
            for some in points.chunks(POINTS) {
                let asked = json!({ "run_id": to, "metrics": some });
                http.post::<Value>(
                    &format!("{}/runs/log-batch", crate::source::rest::API),
                    &asked,
                )?;
            }
            Ok(())
        })
    }

    fn run_files(&mut self, run: &Run, there: &Run) -> Result<()> {
        let place = |run: &Run| Place {
            owner: Owner::Run(run.info.run_id.clone()),
            uri: run.info.artifact_uri.clone(),
        };
        self.files(&place(run), &place(there))
    }
}

fn outputs(run: &Run) -> impl Iterator<Item = &mlflow::runs::ModelOutput> {
    run.outputs.iter().flat_map(|all| &all.model_outputs)
}

fn name_of(input: &mlflow::runs::DatasetInput) -> (String, String) {
    let dataset = input.dataset.clone().unwrap_or_default();
    (dataset.name, dataset.digest)
}

/// The points of a run as MLflow counts them: the same one twice is one.
fn tally(source: &mut dyn Source, run: &Run) -> Result<Shown> {
    let mut tally = Tally::default();
    let mut last: Option<Metric> = None;
    source.points(run, &mut |points| {
        for point in points {
            let plain = Metric {
                model_id: None,
                dataset_name: None,
                dataset_digest: None,
                run_id: None,
                value: finite(point.value),
                ..point
            };
            let again = last.as_ref().is_some_and(|last| same(last, &plain));
            if !again {
                tally.add(&plain);
            }
            last = Some(plain);
        }
        Ok(())
    })?;
    Ok(tally.shown())
}

fn same(a: &Metric, b: &Metric) -> bool {
    let values = a.value == b.value || (a.value.0.is_nan() && b.value.0.is_nan());
    values && (&a.key, a.timestamp, a.step) == (&b.key, b.timestamp, b.step)
}

/// MLflow keeps the largest double in place of an infinity.
fn finite(value: mlflow::tag::Double) -> mlflow::tag::Double {
    mlflow::tag::Double(if value.0.is_nan() {
        value.0
    } else {
        value.0.clamp(-MAX, MAX)
    })
}

/// The number that MLflow writes for infinity.
const MAX: f64 = 1.797_693_134_862_315_7e308;

/// What of a run is compared.
fn shape(run: &Run) -> Value {
    let mut datasets: Vec<_> = run.inputs.dataset_inputs.iter().map(name_of).collect();
    datasets.sort();
    let mut inputs: Vec<_> = run
        .inputs
        .model_inputs
        .iter()
        .map(|one| &one.model_id)
        .collect();
    inputs.sort();
    let mut outputs: Vec<_> = outputs(run).map(|one| &one.model_id).collect();
    outputs.sort();
    json!({
        "name": run.info.run_name,
        "status": run.info.status,
        "start_time": run.info.start_time,
        "end_time": run.info.end_time,
        "lifecycle_stage": run.info.lifecycle_stage,
        "params": map(&run.data.params),
        "tags": map(&run.data.tags),
        "datasets": datasets,
        "model_inputs": inputs,
        "model_outputs": outputs,
    })
}

/// The fields that differ.
fn differing(there: &Value, wanted: &Value) -> Option<String> {
    let fields = wanted.as_object().into_iter().flatten();
    let fields: Vec<&str> = fields
        .filter(|(key, value)| there[key.as_str()] != **value)
        .map(|(key, _)| key.as_str())
        .collect();
    (!fields.is_empty()).then(|| format!("differs in {}", fields.join(", ")))
}
