//! The middle of a run: ended units are collected, due steps started, until nothing can move.
//!
//! Each pass gathers what happened, decides with [`crate::decide`], writes all changes in one transaction and only
//! then starts units, so that a step costs one commit and a crash in between finds either the old or the new state.

use super::{Executor, Fault};
use crate::{
    decide::{self, Move},
    graph::{self, Node},
    work::Work,
};
use jiff::Timestamp;
use platform::{Admit, Capacity, Claim, State, UnitSpec, UnitStatus};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use store::{
    CachedStep, Events as _, Experiments as _, NewEvent, Priority, Run, RunState, Runs as _, Step,
    StepState, Steps as _, TrackedRun, Tracking as _, TrackingRead as _,
};
use tokio_util::sync::CancellationToken;

/// A run while it is worked on.
pub(super) struct View {
    pub run: Run,
    pub work: Work,
    pub nodes: Vec<Node>,
    pub steps: BTreeMap<String, Step>,
    /// The MLflow experiment of its attempts.
    pub experiment: String,
}

/// What one pass wants written.
#[derive(Clone, Default)]
pub(super) struct Changes {
    pub steps: BTreeMap<String, Step>,
    pub started: Vec<TrackedRun>,
    /// MLflow runs that ended, with their status.
    pub ended: Vec<(String, &'static str)>,
    pub cached: Vec<CachedStep>,
    pub events: Vec<NewEvent>,
}

impl View {
    /// Changes a step, here and in what will be written.
    pub(super) fn change(&mut self, changes: &mut Changes, step: Step) {
        changes.steps.insert(step.key.clone(), step.clone());
        self.steps.insert(step.key.clone(), step);
    }

    /// Frozen metrics of every finished node.
    pub(super) fn metrics(&self) -> BTreeMap<String, BTreeMap<String, f64>> {
        let done = self
            .steps
            .values()
            .filter(|step| step.state == StepState::Succeeded);
        done.map(|step| (step.key.clone(), step.metrics.clone()))
            .collect()
    }
}

/// Looks again at least this often, in case a signal was missed.
const PERIOD: Duration = Duration::from_secs(5);

impl Executor {
    /// Takes a running run on until it ends, is cancelled, or we are told to stop.
    pub(super) async fn advance(&self, id: &str, stop: &CancellationToken) -> Result<(), Fault> {
        let mut units = self.parts.platform.changed();
        let mut commits = self.parts.store.subscribe();
        let Some(mut view) = self.view(id).await? else {
            return Ok(());
        };
        loop {
            units.borrow_and_update();
            commits.borrow_and_update();
            if self.is_cancelling(id).await? {
                return self.cancel(view.run, stop).await;
            }
            let waits = self.pass(&mut view).await?;
            if let Some(outcome) = decide::outcome(&view.nodes, &view.steps) {
                return self.finish(view, outcome).await;
            }
            let timer = waits.map_or(PERIOD, |at| until(at, (self.parts.now)()).min(PERIOD));
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                _ = units.changed() => {}
                () = self.cancel_asked(id, &mut commits) => {}
                () = tokio::time::sleep(timer) => {}
            }
        }
    }

    /// Returns once the run is being cancelled; commits of other things do not count.
    async fn cancel_asked(&self, id: &str, commits: &mut tokio::sync::watch::Receiver<u64>) {
        loop {
            if commits.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
            if self.is_cancelling(id).await.unwrap_or(true) {
                return;
            }
        }
    }

    async fn is_cancelling(&self, id: &str) -> Result<bool, Fault> {
        let id = id.to_owned();
        let state = self.parts.store.read(move |tx| tx.run_state(&id)).await?;
        Ok(state.is_none_or(|state| state == RunState::Cancelling))
    }

    pub(super) async fn view(&self, id: &str) -> Result<Option<View>, Fault> {
        let id = id.to_owned();
        let found = self.parts.store.read(move |tx| {
            let Some(run) = tx.run(&id)? else {
                return Ok(None);
            };
            let experiment = tx.experiment_by_name(&run.project, &run.pipeline)?;
            Ok(Some((run, experiment, tx.steps(&id)?)))
        });
        let Some((run, experiment, steps)) = found.await? else {
            return Ok(None);
        };
        let work = Work::of(&run)?;
        let nodes = graph::build(&work.pipeline, work.champion.is_some());
        let steps = steps
            .into_iter()
            .map(|step| (step.key.clone(), step))
            .collect();
        Ok(Some(View {
            run,
            work,
            nodes,
            steps,
            experiment: experiment.map(|known| known.id).unwrap_or_default(),
        }))
    }

    /// One pass. Answers when something becomes due by itself.
    async fn pass(&self, view: &mut View) -> Result<Option<Timestamp>, Fault> {
        let now = (self.parts.now)();
        let mut changes = Changes::default();
        let mut launches: Vec<UnitSpec> = Vec::new();
        let mut over = Vec::new();
        self.collect_ended(view, &mut changes, &mut launches, &mut over, now)
            .await?;
        let mut room = self.parts.platform.capacity();
        // What waits for room must be asked once a pass, or the loop below would never end.
        let mut asked: BTreeSet<String> = BTreeSet::new();
        loop {
            let due: Vec<Move> = decide::moves(&view.nodes, &view.steps, now)
                .into_iter()
                .filter(|due| !matches!(due, Move::Launch(key) if asked.contains(key)))
                .collect();
            if due.is_empty() {
                break;
            }
            for due in due {
                match due {
                    Move::Skip { key, why } => skip(view, &mut changes, &key, why, now),
                    Move::Ready(key) => self.ready(view, &mut changes, &key, now).await?,
                    Move::Launch(key) => {
                        asked.insert(key.clone());
                        if let Some(unit) = self
                            .launch(view, &mut changes, &key, &mut room, now)
                            .await?
                        {
                            launches.push(unit);
                        }
                    }
                }
            }
        }
        self.commit(changes, now).await?;
        for unit in launches {
            self.start_unit(view, unit, now).await?;
        }
        for unit in over {
            self.put_away(&view.run, &unit).await?;
        }
        Ok(decide::wake_at(&view.steps, now))
    }

    /// Looks at the units of running steps.
    async fn collect_ended(
        &self,
        view: &mut View,
        changes: &mut Changes,
        launches: &mut Vec<UnitSpec>,
        over: &mut Vec<UnitStatus>,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let running: Vec<Step> = view
            .steps
            .values()
            .filter(|step| step.state == StepState::Running)
            .cloned()
            .collect();
        for step in running {
            let unit = step.unit_id.clone().unwrap_or_default();
            match self.parts.platform.status(&unit).await {
                Ok(status) => match &status.state {
                    State::Starting | State::Running { .. } => {}
                    State::Exited(exit) => {
                        self.exited(view, changes, step, exit, now).await?;
                        over.push(status);
                    }
                    State::Lost { .. } => {
                        lost(view, changes, step, now);
                        over.push(status);
                    }
                },
                // We were killed between the commit and the start: the same unit is started now.
                Err(platform::Error::Unknown(_)) => launches.push(self.unit_of(view, &step).await?),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    pub(super) async fn commit(&self, changes: Changes, now: Timestamp) -> Result<(), Fault> {
        if changes.steps.is_empty() && changes.ended.is_empty() {
            return Ok(());
        }
        self.parts
            .store
            .write(Priority::Normal, move |tx| {
                for tracked in &changes.started {
                    if tx.tracked_run(&tracked.run_id)?.is_none() {
                        tx.create_tracked_run(tracked)?;
                    }
                }
                for (id, status) in &changes.ended {
                    if let Some(mut tracked) = tx.tracked_run(id)? {
                        tracked.status = (*status).to_owned();
                        tracked.end_time = Some(now);
                        tx.update_tracked_run(&tracked)?;
                    }
                }
                for step in changes.steps.values() {
                    tx.update_step(step)?;
                }
                for cached in &changes.cached {
                    tx.put_cached_step(cached)?;
                }
                for event in &changes.events {
                    tx.append_event(event)?;
                }
                Ok(())
            })
            .await?;
        Ok(())
    }
}

fn skip(view: &mut View, changes: &mut Changes, key: &str, why: String, now: Timestamp) {
    let step = Step {
        state: StepState::Skipped,
        reason: why,
        ended_at: Some(now),
        ..view.steps[key].clone()
    };
    view.change(changes, step);
}

/// The machine, not the step, failed: the same attempt again, unless that has happened too often.
fn lost(view: &mut View, changes: &mut Changes, step: Step, now: Timestamp) {
    let infra_attempts = step.infra_attempts + 1;
    if let Some(tracked) = &step.mlflow_run_id {
        changes.ended.push((tracked.clone(), "KILLED"));
    }
    let again = infra_attempts < decide::INFRASTRUCTURE_ATTEMPTS;
    let reason = if again {
        "its supervisor was cut off; it runs again".to_owned()
    } else {
        format!(
            "its supervisor was cut off {infra_attempts} times: look for a machine out of memory"
        )
    };
    let step = Step {
        state: if again {
            StepState::Queued
        } else {
            StepState::Failed
        },
        infra_attempts,
        unit_id: None,
        ended_at: (!again).then_some(now),
        reason,
        ..step
    };
    view.change(changes, step);
}

fn until(at: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(at.duration_since(now)).unwrap_or_default()
}

/// Takes a unit's claim out of what is free; says what it waits for when there is no room.
pub(super) fn take_room(room: &mut Capacity, claim: &Claim) -> Admit {
    let answer = platform::capacity::admit(room, claim);
    if answer == Admit::Now {
        room.used.cpu += claim.cpu;
        room.used.memory = room.used.memory.saturating_add(claim.memory);
        room.used.gpus += claim.gpus;
    }
    answer
}
