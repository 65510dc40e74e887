//! Logged models, under new ids.

use super::{Export, MODEL_TAG, map};
use crate::{
    error::{Error, Result},
    http::escape,
    report::Kind,
    source::{Owner, Place, Source as _, pages, rest::API},
};
use mlflow::{logged_models::LoggedModel, moving::State};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The tag that a server sets by itself when a version is registered.
const VERSIONS_TAG: &str = "mlflow.modelVersions";

#[derive(Deserialize)]
struct Made {
    model: LoggedModel,
}

impl Export<'_> {
    pub(super) fn logged_models(&mut self, experiment: &str) -> Result<()> {
        let known = self.known_models(experiment)?;
        let mut after = None;
        loop {
            let page = self.source.logged_models(experiment, after.as_deref())?;
            for model in page.items {
                self.labels.learn(&model);
                self.report.count(Kind::LoggedModels).found += 1;
                let id = model.info.model_id.clone();
                match self.logged_model(experiment, &model, known.get(&id)) {
                    Ok(state) => {
                        self.report
                            .tell(Kind::LoggedModels, &id, state, Some("it differs"));
                    }
                    Err(error) if error.is_refusal() => {
                        let why = error.to_string();
                        self.report
                            .tell(Kind::LoggedModels, &id, State::Failed, Some(&why));
                    }
                    Err(error) => return Err(error),
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }

    fn known_models(&mut self, experiment: &str) -> Result<BTreeMap<String, LoggedModel>> {
        let mut known = BTreeMap::new();
        let Some(home) = self.experiments.get(experiment).cloned() else {
            return Ok(known);
        };
        let there = &mut self.there;
        pages(
            |after| there.logged_models(&home.id, after),
            |some| {
                for model in some {
                    let tags = map(&model.info.tags);
                    known.extend(tags.get(MODEL_TAG).map(|id| (id.clone(), model)));
                }
                Ok(())
            },
        )?;
        Ok(known)
    }

    fn logged_model(
        &mut self,
        experiment: &str,
        here: &LoggedModel,
        known: Option<&LoggedModel>,
    ) -> Result<State> {
        let there = match known {
            Some(there) => there.clone(),
            None => self.make_model(experiment, here)?,
        };
        let id = there.info.model_id.clone();
        self.models.insert(here.info.model_id.clone(), id.clone());
        let place = |model: &LoggedModel| Place {
            owner: Owner::Model(model.info.model_id.clone()),
            uri: model.info.artifact_uri.clone(),
        };
        self.files(&place(here), &place(&there))?;
        let mut state = if known.is_some() {
            State::Same
        } else {
            State::Copied
        };
        let final_ones = ["LOGGED_MODEL_READY", "LOGGED_MODEL_UPLOAD_FAILED"];
        if there.info.status != here.info.status && final_ones.contains(&here.info.status.as_str())
        {
            let path = format!("{API}/logged-models/{}", escape(&id));
            let asked = json!({ "model_id": id, "status": here.info.status });
            self.http.send::<Value>(&Method::PATCH, &path, &asked)?;
            state = state.min(State::Updated);
        }
        let of = |model: &LoggedModel| {
            (
                model.info.name.clone(),
                model.info.model_type.clone(),
                map(&model.data.params),
            )
        };
        Ok(if of(here) == of(&there) {
            state
        } else {
            State::Different
        })
    }

    fn make_model(&mut self, experiment: &str, here: &LoggedModel) -> Result<LoggedModel> {
        let home = self.writable(experiment)?;
        let run = Some(&here.info.source_run_id).filter(|id| !id.is_empty());
        let run = run.map(|id| self.runs.get(id).unwrap_or(id).clone());
        let mut tags: Vec<Value> = here
            .info
            .tags
            .iter()
            .filter(|tag| tag.key != VERSIONS_TAG)
            .map(|tag| json!(tag))
            .collect();
        tags.push(json!({ "key": MODEL_TAG, "value": here.info.model_id }));
        let asked = json!({
            "experiment_id": home,
            "name": here.info.name,
            "model_type": here.info.model_type,
            "source_run_id": run,
            "params": here.data.params,
            "tags": tags,
        });
        let made: Made = serde_json::from_value(self.post("logged-models", &asked)?)
            .map_err(|error| Error::shape("a new logged model", error))?;
        Ok(made.model)
    }
}
