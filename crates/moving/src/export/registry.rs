//! Registered models, prompts, versions and aliases.
//!
//! The server gives the next number to each new version. A number that is free here is taken there and given up again, so
//! that the versions after it keep theirs.

use super::{Export, map, merge};
use crate::{
    error::{Error, Result},
    report::Kind,
    source::{Named, Source as _, is_prompt, pages, rest::API},
};
use mlflow::{
    artifacts::proxy_path,
    moving::State,
    registry::{ModelVersion, RegisteredModel},
};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The tag of a version that says which version it was meant to be.
const VERSION_TAG: &str = "mainspan.source-version";

#[derive(Deserialize)]
struct GotModel {
    registered_model: RegisteredModel,
}

#[derive(Deserialize)]
struct GotVersion {
    model_version: ModelVersion,
}

impl Export<'_> {
    pub(super) fn registry(&mut self) -> Result<()> {
        let mut after = None;
        loop {
            let page = self.source.models(after.as_deref())?;
            for named in page.items {
                self.registered(named)?;
                self.doing("registered models");
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }

    fn registered(&mut self, named: Named) -> Result<()> {
        let Named { model, .. } = named;
        let kind = if is_prompt(&model) {
            Kind::Prompts
        } else {
            Kind::Models
        };
        self.report.count(kind).found += 1;
        let state = match self.model_there(&model.name)? {
            None => {
                let asked = json!({ "name": model.name, "tags": model.tags, "description": model.description });
                match self.post("registered-models/create", &asked) {
                    Ok(_) => State::Copied,
                    Err(error) if error.is_refusal() => {
                        let why = error.to_string();
                        self.report
                            .tell(kind, &model.name, State::Failed, Some(&why));
                        return Ok(());
                    }
                    Err(error) => return Err(error),
                }
            }
            Some(there) => self.complete(&model, &there)?,
        };
        self.report.tell(
            kind,
            &model.name,
            state,
            Some("its tags or description differ"),
        );
        self.versions(&model)?;
        self.aliases(&model)
    }

    fn model_there(&self, name: &str) -> Result<Option<RegisteredModel>> {
        match self
            .http
            .get::<GotModel>(&format!("{API}/registered-models/get"), &[("name", name)])
        {
            Ok(got) => Ok(Some(got.registered_model)),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn complete(&self, here: &RegisteredModel, there: &RegisteredModel) -> Result<State> {
        let (old, new) = (map(&there.tags), map(&here.tags));
        let missing = merge::missing(&old, &new);
        for (key, value) in &missing {
            let tag = json!({ "name": here.name, "key": key, "value": value });
            self.post("registered-models/set-tag", &tag)?;
        }
        Ok(
            if merge::differs(&old, &new) || there.description != here.description {
                State::Different
            } else if missing.is_empty() {
                State::Same
            } else {
                State::Updated
            },
        )
    }

    fn versions(&mut self, model: &RegisteredModel) -> Result<()> {
        let mut known = self.known_versions(model)?;
        let mut after = None;
        loop {
            let page = self.source.versions(model, after.as_deref())?;
            let mut versions = page.items;
            versions.sort_by_key(|one| one.version.parse::<u32>().unwrap_or_default());
            for version in versions {
                self.report.count(Kind::Versions).found += 1;
                let shown = format!("{}/{}", model.name, version.version);
                let told = match known.remove(&version.version) {
                    Some(there) => self.compare(&version, &there),
                    None => self.register(&version),
                };
                match told {
                    Ok((state, why)) => {
                        self.report
                            .tell(Kind::Versions, &shown, state, why.as_deref());
                    }
                    Err(error) if error.is_refusal() => {
                        let why = error.to_string();
                        self.report
                            .tell(Kind::Versions, &shown, State::Failed, Some(&why));
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

    /// The versions there; those that an earlier copy took only to give them up are given up.
    fn known_versions(
        &mut self,
        model: &RegisteredModel,
    ) -> Result<BTreeMap<String, ModelVersion>> {
        let mut known = BTreeMap::new();
        let there = &mut self.there;
        pages(
            |after| there.versions(model, after),
            |some| {
                known.extend(some.into_iter().map(|one| (one.version.clone(), one)));
                Ok(())
            },
        )?;
        let mistaken = known.values().filter(|one| {
            map(&one.tags)
                .get(VERSION_TAG)
                .is_some_and(|meant| *meant != one.version)
        });
        for number in mistaken.map(|one| one.version.clone()).collect::<Vec<_>>() {
            self.give_up(&model.name, &number)?;
            known.remove(&number);
        }
        Ok(known)
    }

    fn give_up(&self, name: &str, version: &str) -> Result<()> {
        let path = format!("{API}/model-versions/delete");
        let asked = json!({ "name": name, "version": version });
        self.http
            .send::<Value>(&Method::DELETE, &path, &asked)
            .map(drop)
    }

    fn register(&mut self, here: &ModelVersion) -> Result<(State, Option<String>)> {
        let meant: u32 = here.version.parse().unwrap_or_default();
        let asked = self.asked(here);
        loop {
            let made: GotVersion =
                serde_json::from_value(self.post("model-versions/create", &asked)?)
                    .map_err(|error| Error::shape("a new version", error))?;
            let made = made.model_version;
            let number: u32 = made.version.parse().unwrap_or_default();
            if number == meant {
                self.finish(here)?;
                return Ok((State::Copied, None));
            }
            self.give_up(&here.name, &made.version)?;
            if number > meant {
                let why =
                    "the number was given to another version there, and numbers are given once";
                return Ok((State::Failed, Some(why.to_owned())));
            }
        }
    }

    fn asked(&self, here: &ModelVersion) -> Value {
        let run = self.runs.get(&here.run_id).unwrap_or(&here.run_id);
        let mut tags: Vec<Value> = here.tags.iter().map(|tag| json!(tag)).collect();
        tags.push(json!({ "key": VERSION_TAG, "value": here.version }));
        let (source, model_id) = self.place(here, run);
        let mut asked = json!({
            "name": here.name,
            "source": source,
            "tags": tags,
            "description": here.description,
        });
        if !run.is_empty() {
            asked["run_id"] = json!(run);
        }
        if let Some(id) = model_id {
            asked["model_id"] = json!(id);
        }
        asked
    }

    /// The source of a version there, and the logged model that it is.
    fn place(&self, here: &ModelVersion, run: &str) -> (String, Option<String>) {
        let source = &here.source;
        if let Some(rest) = source.strip_prefix("models:/m-") {
            let (hex, below) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let id = format!("m-{hex}");
            let id = self.models.get(&id).cloned().unwrap_or(id);
            return (format!("models:/{id}{below}"), Some(id));
        }
        if let Some(rest) = source.strip_prefix("runs:/") {
            let (id, below) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let id = self.runs.get(id).map_or(id, String::as_str);
            return (format!("runs:/{id}{below}"), None);
        }
        // A place among a run's files, by the name that works whatever the server's root is.
        let below = proxy_path(source)
            .and_then(|_| source.split_once(&format!("/{}/artifacts", here.run_id)));
        match below {
            Some((_, below)) if !run.is_empty() => (format!("runs:/{run}{below}"), None),
            _ => (source.clone(), None),
        }
    }

    fn finish(&self, here: &ModelVersion) -> Result<()> {
        if !here.current_stage.is_empty() && here.current_stage != "None" {
            let asked = json!({
                "name": here.name,
                "version": here.version,
                "stage": here.current_stage,
                "archive_existing_versions": false,
            });
            self.post("model-versions/transition-stage", &asked)?;
        }
        Ok(())
    }

    fn compare(
        &self,
        here: &ModelVersion,
        there: &ModelVersion,
    ) -> Result<(State, Option<String>)> {
        let mut state = State::Same;
        let (old, new) = (map(&there.tags), map(&here.tags));
        for (key, value) in merge::missing(&old, &new) {
            let tag =
                json!({ "name": here.name, "version": here.version, "key": key, "value": value });
            self.post("model-versions/set-tag", &tag)?;
            state = State::Updated;
        }
        if there.current_stage != here.current_stage && there.current_stage == "None" {
            self.finish(here)?;
            state = State::Updated;
        }
        let other = [
            ("tags", merge::differs(&old, &new)),
            ("description", here.description != there.description),
            ("origin", !old.contains_key(VERSION_TAG)),
        ];
        let other: Vec<&str> = other
            .iter()
            .filter(|(_, other)| *other)
            .map(|(name, _)| *name)
            .collect();
        Ok(if other.is_empty() {
            (state, None)
        } else {
            (
                State::Different,
                Some(format!("differs in {}", other.join(", "))),
            )
        })
    }

    fn aliases(&mut self, model: &RegisteredModel) -> Result<()> {
        let there = self.model_there(&model.name)?;
        let there: BTreeMap<_, _> = there
            .iter()
            .flat_map(|there| &there.aliases)
            .map(|alias| (alias.alias.clone(), alias.version.clone()))
            .collect();
        for alias in &model.aliases {
            self.report.count(Kind::Aliases).found += 1;
            let shown = format!("{}@{}", model.name, alias.alias);
            let (state, why) = match there.get(&alias.alias) {
                Some(version) if *version == alias.version => (State::Same, None),
                Some(version) => (State::Different, Some(format!("points at {version}"))),
                None => {
                    let asked = json!({ "name": model.name, "alias": alias.alias, "version": alias.version });
                    match self.post("registered-models/alias", &asked) {
                        Ok(_) => (State::Copied, None),
                        Err(error) if error.is_refusal() => {
                            (State::Failed, Some(error.to_string()))
                        }
                        Err(error) => return Err(error),
                    }
                }
            };
            self.report
                .tell(Kind::Aliases, &shown, state, why.as_deref());
        }
        Ok(())
    }
}
