//! The middle of a run: ended units are collected, due steps started, until nothing can move.
//!
//! Each pass gathers what happened, decides with [`crate::decide`], writes all changes in one transaction and only
//! then starts units, so that a step costs one commit and a crash in between finds either the old or the new state.

use super::{
    Executor, Fault,
    unit::{claim, is_elsewhere},
};
use crate::{
    decide::{self, Move},
    graph::{self, Node},
    work::Work,
};
use jiff::Timestamp;
use platform::{Admit, Capacity, Claim, State, UnitSpec, UnitStatus};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};
use store::{
    CachedStep, Digest, Events as _, Experiments as _, NewEvent, Priority, Run, RunState,
    Runs as _, Step, StepState, Steps as _, TrackedRun, Tracking as _,
};
use tokio_util::sync::CancellationToken;

/// A run while it is worked on. The store has the truth; nobody else changes the steps of a run that goes.
pub(super) struct View {
    pub run: Run,
    pub work: Work,
    pub nodes: Vec<Node>,
    /// One for each node, in the nodes' order.
    pub steps: Vec<Step>,
    /// The MLflow experiment of its attempts.
    pub experiment: String,
    /// Digest of all files of the snapshot.
    files: Digest,
    places: HashMap<String, usize>,
    /// The room in which nothing more could start, and when something becomes due by itself.
    settled: Option<(Capacity, Option<Timestamp>)>,
}

/// What one pass wants written.
#[derive(Clone, Default)]
pub(super) struct Changes {
    /// Places of changed steps.
    pub steps: BTreeSet<usize>,
    pub started: Vec<TrackedRun>,
    /// MLflow runs that ended, with their status.
    pub ended: Vec<(String, &'static str)>,
    pub cached: Vec<CachedStep>,
    pub events: Vec<NewEvent>,
}

/// A unit to start, and the place of its step.
pub(super) type Launch = (usize, UnitSpec);

impl View {
    /// Changes the step of a place, here and in what will be written.
    pub(super) fn change(&mut self, changes: &mut Changes, at: usize, step: Step) {
        changes.steps.insert(at);
        self.steps[at] = step;
        self.settled = None;
    }

    /// What the project file says of a node's step.
    pub(super) fn declared(&self, at: usize) -> &spec::Step {
        &self.work.pipeline.steps[&self.nodes[at].step]
    }

    /// The step of that key.
    pub(super) fn step(&self, key: &str) -> Option<&Step> {
        self.places.get(key).map(|at| &self.steps[*at])
    }

    /// Digest of the files that a step sees.
    pub(super) fn files_of(&self, step: &spec::Step) -> Digest {
        match step.files.as_deref() {
            None => self.files.clone(),
            some => self.work.files.visible(some).digest(),
        }
    }

    /// The cell of a step that the next steps get.
    pub(super) fn selected(&self, step: &str) -> Option<&Step> {
        let metric = |key: &str, name: &str| {
            let done = self
                .step(key)
                .filter(|step| step.state == StepState::Succeeded);
            done?.metrics.get(name).copied()
        };
        let key = graph::selected(&self.work.pipeline, step, metric)?;
        self.step(&key)
    }

    /// Frozen metrics of every finished node.
    pub(super) fn metrics(&self) -> BTreeMap<String, BTreeMap<String, f64>> {
        let done = self
            .steps
            .iter()
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
        let mut asked = true;
        loop {
            units.borrow_and_update();
            commits.borrow_and_update();
            if asked && self.is_cancelling(id).await? {
                return self.cancel(view.run, stop).await;
            }
            let waits = self.pass(&mut view).await?;
            if let Some(outcome) = decide::outcome(&view.steps) {
                return self.finish(view, outcome).await;
            }
            let timer = waits.map_or(PERIOD, |at| until(at, (self.parts.now)()).min(PERIOD));
            // Steps are ours to change; whether somebody has cancelled the run shows in a commit.
            asked = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                _ = units.changed() => commits.has_changed().unwrap_or(true),
                _ = commits.changed() => true,
                () = tokio::time::sleep(timer) => true,
            };
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
        let mut stored: HashMap<String, Step> = steps
            .into_iter()
            .map(|step| (step.key.clone(), step))
            .collect();
        // All steps are recorded in the transaction that sets a run going.
        let steps = nodes
            .iter()
            .map(|node| {
                let step = stored.remove(&node.key);
                step.ok_or_else(|| Fault::Step(node.key.clone()))
            })
            .collect::<Result<_, _>>()?;
        let places = nodes.iter().map(|node| node.key.clone()).zip(0..).collect();
        Ok(Some(View {
            files: work.files.digest(),
            run,
            work,
            nodes,
            steps,
            experiment: experiment.map(|known| known.id).unwrap_or_default(),
            places,
            settled: None,
        }))
    }

    /// One pass. Answers when something becomes due by itself.
    async fn pass(&self, view: &mut View) -> Result<Option<Timestamp>, Fault> {
        let now = (self.parts.now)();
        let mut changes = Changes::default();
        let mut launches: Vec<Launch> = Vec::new();
        let mut over = Vec::new();
        self.collect_ended(view, &mut changes, &mut launches, &mut over, now)
            .await?;
        let mut room = self.parts.platform.capacity();
        if let Some((known, wakes)) = &view.settled
            && *known == room
            && launches.is_empty()
            && wakes.is_none_or(|at| at > now)
        {
            return Ok(*wakes);
        }
        // What waits for room must be asked once a pass, or the loop below would never end.
        let mut asked: BTreeSet<usize> = BTreeSet::new();
        let mut refused = Refused::default();
        loop {
            let due: Vec<Move> = decide::moves(&view.nodes, &view.steps, now)
                .into_iter()
                .filter(|due| !matches!(due, Move::Launch(at) if asked.contains(at)))
                .collect();
            if due.is_empty() {
                break;
            }
            for due in due {
                match due {
                    Move::Skip { step, why } => skip(view, &mut changes, step, why, now),
                    Move::Ready(at) => self.ready(view, &mut changes, at, now).await?,
                    Move::Launch(at) => {
                        asked.insert(at);
                        let admitted = refused.ask(&mut room, &claim(view.declared(at)));
                        if let Some(unit) =
                            self.launch(view, &mut changes, at, admitted, now).await?
                        {
                            launches.push((at, unit));
                        }
                    }
                }
            }
        }
        self.commit(view, changes, now).await?;
        let wakes = decide::wake_at(&view.steps, now);
        view.settled = Some((room, wakes));
        for (at, unit) in launches {
            self.start_unit(view, at, unit, now).await?;
        }
        for unit in over {
            self.put_away(&view.run, &unit).await?;
        }
        Ok(wakes)
    }

    /// Looks at the units of running steps.
    async fn collect_ended(
        &self,
        view: &mut View,
        changes: &mut Changes,
        launches: &mut Vec<Launch>,
        over: &mut Vec<UnitStatus>,
        now: Timestamp,
    ) -> Result<(), Fault> {
        for at in 0..view.steps.len() {
            if view.steps[at].state != StepState::Running {
                continue;
            }
            let unit = view.steps[at].unit_id.as_deref().unwrap_or_default();
            match self.parts.platform.status(unit).await {
                Ok(status) => match &status.state {
                    State::Starting | State::Running { .. } => {}
                    State::Exited(exit) => {
                        self.exited(view, changes, at, exit, now).await?;
                        over.push(status);
                    }
                    State::Lost { .. } => {
                        lost(view, changes, at, "its supervisor was cut off", now);
                        over.push(status);
                    }
                },
                Err(platform::Error::Unknown(_))
                    if is_elsewhere(unit, self.parts.machine.as_deref()) =>
                {
                    lost(view, changes, at, "it was on another server's machine", now);
                }
                // We were killed between the commit and the start: the same unit is started now.
                Err(platform::Error::Unknown(_)) => {
                    launches.push((at, self.unit_of(view, at, &view.steps[at]).await?));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    pub(super) async fn commit(
        &self,
        view: &View,
        changes: Changes,
        now: Timestamp,
    ) -> Result<(), Fault> {
        if changes.steps.is_empty() && changes.ended.is_empty() {
            return Ok(());
        }
        let changed: Vec<Step> = changes
            .steps
            .iter()
            .map(|at| view.steps[*at].clone())
            .collect();
        self.parts
            .store
            .write(Priority::Quiet, move |tx| {
                for tracked in &changes.started {
                    match tx.create_tracked_run(tracked) {
                        // The same attempt, which found no room the first time.
                        Ok(()) | Err(store::Error::Exists { .. }) => {}
                        Err(error) => return Err(error),
                    }
                }
                for (id, status) in &changes.ended {
                    tx.end_tracked_run(id, status, now)?;
                }
                for step in &changed {
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

fn skip(view: &mut View, changes: &mut Changes, at: usize, why: String, now: Timestamp) {
    let step = Step {
        state: StepState::Skipped,
        reason: why,
        ended_at: Some(now),
        ..view.steps[at].clone()
    };
    view.change(changes, at, step);
}

/// The machine, not the step, failed: the same attempt again, unless that has happened too often.
fn lost(view: &mut View, changes: &mut Changes, at: usize, why: &str, now: Timestamp) {
    let step = view.steps[at].clone();
    let infra_attempts = step.infra_attempts + 1;
    if let Some(tracked) = &step.mlflow_run_id {
        changes.ended.push((tracked.clone(), "KILLED"));
    }
    let again = infra_attempts < decide::INFRASTRUCTURE_ATTEMPTS;
    let reason = if again {
        format!("{why}; it runs again")
    } else {
        format!("{why}, {infra_attempts} times by now: look for a machine out of memory")
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
    view.change(changes, at, step);
}

fn until(at: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(at.duration_since(now)).unwrap_or_default()
}

/// Claims that found no room in this pass: of many equal steps that wait, one is worked out.
#[derive(Default)]
struct Refused(Vec<(Claim, Admit)>);

impl Refused {
    /// Takes a claim out of what is free; says what it waits for when there is no room.
    fn ask(&mut self, room: &mut Capacity, claim: &Claim) -> Admit {
        // Room only shrinks while steps are started.
        if let Some((_, answer)) = self.0.iter().find(|(known, _)| known == claim) {
            return answer.clone();
        }
        let answer = platform::capacity::admit(room, claim);
        if answer == Admit::Now {
            room.used.cpu += claim.cpu;
            room.used.memory = room.used.memory.saturating_add(claim.memory);
            room.used.gpus += claim.gpus;
            room.units += 1;
        } else {
            self.0.push((*claim, answer.clone()));
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_claims_hear_the_same_once_one_was_refused() {
        let claim = |cpu| Claim {
            cpu,
            ..Claim::default()
        };
        let mut room = Capacity {
            cpu: 2.0,
            memory: 1,
            gpus: 0,
            used: Claim::default(),
            units: 0,
        };
        let mut refused = Refused::default();
        let mut check = |cpu: f64, expect: &str| {
            let answer = match refused.ask(&mut room, &claim(cpu)) {
                Admit::Now => "now".to_owned(),
                Admit::Wait(why) | Admit::Never(why) => why,
            };
            assert!(answer.starts_with(expect), "{answer}");
        };
        check(1.5, "now");
        check(1.0, "0.50 of 2 CPUs are free");
        check(0.5, "now");
        check(1.0, "0.50 of 2 CPUs are free");
        check(3.0, "it asks for 3 CPUs and this machine has 2");
        assert_eq!((room.used.cpu, room.units), (2.0, 2));
    }
}
