//! Versions of scorers under their own numbers.
//!
//! The server gives the number behind the highest one that is there. Numbers that are free here are taken there, and given
//! up once all versions are there: one that was given up at the end would be given again.

use super::Export;
use crate::{
    error::Result,
    report::Kind,
    source::{Source as _, rest::API_3},
};
use mlflow::{
    moving::State,
    scorers::{Scorer, same},
};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What stands for a version that is not here.
const FILLER: &str = r#"{"mainspan":"this number is not in use"}"#;

#[derive(Deserialize)]
struct Registered {
    version: u32,
}

/// One scorer there.
struct There<'n> {
    experiment: String,
    name: &'n str,
    versions: BTreeMap<u32, String>,
}

impl Export<'_> {
    pub(super) fn scorers(&mut self, experiment: &str) -> Result<()> {
        let mut by_name: BTreeMap<String, Vec<Scorer>> = BTreeMap::new();
        for one in self.source.scorers(experiment)? {
            by_name
                .entry(one.scorer_name.clone())
                .or_default()
                .push(one);
        }
        if by_name.is_empty() {
            return Ok(());
        }
        let home = self.writable(experiment)?;
        let known = self.there.scorers(&home)?;
        for (name, versions) in &by_name {
            let known = known.iter().filter(|one| one.scorer_name == *name);
            let there = There {
                experiment: home.clone(),
                name,
                versions: known
                    .map(|one| (one.scorer_version, one.serialized_scorer.clone()))
                    .collect(),
            };
            self.scorer(versions, there)?;
        }
        Ok(())
    }

    fn scorer(&mut self, here: &[Scorer], mut there: There<'_>) -> Result<()> {
        for one in here {
            self.report.count(Kind::Scorers).found += 1;
            let (state, why) = match there.versions.get(&one.scorer_version) {
                Some(known) if same(known, &one.serialized_scorer) => (State::Same, None),
                Some(_) => (
                    State::Different,
                    Some("another one has this number there".to_owned()),
                ),
                None => match self.register_scorer(one, &mut there) {
                    Err(error) if error.is_refusal() => (State::Failed, Some(error.to_string())),
                    other => other?,
                },
            };
            let shown = format!("{}/{}", one.scorer_name, one.scorer_version);
            self.report
                .tell(Kind::Scorers, &shown, state, why.as_deref());
        }
        let fillers = there
            .versions
            .iter()
            .filter(|(_, known)| same(known, FILLER));
        for (number, _) in fillers {
            let asked =
                json!({ "experiment_id": there.experiment, "name": there.name, "version": number });
            let path = format!("{API_3}/scorers/delete");
            self.http.send::<Value>(&Method::DELETE, &path, &asked)?;
        }
        Ok(())
    }

    fn register_scorer(
        &self,
        one: &Scorer,
        there: &mut There<'_>,
    ) -> Result<(State, Option<String>)> {
        loop {
            let next = there.versions.keys().next_back().map_or(1, |last| last + 1);
            let serialized = if next < one.scorer_version {
                FILLER
            } else {
                &one.serialized_scorer
            };
            if next > one.scorer_version {
                let why = "the server gives higher numbers already";
                return Ok((State::Failed, Some(why.to_owned())));
            }
            let asked = json!({ "experiment_id": there.experiment, "name": there.name, "serialized_scorer": serialized });
            let made: Registered = self
                .http
                .post(&format!("{API_3}/scorers/register"), &asked)?;
            there.versions.insert(made.version, serialized.to_owned());
            if made.version == one.scorer_version && serialized == one.serialized_scorer {
                return Ok((State::Copied, None));
            }
        }
    }
}
