//! Tracked runs.

use super::{inputs, metric, pairs};
use mlflow::runs::{Data, Info, Run, Status};
use store::TrackedRun;

/// A status by the store's word; what nobody knows is running.
fn status(text: &str) -> Status {
    match text {
        "SCHEDULED" => Status::Scheduled,
        "FINISHED" => Status::Finished,
        "FAILED" => Status::Failed,
        "KILLED" => Status::Killed,
        _ => Status::Running,
    }
}

/// The store's word for a status.
pub(in crate::mlflow) fn word(status: Status) -> &'static str {
    match status {
        Status::Running => "RUNNING",
        Status::Scheduled => "SCHEDULED",
        Status::Finished => "FINISHED",
        Status::Failed => "FAILED",
        Status::Killed => "KILLED",
    }
}

/// What a run is, as answers show it.
pub(in crate::mlflow) fn info(run: &TrackedRun) -> Info {
    Info {
        run_id: run.run_id.clone(),
        run_uuid: run.run_id.clone(),
        run_name: run.name.clone(),
        experiment_id: run.experiment_id.clone(),
        user_id: run.user_id.clone(),
        status: status(&run.status),
        start_time: run.start_time.as_millisecond(),
        // As in MLflow, a run that ended in 1970 has not ended.
        end_time: run
            .end_time
            .map(jiff::Timestamp::as_millisecond)
            .filter(|at| *at != 0),
        artifact_uri: run.artifact_uri.clone(),
        lifecycle_stage: run.lifecycle.to_string(),
    }
}

/// A whole run as answers show it.
pub(in crate::mlflow) fn wire(run: TrackedRun) -> Run {
    let info = info(&run);
    Run {
        info,
        data: Data {
            metrics: run.metrics.into_iter().map(metric::plain).collect(),
            params: pairs(run.params),
            tags: pairs(run.tags),
        },
        inputs: inputs::wire(run.inputs),
        outputs: Some(inputs::outputs(run.outputs)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_one_word() {
        for one in [
            Status::Running,
            Status::Scheduled,
            Status::Finished,
            Status::Failed,
            Status::Killed,
        ] {
            assert_eq!(status(word(one)), one);
            assert_eq!(serde_json::to_value(one).unwrap(), word(one));
        }
    }
}
