//! Starting steps: inputs are found, a kept result is taken where there is one, else a unit is made.

use super::{
    Executor, Fault, TokenScope,
    advance::{Changes, View},
    tracking,
    unit::{self, Attempt, Staged, Tracking},
};
use crate::{
    cache::{self, Ingredients},
    graph::{self, Node, Origin},
    tree::{self, Held},
};
use jiff::{SignedDuration, Timestamp};
use platform::{Admit, UnitSpec};
use serde_json::json;
use std::{collections::BTreeMap, path::PathBuf};
use store::{Digest, NewEvent, Run, Step, StepState, Steps as _};

/// Seconds that a step's token lasts beyond its timeout. What ends it is the end of its run; the date is a second line,
/// and must not cut a step off whose server's clock is set forward.
const TOKEN_SPARE: i64 = 7 * 86_400;

impl Executor {
    /// A step whose predecessors are done: a kept result ends it, otherwise it queues.
    pub(super) async fn ready(
        &self,
        view: &mut View,
        changes: &mut Changes,
        at: usize,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let (node, mut step) = (&view.nodes[at], view.steps[at].clone());
        let inputs = inputs_of(view, node);
        let mut params = view.work.params.clone();
        params.extend(node.cell.clone());
        let declared = view.declared(at);
        let cache_key = cache::key(&Ingredients {
            step: declared,
            files: &view.files_of(declared),
            inputs: &inputs,
            toolchain: view.work.toolchain.as_ref().map(|(digest, _)| digest),
            params: &params,
        });
        step.cache_key = Some(cache_key.as_str().to_owned());
        step.state = StepState::Queued;
        if !view.work.no_cache {
            let (project, wanted) = (view.run.project.clone(), cache_key.as_str().to_owned());
            let kept = self
                .parts
                .store
                .read(move |tx| tx.cached_step(&project, &wanted))
                .await?;
            if let Some(kept) = kept
                && self.still_there(&kept.outputs).await?
            {
                step.state = StepState::Succeeded;
                step.reason = format!("same as in run {}", kept.run_id);
                step.outputs = kept.outputs;
                step.metrics = kept.metrics;
                step.mlflow_run_id = kept.mlflow_run_id;
                step.cached_from = Some(kept.run_id);
                step.ended_at = Some(now);
                changes.events.push(event(
                    &view.run,
                    &step.key,
                    "step.cached",
                    &step.reason,
                    now,
                ));
            }
        }
        view.change(changes, at, step);
        Ok(())
    }

    async fn still_there(&self, outputs: &BTreeMap<String, Digest>) -> Result<bool, Fault> {
        for digest in outputs.values() {
            if self.parts.blobs.size(digest).await?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Makes the next attempt of a queued step, if it was admitted; what it waits for is written to the step.
    pub(super) async fn launch(
        &self,
        view: &mut View,
        changes: &mut Changes,
        at: usize,
        admitted: Admit,
        now: Timestamp,
    ) -> Result<Option<UnitSpec>, Fault> {
        match admitted {
            Admit::Now => {
                let mut step = view.steps[at].clone();
                // A retry and the first start count; a lost supervisor's attempt keeps its number.
                if step.attempt == 0 || step.not_before.is_some() {
                    step.attempt += 1;
                }
                step.not_before = None;
                step.unit_id = Some(unit::id(&view.run.id, &step, self.parts.machine.as_deref()));
                let tracked = unit::mlflow_run(&view.run.id, &step);
                step.mlflow_run_id = Some(tracked.clone());
                step.state = StepState::Running;
                step.started_at = Some(now);
                step.reason = String::new();
                let unit = self.unit_of(view, at, &step).await?;
                changes.started.push(tracking::of_attempt(
                    &view.run,
                    &step,
                    &tracked,
                    &view.experiment,
                    now,
                ));
                view.change(changes, at, step);
                Ok(Some(unit))
            }
            Admit::Wait(what) => {
                let waiting = format!("waits for room: {what}");
                if view.steps[at].reason != waiting {
                    let queued = Step {
                        reason: waiting,
                        ..view.steps[at].clone()
                    };
                    view.change(changes, at, queued);
                }
                Ok(None)
            }
            Admit::Never(what) => {
                let failed = Step {
                    state: StepState::Failed,
                    reason: what,
                    ended_at: Some(now),
                    ..view.steps[at].clone()
                };
                view.change(changes, at, failed);
                Ok(None)
            }
        }
    }

    /// The unit of an attempt at the step of this place; the same each time.
    pub(super) async fn unit_of(
        &self,
        view: &View,
        at: usize,
        step: &Step,
    ) -> Result<UnitSpec, Fault> {
        let node = &view.nodes[at];
        let inputs = self.stage(view, node).await?;
        let mut places: BTreeMap<Digest, PathBuf> = BTreeMap::new();
        for staged in &inputs {
            let digests: Vec<&Digest> = match &staged.held {
                Held::File => vec![&staged.digest],
                Held::Tree(files) => files.files().iter().map(|file| &file.digest).collect(),
            };
            for digest in digests {
                places.insert(
                    digest.clone(),
                    self.parts
                        .blobs
                        .on_disk(digest, &self.parts.snapshots)
                        .await?,
                );
            }
        }
        let timeout = view.declared(at).timeout.as_millis();
        let seconds = i64::try_from(timeout / 1000)
            .unwrap_or(i64::MAX)
            .saturating_add(TOKEN_SPARE);
        let started = step.started_at.unwrap_or(view.run.created_at);
        let run = step.mlflow_run_id.clone().unwrap_or_default();
        let scope = TokenScope {
            project: view.run.project.clone(),
            run: view.run.id.clone(),
            mlflow_run: run.clone(),
            expires: started
                .checked_add(SignedDuration::from_secs(seconds.min(10_000_000)))
                .unwrap_or(Timestamp::MAX),
        };
        let tracking = Tracking {
            uri: format!("{}/p/{}", self.parts.control, view.run.project),
            token: (self.parts.token)(&scope),
            run,
            experiment: view.experiment.clone(),
        };
        Ok(unit::spec(&Attempt {
            run: &view.run,
            work: &view.work,
            node,
            step,
            inputs: &inputs,
            tracking: &tracking,
            blob: &|digest| places.get(digest).cloned().unwrap_or_default(),
        }))
    }

    async fn stage(&self, view: &View, node: &Node) -> Result<Vec<Staged>, Fault> {
        let mut staged = Vec::new();
        for (name, digest) in inputs_of(view, node) {
            let held = tree::open(&digest, &self.parts.blobs).await?;
            let size = tree::size(&digest, &self.parts.blobs).await?;
            let extension = view
                .work
                .datasets
                .get(&name)
                .map(|d| extension(d.source.as_str()))
                .unwrap_or_default();
            staged.push(Staged {
                name,
                extension,
                digest,
                held,
                size,
            });
        }
        Ok(staged)
    }

    /// Hands a unit to the platform; without room after all, the step queues again.
    pub(super) async fn start_unit(
        &self,
        view: &mut View,
        at: usize,
        unit: UnitSpec,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let changed = match self.parts.platform.start(unit).await {
            Ok(_) => return Ok(()),
            Err(platform::Error::NoRoom(what)) => Step {
                state: StepState::Queued,
                // The attempt did not happen.
                attempt: view.steps[at].attempt - 1,
                unit_id: None,
                reason: format!("waits for room: {what}"),
                ..view.steps[at].clone()
            },
            Err(error @ (platform::Error::TooLarge(_) | platform::Error::Invalid(_))) => Step {
                state: StepState::Failed,
                reason: error.to_string(),
                ended_at: Some(now),
                ..view.steps[at].clone()
            },
            Err(error) => return Err(error.into()),
        };
        let mut changes = Changes::default();
        if let Some(tracked) = &changed.mlflow_run_id {
            changes.ended.push((tracked.clone(), "KILLED"));
        }
        view.change(&mut changes, at, changed);
        self.commit(view, changes, now).await
    }
}

pub(super) fn event(run: &Run, key: &str, kind: &str, reason: &str, now: Timestamp) -> NewEvent {
    NewEvent {
        project: Some(run.project.clone()),
        at: now,
        actor: "pipeline".to_owned(),
        kind: kind.to_owned(),
        subject: format!("run/{}/{key}", run.id),
        reason: reason.to_owned(),
        before: None,
        after: Some(json!({ "pipeline": run.pipeline })),
    }
}

/// The digest of each input, all of which are known once the node is ready.
fn inputs_of(view: &View, node: &Node) -> BTreeMap<String, Digest> {
    let mut inputs = BTreeMap::new();
    for (name, origin) in graph::origins(&view.work.pipeline, node) {
        let digest = match origin {
            Origin::Dataset(dataset) => view.run.datasets.get(&dataset).cloned(),
            Origin::Champion => view
                .work
                .champion
                .as_ref()
                .map(|champion| champion.output.clone()),
            Origin::Output { step, output } => view
                .selected(&step)
                .and_then(|step| step.outputs.get(&output).cloned()),
        };
        if let Some(digest) = digest {
            inputs.insert(name, digest);
        }
    }
    inputs
}

/// `.csv.gz` of `data/flights.csv.gz`: readers tell formats by it.
fn extension(source: &str) -> String {
    let name = source.rsplit('/').next().unwrap_or(source);
    name.find('.')
        .filter(|at| *at > 0)
        .map(|at| name[at..].to_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #[test]
    fn extensions() {
        for (source, expect) in [
            ("data/flights.csv.gz", ".csv.gz"),
            ("a", ""),
            ("x.d/y", ""),
            (".hidden", ""),
        ] {
            assert_eq!(super::extension(source), expect, "{source}");
        }
    }
}
