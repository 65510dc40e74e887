//! Evaluation datasets under new ids, with their records: which one a record is, its inputs say.

use super::{Export, merge};
use crate::{
    error::{Error, Result},
    http::escape,
    report::Kind,
    source::{Source, pages, rest::API_3},
};
use mlflow::{
    evaluation_datasets::{self as wire, Dataset, Record},
    moving::State,
};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// The tag of an evaluation dataset that says which one it is a copy of.
const DATASET_TAG: &str = "mainspan.source-dataset";
/// How many records one call brings.
const RECORDS: usize = 100;

/// What tells two values apart, in few bytes.
type Mark = [u8; 32];

#[derive(Deserialize)]
struct Made {
    dataset: Dataset,
}

/// A record that was sent.
struct Sent {
    id: String,
    inputs: Mark,
    content: Mark,
}

impl Export<'_> {
    pub(super) fn evaluation_datasets(&mut self) -> Result<()> {
        let known = self.known_datasets()?;
        let mut after = None;
        loop {
            let page = self.source.evaluation_datasets(after.as_deref())?;
            for dataset in page.items {
                self.evaluation_dataset(&dataset, known.get(&dataset.dataset_id))?;
                self.doing("evaluation datasets");
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }

    /// The datasets that an earlier copy made, by their ids here.
    fn known_datasets(&mut self) -> Result<BTreeMap<String, Dataset>> {
        let mut known = BTreeMap::new();
        let there = &mut self.there;
        pages(
            |after| there.evaluation_datasets(after),
            |some| {
                for dataset in some {
                    let id = tags(&dataset)?.remove(DATASET_TAG);
                    known.extend(id.map(|id| (id, dataset)));
                }
                Ok(())
            },
        )?;
        Ok(known)
    }

    fn evaluation_dataset(&mut self, here: &Dataset, known: Option<&Dataset>) -> Result<()> {
        let shown = format!("{} ({})", here.name, here.dataset_id);
        self.report.count(Kind::EvaluationDatasets).found += 1;
        let known_homes = here.experiment_ids.iter();
        let homes: BTreeSet<String> = known_homes
            .filter_map(|id| self.experiments.get(id))
            .map(|home| home.id.clone())
            .collect();
        let written = match known {
            Some(there) => self.complete_dataset(here, there, &homes),
            None => self.make_dataset(here, &homes),
        };
        let (id, state) = match written {
            Err(error) if error.is_refusal() => {
                let why = error.to_string();
                self.report
                    .tell(Kind::EvaluationDatasets, &shown, State::Failed, Some(&why));
                return Ok(());
            }
            other => other?,
        };
        let why = "its name or its tags differ";
        self.report
            .tell(Kind::EvaluationDatasets, &shown, state, Some(why));
        self.evaluation_records(&here.dataset_id, &id)
    }

    fn make_dataset(&self, here: &Dataset, homes: &BTreeSet<String>) -> Result<(String, State)> {
        let mut tags = tags(here)?;
        tags.insert(DATASET_TAG.to_owned(), here.dataset_id.clone());
        let asked =
            json!({ "name": here.name, "experiment_ids": homes, "tags": json!(tags).to_string() });
        let made: Made = self
            .http
            .post(&format!("{API_3}/datasets/create"), &asked)?;
        Ok((made.dataset.dataset_id, State::Copied))
    }

    fn complete_dataset(
        &self,
        here: &Dataset,
        there: &Dataset,
        homes: &BTreeSet<String>,
    ) -> Result<(String, State)> {
        let at = format!("{API_3}/datasets/{}", escape(&there.dataset_id));
        let (old, new) = (tags(there)?, tags(here)?);
        let mut state = State::Same;
        let missing: BTreeMap<_, _> = merge::missing(&old, &new).into_iter().collect();
        if !missing.is_empty() {
            let asked = json!({ "tags": json!(missing).to_string() });
            let path = format!("{at}/tags");
            self.http.send::<Value>(&Method::PATCH, &path, &asked)?;
            state = State::Updated;
        }
        let joined: BTreeSet<String> = there.experiment_ids.iter().cloned().collect();
        let missing: Vec<_> = homes.difference(&joined).collect();
        if !missing.is_empty() {
            let asked = json!({ "experiment_ids": missing });
            self.http
                .post::<Value>(&format!("{at}/add-experiments"), &asked)?;
            state = State::Updated;
        }
        if merge::differs(&old, &new) || here.name != there.name {
            state = State::Different;
        }
        Ok((there.dataset_id.clone(), state))
    }

    fn evaluation_records(&mut self, here: &str, there: &str) -> Result<()> {
        let known = self.marks(there)?;
        let (mut waiting, mut sent) = (Vec::new(), Vec::new());
        // MLflow learns from the first outputs which fields there are, and fails at an object behind a text.
        for objects in [true, false] {
            self.records_with(objects, (here, there), &known, (&mut waiting, &mut sent))?;
            self.send_records(there, &mut waiting, &mut sent)?;
        }
        self.look_after_records(there, &sent)
    }

    /// Sends those records that are not there and have an object as outputs, or those that have none.
    fn records_with(
        &mut self,
        objects: bool,
        (here, there): (&str, &str),
        known: &BTreeMap<Mark, Mark>,
        (waiting, sent): (&mut Vec<(String, Record)>, &mut Vec<Sent>),
    ) -> Result<()> {
        let of_kind =
            |record: &Record| record.outputs.as_ref().is_some_and(Value::is_object) == objects;
        let mut after = None;
        loop {
            let page = self.source.evaluation_records(here, after.as_deref())?;
            for record in page.items.into_iter().filter(of_kind) {
                self.report.count(Kind::EvaluationRecords).found += 1;
                let id = format!("{here}/{}", record.dataset_record_id);
                let state = match known.get(&mark(&record.inputs)) {
                    Some(content) if *content == content_of(&record) => State::Same,
                    Some(_) => State::Different,
                    None => {
                        waiting.push((id, record));
                        if waiting.len() >= RECORDS {
                            self.send_records(there, waiting, sent)?;
                        }
                        continue;
                    }
                };
                let why = "a record with the same inputs is there, with other contents";
                self.report
                    .tell(Kind::EvaluationRecords, &id, state, Some(why));
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }

    fn send_records(
        &mut self,
        there: &str,
        waiting: &mut Vec<(String, Record)>,
        sent: &mut Vec<Sent>,
    ) -> Result<()> {
        let some = std::mem::take(waiting);
        if some.is_empty() {
            return Ok(());
        }
        let records: Vec<_> = some.iter().map(|(_, record)| asked(record)).collect();
        let path = format!("{API_3}/datasets/{}/records", escape(there));
        let body = json!({ "records": json!(records).to_string() });
        match self.http.post::<Value>(&path, &body) {
            Ok(_) => sent.extend(some.into_iter().map(|(id, record)| Sent {
                id,
                inputs: mark(&record.inputs),
                content: content_of(&record),
            })),
            // The others go on where a server refuses some, or fails at them.
            Err(error) if error.is_refusal() || error.is_failure() => {
                let why = error.to_string();
                for (id, _) in &some {
                    self.report
                        .tell(Kind::EvaluationRecords, id, State::Failed, Some(&why));
                }
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Whether what was sent is there as it was sent.
    fn look_after_records(&mut self, there: &str, sent: &[Sent]) -> Result<()> {
        if sent.is_empty() {
            return Ok(());
        }
        let arrived = self.marks(there)?;
        for Sent {
            id,
            inputs,
            content,
        } in sent
        {
            let state = if arrived.get(inputs) == Some(content) {
                State::Copied
            } else {
                State::Failed
            };
            let why = "it has not arrived as it was sent";
            self.report
                .tell(Kind::EvaluationRecords, id, state, Some(why));
        }
        Ok(())
    }

    /// The records there, each by the mark of its inputs with that of all else.
    fn marks(&mut self, dataset: &str) -> Result<BTreeMap<Mark, Mark>> {
        let mut marks = BTreeMap::new();
        let there = &mut self.there;
        pages(
            |after| there.evaluation_records(dataset, after),
            |some| {
                marks.extend(some.iter().map(|one| (mark(&one.inputs), content_of(one))));
                Ok(())
            },
        )?;
        Ok(marks)
    }
}

fn tags(dataset: &Dataset) -> Result<BTreeMap<String, String>> {
    let text = Some(dataset.tags.as_str()).filter(|text| !text.is_empty());
    wire::tags(text.unwrap_or("{}"))
        .map_err(|error| Error::shape("the tags of an evaluation dataset", error.message))
}

/// The record as the protocol takes it. What is null says that nothing is there.
fn asked(record: &Record) -> Value {
    let mut asked = json!({ "inputs": record.inputs, "outputs": record.outputs });
    let parts = [
        ("expectations", &record.expectations),
        ("source", &record.source),
    ];
    for (name, part) in parts {
        if let Some(part) = part {
            asked[name] = part.clone();
        }
    }
    if record.tags.is_object() {
        asked["tags"] = record.tags.clone();
    }
    asked
}

fn content_of(record: &Record) -> Mark {
    let tags = match &record.tags {
        Value::Null => json!({}),
        tags => tags.clone(),
    };
    mark(&json!([
        record.outputs,
        record.expectations,
        tags,
        record.source
    ]))
}

fn mark(value: &Value) -> Mark {
    Sha256::digest(wire::key(value)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_two_records_the_same() {
        let record = |value: Value| serde_json::from_value::<Record>(value).unwrap();
        let one = json!({ "inputs": { "q": 1, "r": 2 }, "outputs": {}, "expectations": { "a": [1] }, "tags": { "t": "x" } });
        let mut later = one.clone();
        later["created_time"] = json!(7);
        later["inputs"] = json!({ "r": 2, "q": 1 });
        let (a, b) = (record(one.clone()), record(later));
        assert_eq!(
            (mark(&a.inputs), content_of(&a)),
            (mark(&b.inputs), content_of(&b))
        );
        for (field, value) in [
            ("outputs", Value::Null),
            ("expectations", json!({ "a": [2] })),
            ("tags", json!({})),
            (
                "source",
                json!({ "source_type": "CODE", "source_data": {} }),
            ),
        ] {
            let mut other = one.clone();
            other[field] = value;
            assert_ne!(content_of(&record(other)), content_of(&a), "{field}");
        }
        let bare = record(json!({ "inputs": {} }));
        let empty = record(json!({ "inputs": {}, "tags": {} }));
        assert_eq!(content_of(&bare), content_of(&empty));
        assert_eq!(asked(&bare), json!({ "inputs": {}, "outputs": null }));
    }
}
