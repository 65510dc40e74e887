//! Copies a project's records into an MLflow server, through MLflow's protocol.
//!
//! The protocol gives ids of runs and logged models anew, so each carries the one it had as a tag; that tag is also how a
//! copy finds what an earlier one wrote. Numbers of versions are kept by filling the gaps between them. Times of
//! experiments, models and versions cannot be set, nor can who registered a version. Evaluation datasets get new ids, too,
//! and their records new times.
//! What is there already is completed, never overwritten.

mod evaluation;
mod files;
mod logged;
mod merge;
mod registry;
mod runs;
mod scorers;
mod webhooks;

use crate::{
    error::Result,
    http::Http,
    import::{Options, Progress, labels::Labels},
    report::{Kind, Report},
    source::{
        Source, pages,
        rest::{API, Server},
    },
    traces,
};
use mlflow::{experiments::Experiment, moving::State, tag::Pair};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};

/// The tag of a run that says which run it is a copy of.
pub(crate) const RUN_TAG: &str = "mainspan.source-run";
/// The same of a logged model.
pub(crate) const MODEL_TAG: &str = "mainspan.source-model";

/// One copy.
pub struct Export<'a> {
    source: &'a mut dyn Source,
    there: Server,
    http: Http,
    options: Options,
    progress: Progress<'a>,
    report: Report,
    /// Ids of experiments, runs and logged models there by their ids here.
    experiments: HashMap<String, Home>,
    runs: HashMap<String, String>,
    models: HashMap<String, String>,
    labels: Labels,
}

/// An experiment there.
#[derive(Debug, Clone)]
struct Home {
    id: String,
    /// It is deleted there, and so nothing can be written into it.
    deleted: bool,
    /// It is deleted here.
    to_delete: bool,
}

#[derive(Deserialize)]
struct ByName {
    experiment: Experiment,
}

impl std::fmt::Debug for Export<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Export")
            .field("to", &self.http)
            .finish_non_exhaustive()
    }
}

impl<'a> Export<'a> {
    /// A copy from a source into a server.
    ///
    /// # Errors
    /// When the server does not answer.
    pub fn new(
        source: &'a mut dyn Source,
        to: Http,
        options: Options,
        progress: Progress<'a>,
    ) -> Result<Self> {
        Ok(Export {
            source,
            there: Server::new(to.clone())?,
            http: to,
            options,
            progress,
            report: Report::default(),
            experiments: HashMap::new(),
            runs: HashMap::new(),
            models: HashMap::new(),
            labels: Labels::default(),
        })
    }

    /// Copies everything. What was done is in the report also when an error ends the copy.
    pub fn run(mut self) -> (Report, Result<()>) {
        let ended = self.everything();
        (self.report, ended)
    }

    fn everything(&mut self) -> Result<()> {
        let mut all = Vec::new();
        pages(
            |after| self.source.experiments(after),
            |some| {
                all.extend(some);
                Ok(())
            },
        )?;
        for one in &all {
            self.doing(&format!("experiment {}", one.name));
            self.experiment(one)?;
            self.known_runs(&one.experiment_id)?;
            self.new_runs(&one.experiment_id)?;
        }
        for one in &all {
            self.doing(&format!("logged models of {}", one.name));
            self.logged_models(&one.experiment_id)?;
        }
        for one in &all {
            self.doing(&format!("runs of {}", one.name));
            self.fill_runs(&one.experiment_id)?;
        }
        self.doing("registered models");
        self.registry()?;
        self.doing("evaluation datasets");
        for one in &all {
            self.scorers(&one.experiment_id)?;
        }
        self.evaluation_datasets()?;
        self.doing("webhooks");
        self.webhooks()?;
        for one in &all {
            self.doing(&format!("traces of {}", one.name));
            self.traces(&one.experiment_id)?;
        }
        for one in &all {
            self.close(&one.experiment_id)?;
        }
        Ok(())
    }

    fn doing(&mut self, what: &str) {
        (self.progress)(&self.report, what);
    }

    fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.http.post(&format!("{API}/{path}"), body)
    }

    /// Makes the experiment of that name, or completes it.
    fn experiment(&mut self, here: &Experiment) -> Result<()> {
        let found = self.experiment_there(&here.name)?;
        let state = match &found {
            None => {
                self.post(
                    "experiments/create",
                    &json!({ "name": here.name, "tags": here.tags }),
                )?;
                State::Copied
            }
            Some(there) => self.experiment_tags(here, there)?,
        };
        let Some(there) = self.experiment_there(&here.name)? else {
            return Err(crate::error::Error::shape(
                "a new experiment",
                "it is not there",
            ));
        };
        let home = Home {
            deleted: there.lifecycle_stage == "deleted",
            to_delete: here.lifecycle_stage == "deleted",
            id: there.experiment_id,
        };
        self.experiments.insert(here.experiment_id.clone(), home);
        self.report.count(Kind::Experiments).found += 1;
        let why = "its tags differ";
        self.report
            .tell(Kind::Experiments, &here.name, state, Some(why));
        Ok(())
    }

    fn experiment_there(&self, name: &str) -> Result<Option<Experiment>> {
        let path = format!("{API}/experiments/get-by-name");
        match self.http.get::<ByName>(&path, &[("experiment_name", name)]) {
            Ok(found) => Ok(Some(found.experiment)),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn experiment_tags(&self, here: &Experiment, there: &Experiment) -> Result<State> {
        let (old, new) = (map(&there.tags), map(&here.tags));
        let missing = merge::missing(&old, &new);
        for (key, value) in &missing {
            let tag = json!({ "experiment_id": there.experiment_id, "key": key, "value": value });
            self.post("experiments/set-experiment-tag", &tag)?;
        }
        Ok(if merge::differs(&old, &new) {
            State::Different
        } else if missing.is_empty() {
            State::Same
        } else {
            State::Updated
        })
    }

    /// The id of an experiment there, which can be written into from now on.
    fn writable(&mut self, experiment: &str) -> Result<String> {
        let Some(home) = self.experiments.get(experiment).cloned() else {
            return Ok(experiment.to_owned());
        };
        if home.deleted {
            self.post("experiments/restore", &json!({ "experiment_id": home.id }))?;
            let home = Home {
                deleted: false,
                ..home.clone()
            };
            self.experiments.insert(experiment.to_owned(), home);
        }
        Ok(home.id)
    }

    fn traces(&mut self, experiment: &str) -> Result<()> {
        let mut after = None;
        while self.options.traces {
            let page = self.source.traces(experiment, after.as_deref())?;
            if !page.items.is_empty() {
                let home = self.writable(experiment)?;
                let known = |id: &str| self.runs.get(id).or_else(|| self.models.get(id));
                let into = traces::Into {
                    http: &self.http,
                    base: "",
                    experiment: &home,
                    rename: &|id| known(id).map_or(id, String::as_str).to_owned(),
                };
                into.put_all(&page.items, &mut self.report)?;
            }
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        Ok(())
    }

    /// Deletes what is deleted here.
    fn close(&mut self, experiment: &str) -> Result<()> {
        match self.experiments.get(experiment) {
            Some(home) if home.to_delete && !home.deleted => self
                .post("experiments/delete", &json!({ "experiment_id": home.id }))
                .map(drop),
            _ => Ok(()),
        }
    }
}

/// Pairs by key.
fn map(pairs: &[Pair]) -> BTreeMap<String, String> {
    let pairs = pairs.iter();
    pairs
        .map(|pair| (pair.key.clone(), pair.value.clone()))
        .collect()
}
