//! Experiments.

use super::pairs;
use mlflow::experiments::{DatasetSummary, Experiment};

/// An experiment as answers show it.
pub(in crate::mlflow) fn wire(experiment: store::Experiment) -> Experiment {
    Experiment {
        experiment_id: experiment.id,
        name: experiment.name,
        artifact_location: experiment.artifact_location,
        lifecycle_stage: experiment.lifecycle.to_string(),
        last_update_time: experiment.updated_at.as_millisecond(),
        creation_time: experiment.created_at.as_millisecond(),
        tags: pairs(experiment.tags),
    }
}

/// A dataset that was used, as answers show it.
pub(in crate::mlflow) fn dataset(used: store::UsedDataset) -> DatasetSummary {
    DatasetSummary {
        experiment_id: used.experiment_id,
        name: used.name,
        digest: used.digest,
        context: used.context,
    }
}
