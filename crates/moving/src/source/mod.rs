//! What can be copied from: a server, or the database behind one.
//!
//! Everything is read in pages, and files in pieces, so that memory stays flat however much there is. Records have the
//! shapes of MLflow's protocol, whatever they are read from.

pub mod database;
pub mod rest;

use crate::error::Result;
use mlflow::{
    artifacts::File,
    evaluation_datasets::{Dataset, Record},
    experiments::Experiment,
    logged_models::LoggedModel,
    registry::{ModelVersion, RegisteredModel},
    runs::{Metric, Run},
    scorers::Scorer,
    tag::Pair,
    webhooks::Webhook,
};
use serde_json::Value;
use std::io::Read;

/// The tag of a registered model that is a prompt.
const PROMPT_TAG: &str = "mlflow.prompt.is_prompt";

/// Whether a registered model is a prompt, which ordinary searches hide.
pub(crate) fn is_prompt(model: &RegisteredModel) -> bool {
    let is = |tag: &Pair| tag.key == PROMPT_TAG && tag.value.eq_ignore_ascii_case("true");
    model.tags.iter().any(is)
}

/// Some of the records, and from where to go on when there are more.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// The records.
    pub items: Vec<T>,
    /// From where to go on.
    pub next: Option<String>,
}

/// A registered model or a prompt, with its aliases.
#[derive(Debug, Clone, PartialEq)]
pub struct Named {
    /// The model.
    pub model: RegisteredModel,
    /// The highest number ever given to a version, where the source knows it.
    pub last_version: Option<u32>,
}

/// A trace as the protocol shows it: its `trace_info`, and its `spans` in the JSON of their protocol buffers.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    /// The head, with tags, metadata and assessments.
    pub info: Value,
    /// The spans.
    pub spans: Vec<Value>,
}

/// Whose files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// A run's.
    Run(String),
    /// A logged model's.
    Model(String),
}

/// A place with files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Whose.
    pub owner: Owner,
    /// Where, as the source says.
    pub uri: String,
}

/// A server's records and files. All experiments and runs are shown, also deleted ones.
pub trait Source {
    /// Experiments.
    fn experiments(&mut self, after: Option<&str>) -> Result<Page<Experiment>>;
    /// Runs of an experiment, with the metrics' latest points at the most.
    fn runs(&mut self, experiment: &str, after: Option<&str>) -> Result<Page<Run>>;
    /// All points of a run, in pieces.
    fn points(&mut self, run: &Run, each: &mut dyn FnMut(Vec<Metric>) -> Result<()>) -> Result<()>;
    /// Logged models of an experiment, with the points that were measured on them.
    fn logged_models(&mut self, experiment: &str, after: Option<&str>)
    -> Result<Page<LoggedModel>>;
    /// Registered models, and prompts.
    fn models(&mut self, after: Option<&str>) -> Result<Page<Named>>;
    /// Versions of a model in the order of their numbers; deleted ones are not shown.
    fn versions(
        &mut self,
        model: &RegisteredModel,
        after: Option<&str>,
    ) -> Result<Page<ModelVersion>>;
    /// Traces of an experiment.
    fn traces(&mut self, experiment: &str, after: Option<&str>) -> Result<Page<Trace>>;
    /// Evaluation datasets, with the experiments that they belong to.
    fn evaluation_datasets(&mut self, after: Option<&str>) -> Result<Page<Dataset>>;
    /// Records of an evaluation dataset in their order.
    fn evaluation_records(&mut self, dataset: &str, after: Option<&str>) -> Result<Page<Record>>;
    /// All versions of the scorers of an experiment, by name and number; a server shows none of a deleted one.
    fn scorers(&mut self, experiment: &str) -> Result<Vec<Scorer>>;
    /// Webhooks; a refusal when they may not be read.
    fn webhooks(&mut self, after: Option<&str>) -> Result<Page<Webhook>>;
    /// All files below a place.
    fn files(&mut self, place: &Place) -> Result<Vec<File>>;
    /// One of them.
    fn open(&mut self, place: &Place, path: &str) -> Result<Box<dyn Read + Send>>;
}

/// Calls `each` with every page of a listing.
pub(crate) fn pages<T>(
    mut page: impl FnMut(Option<&str>) -> Result<Page<T>>,
    mut each: impl FnMut(Vec<T>) -> Result<()>,
) -> Result<()> {
    let mut after = None;
    loop {
        let Page { items, next } = page(after.as_deref())?;
        each(items)?;
        match next {
            Some(next) => after = Some(next),
            None => return Ok(()),
        }
    }
}
