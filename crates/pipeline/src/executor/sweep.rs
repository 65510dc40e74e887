//! Units of steps that nobody waits for any more: their logs are kept, then they are forgotten.
//!
//! A server that died between recording a step's end and forgetting its unit leaves one behind. A unit is started
//! only after its step says so, so one that no open step names is left over.

use super::{Executor, Fault};
use std::time::Duration;
use store::{Runs as _, Steps as _};

impl Executor {
    /// Puts left-over units away; one that still runs is stopped and goes the next time.
    pub(super) async fn sweep(&self) -> Result<(), Fault> {
        for unit in self.parts.platform.list().await? {
            if unit.labels.get("kind").is_none_or(|kind| kind != "step") {
                continue;
            }
            let (id, run) = (
                unit.id.clone(),
                unit.labels.get("run").cloned().unwrap_or_default(),
            );
            let found = self
                .parts
                .store
                .read(move |tx| Ok((tx.step_of_unit(&id)?, tx.run(&run)?)));
            let (step, run) = found.await?;
            let open = run.as_ref().is_some_and(|run| !run.state.is_final());
            if open && step.is_some_and(|step| !step.state.is_final()) {
                continue;
            }
            match run {
                _ if !unit.state.is_over() => {
                    self.parts
                        .platform
                        .stop(&unit.id, Some(Duration::from_secs(5)))
                        .await?;
                }
                Some(run) => self.put_away(&run, &unit).await?,
                None => self.parts.platform.remove(&unit.id).await?,
            }
        }
        Ok(())
    }
}
