//! The first part of a run: champion, toolchain, datasets with their checks, then its steps, in one transaction.

use super::{Executor, Fault, tracking};
use crate::{
    checks::{self, Failure},
    graph,
    profile::{self, Format, Profile},
    snapshot,
    toolchain::ToolchainError,
    work::{Champion, Work},
};
use jiff::Timestamp;
use serde_json::json;
use std::{collections::BTreeMap, path::Path};
use store::{
    DatasetVersion, Datasets as _, Deployments as _, Digest, Events as _, Experiments as _,
    Models as _, NewEvent, NewExperiment, Priority, Run, RunState, Runs as _, Step, Steps as _,
    Tracking as _,
};
use tokio_util::sync::CancellationToken;

impl Executor {
    /// Prepares a queued run. Answers whether it now runs; a user's mistake ends it as failed.
    pub(super) async fn prepare(
        &self,
        mut run: Run,
        stop: &CancellationToken,
    ) -> Result<bool, Fault> {
        let mut work = Work::of(&run)?;
        let started = (self.parts.now)();
        work.champion = self.champion(&run, &work).await?;
        let prepared = tokio::select! {
            () = stop.cancelled() => return Ok(false),
            done = self.prerequisites(&mut run, &mut work) => done?,
        };
        match prepared {
            Ok(()) => {
                self.begin(run, work, started).await?;
                Ok(true)
            }
            Err(why) => {
                self.end(run, RunState::Failed, why, None).await?;
                Ok(false)
            }
        }
    }

    async fn champion(&self, run: &Run, work: &Work) -> Result<Option<Champion>, Fault> {
        let Some(register) = &work.pipeline.register else {
            return Ok(None);
        };
        let (project, environment, model) = (
            run.project.clone(),
            work.last_environment.clone(),
            register.model.clone(),
        );
        let found = self.parts.store.read(move |tx| {
            let live = tx.deployments(Some(&project))?.into_iter().find_map(|d| {
                (d.environment == environment && d.model == model)
                    .then_some(d.version)
                    .flatten()
            });
            let Some(version) = live else { return Ok(None) };
            Ok(tx
                .version(&project, &model, version)?
                .map(|row| (version, row)))
        });
        let Some((version, row)) = found.await? else {
            return Ok(None);
        };
        let output = row.lineage["output"]
            .as_str()
            .and_then(|text| text.parse::<Digest>().ok())
            .or(row.artifact);
        Ok(output.map(|output| Champion { version, output }))
    }

    /// Toolchain, checkout and datasets; the inner error is the user's to mend.
    async fn prerequisites(
        &self,
        run: &mut Run,
        work: &mut Work,
    ) -> Result<Result<(), String>, Fault> {
        work.checkout =
            Some(snapshot::checkout(&work.files, &self.parts.blobs, &self.parts.snapshots).await?);
        match self.toolchain(run, work).await? {
            Ok(()) => {}
            Err(why) => return Ok(Err(why)),
        }
        for name in work.datasets.keys().cloned().collect::<Vec<_>>() {
            match self.ingest(run, work, &name).await? {
                Ok(digest) => {
                    run.datasets.insert(name, digest);
                }
                Err(why) => return Ok(Err(why)),
            }
        }
        Ok(Ok(()))
    }

    async fn toolchain(&self, run: &mut Run, work: &mut Work) -> Result<Result<(), String>, Fault> {
        let Some(python) = work.pipeline.python.clone() else {
            return Ok(Ok(()));
        };
        let Some(entry) = work.files.file(&python.lock) else {
            return Ok(Err(format!(
                "`{}` is not in the snapshot: commit the lock, or mend `python.lock`",
                python.lock
            )));
        };
        let bytes = self.parts.blobs.get(&entry.digest).await?;
        run.lock = Some(entry.digest.clone());
        let Ok(text) = std::str::from_utf8(&bytes) else {
            return Ok(Err(format!("`{}` is not UTF-8", python.lock)));
        };
        let id = run.id.clone();
        let say = move |line: &str| tracing::info!(run = id, what = line, "preparing a toolchain");
        let version = python.version.as_deref().unwrap_or_default();
        match self
            .parts
            .toolchains
            .prepare(&python.lock, text, version, &say)
            .await
        {
            Ok(toolchain) => {
                work.toolchain = Some((toolchain.digest, toolchain.path));
                Ok(Ok(()))
            }
            Err(error @ ToolchainError::Io(..)) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "a toolchain cannot be prepared"
                );
                Ok(Err(format!("{error}: look at the server's log")))
            }
            Err(error) => Ok(Err(error.to_string())),
        }
    }

    async fn ingest(
        &self,
        run: &Run,
        work: &Work,
        name: &str,
    ) -> Result<Result<Digest, String>, Fault> {
        let dataset = &work.datasets[name];
        let path = work.root.join(dataset.source.as_str());
        if !path.exists() {
            let why = format!(
                "dataset `{name}`: no file `{}`: put it there, or mend `source`",
                dataset.source
            );
            return Ok(Err(why));
        }
        let digest = crate::tree::put(&path, &self.parts.blobs).await?;
        let profile = match self.profile(run, work, name, &digest, &path).await? {
            Ok(profile) => profile,
            Err(why) => return Ok(Err(format!("dataset `{name}` ({}): {why}", dataset.source))),
        };
        match checks::failed(&dataset.checks, &profile) {
            Ok(failures) if failures.is_empty() => Ok(Ok(digest)),
            Ok(failures) => Ok(Err(sentence(name, &digest, &failures))),
            Err(error) => Ok(Err(format!("dataset `{name}`: {error}"))),
        }
    }

    /// The profile of these bytes: the one kept, or a new one, which is then kept.
    async fn profile(
        &self,
        run: &Run,
        work: &Work,
        name: &str,
        digest: &Digest,
        path: &Path,
    ) -> Result<Result<Profile, String>, Fault> {
        let (project, dataset, wanted) = (run.project.clone(), name.to_owned(), digest.clone());
        let known = self
            .parts
            .store
            .read(move |tx| tx.dataset(&project, &dataset, &wanted))
            .await?;
        if let Some(profile) = known.and_then(|known| serde_json::from_value(known.profile).ok()) {
            return Ok(Ok(profile));
        }
        let format = match work.datasets[name].format {
            spec::Format::Csv => Format::Csv,
            spec::Format::Parquet => Format::Parquet,
            spec::Format::Jsonl => Format::Jsonl,
            spec::Format::Files => Format::Files,
        };
        // The blob, not the source: what is profiled is what was kept.
        let blob = if path.is_dir() {
            path.to_owned()
        } else {
            self.parts
                .blobs
                .on_disk(digest, &self.parts.snapshots)
                .await?
        };
        let profile =
            match tokio::task::spawn_blocking(move || profile::of_file(&blob, format)).await? {
                Ok(profile) => profile,
                Err(error) => return Ok(Err(error.to_string())),
            };
        let version = DatasetVersion {
            project: run.project.clone(),
            dataset: name.to_owned(),
            digest: digest.clone(),
            size: profile.bytes,
            profile: serde_json::to_value(&profile)?,
            source: work.datasets[name].source.to_string(),
            ingested_at: (self.parts.now)(),
        };
        self.parts
            .store
            .write(Priority::Normal, move |tx| {
                if tx.put_dataset(&version)? {
                    tx.append_event(&NewEvent {
                        project: Some(version.project.clone()),
                        at: version.ingested_at,
                        actor: "pipeline".to_owned(),
                        kind: "dataset.ingested".to_owned(),
                        subject: format!("dataset/{}", version.dataset),
                        reason: String::new(),
                        before: None,
                        after: Some(json!({ "digest": version.digest, "rows": version.profile["rows"], "source": version.source })),
                    })?;
                }
                Ok(())
            })
            .await?;
        Ok(Ok(profile))
    }

    /// Records the steps and that the run goes.
    async fn begin(&self, mut run: Run, work: Work, started: Timestamp) -> Result<(), Fault> {
        let now = (self.parts.now)();
        let mlflow_run = Digest::of(format!("run/{}", run.id).as_bytes()).hex()[..32].to_owned();
        run.mlflow_run_id = Some(mlflow_run.clone());
        run.state = RunState::Running;
        run.started_at = Some(started);
        run.spec = work.to_spec();
        let steps: Vec<Step> = graph::build(&work.pipeline, work.champion.is_some())
            .iter()
            .zip(0..)
            .map(|(node, position)| Step::new(&run.id, &node.key, position))
            .collect();
        let params: BTreeMap<String, String> = work
            .params
            .iter()
            .map(|(k, v)| (k.clone(), v.to_string()))
            .collect();
        self.parts
            .store
            .write(Priority::Normal, move |tx| {
                let experiment = match tx.experiment_by_name(&run.project, &run.pipeline)? {
                    Some(known) => known.id,
                    None => tx.create_experiment(&NewExperiment {
                        project: run.project.clone(),
                        name: run.pipeline.clone(),
                        artifact_location: "mlflow-artifacts:/{id}".to_owned(),
                        created_at: now,
                        tags: BTreeMap::new(),
                    })?,
                };
                tx.create_tracked_run(&tracking::of_run(&run, &mlflow_run, &experiment, now, params.clone()))?;
                for step in &steps {
                    tx.insert_step(step)?;
                }
                tx.update_run(&run)?;
                tx.append_event(&NewEvent {
                    project: Some(run.project.clone()),
                    at: now,
                    actor: "pipeline".to_owned(),
                    kind: "run.started".to_owned(),
                    subject: format!("run/{}", run.id),
                    reason: run.reason.clone(),
                    before: None,
                    after: Some(json!({ "datasets": run.datasets, "champion": work.champion.as_ref().map(|c| c.version) })),
                })
            })
            .await?;
        Ok(())
    }
}

fn sentence(name: &str, digest: &Digest, failures: &[Failure]) -> String {
    let list: Vec<String> = failures
        .iter()
        .map(|f| format!("`{}` is false ({})", f.check, f.values))
        .collect();
    format!(
        "dataset `{name}` at {} fails its checks: {}",
        digest.short(),
        list.join("; ")
    )
}
