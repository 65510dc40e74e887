//! Experiments.

use super::pairs;
use mlflow::experiments::Experiment;

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
