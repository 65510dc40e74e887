//! Cancelling: units are stopped, steps and run marked, and nothing is left behind.

use super::{Executor, Fault, advance::Changes};
use std::time::Duration;
use store::{Run, RunState, Step, StepState};
use tokio_util::sync::CancellationToken;

const GRACE: Duration = Duration::from_secs(5);

impl Executor {
    /// Ends a run that was told to stop; waits until its units are over.
    pub(super) async fn cancel(&self, run: Run, stop: &CancellationToken) -> Result<(), Fault> {
        let Some(mut view) = self.view(&run.id).await? else {
            return Ok(());
        };
        let mut changed = self.parts.platform.changed();
        loop {
            changed.borrow_and_update();
            let units: Vec<_> = self
                .parts
                .platform
                .list()
                .await?
                .into_iter()
                .filter(|unit| unit.labels.get("run") == Some(&run.id))
                .collect();
            if units.is_empty() {
                break;
            }
            for unit in units {
                if unit.state.is_over() {
                    self.put_away(&view.run, &unit).await?;
                } else {
                    self.parts.platform.stop(&unit.id, Some(GRACE)).await?;
                }
            }
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                _ = changed.changed() => {}
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
            }
        }
        let now = (self.parts.now)();
        let mut changes = Changes::default();
        for at in 0..view.steps.len() {
            let step = view.steps[at].clone();
            if step.state.is_final() {
                continue;
            }
            if let Some(tracked) = step
                .mlflow_run_id
                .clone()
                .filter(|_| step.state == StepState::Running)
            {
                changes.ended.push((tracked, "KILLED"));
            }
            let step = Step {
                state: StepState::Cancelled,
                ended_at: Some(now),
                reason: "the run was cancelled".to_owned(),
                ..step
            };
            view.change(&mut changes, at, step);
        }
        self.commit(&view, changes, now).await?;
        let reason = view.run.reason.clone();
        self.end(view.run, RunState::Cancelled, reason, None).await
    }
}
