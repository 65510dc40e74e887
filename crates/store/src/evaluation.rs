//! Evaluation datasets: inputs with what is expected of them, and the experiments that they belong to.
//!
//! Not to be taken for a pipeline's datasets ([`DatasetVersion`](crate::DatasetVersion)): these are made record by
//! record through MLflow's client.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value as Json;

use crate::digest::Digest;
use crate::error::Result;
use crate::search::{Page, Search};

/// A dataset without its records.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EvaluationDataset {
    /// Its id.
    pub id: String,
    /// The project.
    pub project: String,
    /// Its name; several may have the same.
    pub name: String,
    /// A short mark that changes with its records.
    pub digest: String,
    /// The fields that its records have had so far, with their types.
    pub schema: Option<Json>,
    /// How many records it has.
    pub profile: Option<Json>,
    /// Free labels.
    pub tags: BTreeMap<String, String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it or its records last changed.
    pub updated_at: Timestamp,
    /// Who created it, if the client said so.
    pub created_by: Option<String>,
    /// Who changed it last, if the client said so.
    pub updated_by: Option<String>,
}

/// One record of a dataset. Its inputs are its key.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EvaluationRecord {
    /// The dataset's id.
    pub dataset: String,
    /// Its id, unique in the dataset.
    pub id: String,
    /// The digest of its inputs in their one form.
    pub inputs_digest: Digest,
    /// What goes in.
    pub inputs: Json,
    /// What came out.
    pub outputs: Option<Json>,
    /// What should have come out.
    pub expectations: Option<Json>,
    /// Free labels.
    pub tags: Json,
    /// Where it is from.
    pub source: Option<Json>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Who created it, if the client said so.
    pub created_by: Option<String>,
    /// Who changed it last, if the client said so.
    pub updated_by: Option<String>,
}

/// Datasets and the experiments that they belong to.
pub trait EvaluationDatasets {
    /// Creates the dataset; an error when the id is taken.
    fn create_evaluation_dataset(&mut self, dataset: &EvaluationDataset) -> Result<()>;
    /// Replaces all of a known dataset; its records stay.
    fn update_evaluation_dataset(&mut self, dataset: &EvaluationDataset) -> Result<()>;
    /// Removes the dataset and its records; false when there was none.
    fn delete_evaluation_dataset(&mut self, project: &str, id: &str) -> Result<bool>;
    /// One dataset.
    fn evaluation_dataset(&mut self, project: &str, id: &str) -> Result<Option<EvaluationDataset>>;
    /// A page of datasets of any of these experiments, or of all when there are none; attributes `name`,
    /// `created_time`, `last_update_time`, `created_by`, `last_updated_by`. The tie-break is the id, largest first.
    fn search_evaluation_datasets(
        &mut self,
        project: &str,
        experiments: &[String],
        search: &Search,
    ) -> Result<Page<EvaluationDataset>>;
    /// The experiments that a dataset belongs to.
    fn dataset_experiments(&mut self, id: &str) -> Result<Vec<String>>;
    /// Says that a dataset belongs to an experiment; twice is once.
    fn add_dataset_to_experiment(&mut self, id: &str, experiment: &str) -> Result<()>;
    /// Says that it does not any more; false when it did not before.
    fn remove_dataset_from_experiment(&mut self, id: &str, experiment: &str) -> Result<bool>;
}

/// Records of datasets.
pub trait EvaluationRecords {
    /// Adds a record or replaces the one with its id.
    fn put_evaluation_record(&mut self, record: &EvaluationRecord) -> Result<()>;
    /// The record with these inputs.
    fn evaluation_record(
        &mut self,
        dataset: &str,
        inputs: &Digest,
    ) -> Result<Option<EvaluationRecord>>;
    /// A page of records in the order in which they came.
    fn evaluation_records(
        &mut self,
        dataset: &str,
        search: &Search,
    ) -> Result<Page<EvaluationRecord>>;
    /// How many records there are.
    fn count_evaluation_records(&mut self, dataset: &str) -> Result<u64>;
    /// Removes one record; false when there was none.
    fn delete_evaluation_record(&mut self, dataset: &str, id: &str) -> Result<bool>;
}
