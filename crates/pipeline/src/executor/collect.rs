//! A unit has ended: outputs into the blobs, metrics frozen, log put away, and the step's next state.

use super::{
    Executor, Fault,
    advance::{Changes, View},
    launch::event,
};
use crate::tree;
use jiff::{SignedDuration, Timestamp};
use platform::{Ending, Exit, Reason, UnitStatus};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};
use store::{CachedStep, Digest, Run, Step, StepState, TrackingRead as _};

impl Executor {
    /// Decides what an ended unit means for its step.
    pub(super) async fn exited(
        &self,
        view: &mut View,
        changes: &mut Changes,
        at: usize,
        exit: &Exit,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let (step, declared) = (view.steps[at].clone(), view.declared(at));
        let result = if exit.is_success() {
            self.results(&step, exit, &declared.metrics).await?
        } else {
            Err(why(exit, &declared.timeout.to_string()))
        };
        let tracked = step.mlflow_run_id.clone();
        let changed = match result {
            Ok((outputs, metrics)) => {
                if let Some(key) = &step.cache_key {
                    changes.cached.push(CachedStep {
                        project: view.run.project.clone(),
                        key: key.clone(),
                        run_id: view.run.id.clone(),
                        step_key: step.key.clone(),
                        mlflow_run_id: tracked.clone(),
                        outputs: outputs.clone(),
                        metrics: metrics.clone(),
                        created_at: now,
                    });
                }
                changes
                    .events
                    .push(event(&view.run, &step.key, "step.succeeded", "", now));
                Step {
                    state: StepState::Succeeded,
                    outputs,
                    metrics,
                    ended_at: Some(now),
                    reason: String::new(),
                    ..step
                }
            }
            Err(reason) => {
                let again = declared
                    .retry
                    .delay_after(step.attempt)
                    .filter(|_| exit.reason != Reason::Stopped);
                let kind = if again.is_some() {
                    "step.retried"
                } else {
                    "step.failed"
                };
                changes
                    .events
                    .push(event(&view.run, &step.key, kind, &reason, now));
                match again {
                    Some(delay) => Step {
                        state: StepState::Queued,
                        not_before: now
                            .checked_add(SignedDuration::from_millis(
                                i64::try_from(delay.as_millis()).unwrap_or(i64::MAX),
                            ))
                            .ok(),
                        unit_id: None,
                        reason,
                        ..step
                    },
                    None => Step {
                        state: StepState::Failed,
                        ended_at: Some(now),
                        reason,
                        ..step
                    },
                }
            }
        };
        if let Some(tracked) = tracked {
            changes.ended.push((
                tracked,
                if changed.state == StepState::Succeeded {
                    "FINISHED"
                } else {
                    "FAILED"
                },
            ));
        }
        view.change(changes, at, changed);
        Ok(())
    }

    /// Outputs and declared metrics; the inner error is the user's to mend.
    async fn results(
        &self,
        step: &Step,
        exit: &Exit,
        declared: &[String],
    ) -> Result<Result<(BTreeMap<String, Digest>, BTreeMap<String, f64>), String>, Fault> {
        let mut outputs = BTreeMap::new();
        for output in &exit.outputs {
            match tree::put(&output.path, &self.parts.blobs).await {
                Ok(digest) => {
                    outputs.insert(output.name.clone(), digest);
                }
                Err(crate::snapshot::SnapshotError::Symlink(name)) => {
                    return Ok(Err(format!(
                        "output `{}` holds `{name}`, which is no plain file: write files and folders",
                        output.name
                    )));
                }
                Err(error) => return Err(error.into()),
            }
        }
        let mut metrics = BTreeMap::new();
        if declared.is_empty() {
            return Ok(Ok((outputs, metrics)));
        }
        let run = step.mlflow_run_id.clone().unwrap_or_default();
        let logged = self
            .parts
            .store
            .read(move |tx| tx.latest_metrics(&run))
            .await?;
        for name in declared {
            let Some(value) = logged.get(name) else {
                return Ok(Err(format!(
                    "it did not log its declared metric `{name}`: call `mlflow.log_metric(\"{name}\", …)` in the step's own run"
                )));
            };
            metrics.insert(name.clone(), *value);
        }
        Ok(Ok((outputs, metrics)))
    }

    /// Keeps an ended unit's log and forgets the unit. The step's state is durable already.
    pub(super) async fn put_away(&self, run: &Run, unit: &UnitStatus) -> Result<(), Fault> {
        let place = log_path(&self.parts.logs, &run.id, &unit.id);
        if let Some(folder) = place.parent() {
            std::fs::create_dir_all(folder)?;
        }
        Ok(self.parts.platform.put_away(&unit.id, &place).await?)
    }
}

/// Where the log of an ended unit is.
pub fn log_path(logs: &Path, run: &str, unit: &str) -> PathBuf {
    logs.join(run).join(format!("{unit}.log"))
}

fn why(exit: &Exit, timeout: &str) -> String {
    let said = |fallback: String| {
        if exit.message.is_empty() {
            fallback
        } else {
            exit.message.clone()
        }
    };
    match (exit.reason, exit.ending) {
        (Reason::Completed, Ending::Code(code)) => format!("exited with {code}: see its log"),
        (Reason::Completed, Ending::Signal(signal)) => format!("was killed by signal {signal}"),
        (Reason::Completed, Ending::NotStarted) | (Reason::NotStarted, _) => {
            said("could not be started".to_owned())
        }
        (Reason::Timeout, _) => format!("took longer than its timeout of {timeout}"),
        (Reason::OutOfMemory, _) => {
            said("needed more memory than `resources.memory` gives it".to_owned())
        }
        (Reason::Stopped, _) => "was stopped".to_owned(),
        (Reason::MissingOutput, _) => {
            let missing: Vec<String> = exit
                .outputs
                .iter()
                .filter(|o| o.found.is_none())
                .map(|o| format!("`{}`", o.name))
                .collect();
            format!(
                "did not write its declared output {}: write to the path in MAINSPAN_OUT_<NAME>",
                missing.join(", ")
            )
        }
    }
}
