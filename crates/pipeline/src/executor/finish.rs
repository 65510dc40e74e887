//! The end of a run: the gate is asked, a version registered, and the run marked, in one transaction.

use super::{Executor, Fault, advance::View, files::Registered};
use crate::{
    decide::Outcome,
    gate::{self, Answer},
};
use jiff::Timestamp;
use mlflow::{artifacts, tag::Pair, webhooks::News};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use store::{
    Artifact, Artifacts as _, Digest, Events as _, GateState, Happening, ModelVersion, Models as _,
    NewEvent, Outbox as _, Priority, RegisteredModel, Run, RunState, Runs as _, StepState,
    Tracking as _, TrackingRead as _,
};

/// A version to register, and the names of its files.
pub(super) struct Registration {
    version: ModelVersion,
    files: Vec<Artifact>,
}

/// What the gate means for a version that was registered, and what comes next.
fn gate_said(state: GateState) -> &'static str {
    match state {
        GateState::Passed => "it passed its gate",
        GateState::NeedsApproval => {
            "its gate could compare it with nothing: look at it, and `mainspan promote` deploys it"
        }
        _ => "it has no gate: `mainspan promote` deploys it",
    }
}

/// What webhooks are told of a new version.
fn made(version: &ModelVersion, number: u32) -> News {
    let tags: Vec<Pair> = version.tags.clone().into_iter().map(Pair::from).collect();
    let ModelVersion {
        model,
        source,
        mlflow_run_id,
        description,
        ..
    } = version;
    let run = mlflow_run_id.as_deref();
    News::version(model, number, source, run, &tags, description)
}

/// The same for the outbox.
fn happened(version: &ModelVersion, news: News, at: Timestamp) -> Happening {
    Happening {
        project: version.project.clone(),
        event: news.event.name(),
        data: news.data,
        at,
    }
}

impl Executor {
    /// Ends a run whose steps are all done.
    pub(super) async fn finish(&self, view: View, outcome: Outcome) -> Result<(), Fault> {
        if let Outcome::Failed { key, why } = outcome {
            return self
                .end(
                    view.run,
                    RunState::Failed,
                    format!("step `{key}` failed: {why}"),
                    None,
                )
                .await;
        }
        if view.work.pipeline.register.is_none() {
            return self
                .end(
                    view.run,
                    RunState::Succeeded,
                    "every step succeeded".to_owned(),
                    None,
                )
                .await;
        }
        match self.version(&view).await? {
            Ok(registration) => {
                self.end(
                    view.run,
                    RunState::Succeeded,
                    String::new(),
                    Some(registration),
                )
                .await
            }
            Err(why) => self.end(view.run, RunState::Failed, why, None).await,
        }
    }

    /// The version to register; the inner error is the user's to mend.
    async fn version(&self, view: &View) -> Result<Result<Registration, String>, Fault> {
        let pipeline = &view.work.pipeline;
        let Some(register) = &pipeline.register else {
            return Ok(Err("nothing to register".to_owned()));
        };
        let figures = gate::figures(pipeline, &view.metrics());
        let (state, answer) = match gate::ask(pipeline, &figures, view.work.champion.is_some()) {
            Ok(Answer::Passed(outcome)) => (GateState::Passed, json!(outcome)),
            Ok(Answer::NeedsApproval(outcome)) => (GateState::NeedsApproval, json!(outcome)),
            Ok(Answer::NoGate) => (GateState::None, Json::Null),
            Ok(Answer::Rejected { why, .. }) => return Ok(Err(format!("the gate says no: {why}"))),
            Err(error) => return Ok(Err(error.to_string())),
        };
        let chosen = view.selected(&register.from.step);
        let output = chosen.and_then(|step| {
            let output = step.outputs.get(&register.from.output)?;
            Some((step, output.clone()))
        });
        let Some((step, output)) = output else {
            return Ok(Err(format!("`{}` was not written", register.from)));
        };
        let model = match self.model(&output, &view.work.engines).await? {
            Ok(model) => model,
            Err(why) => return Ok(Err(format!("`{}` {why}", register.from))),
        };
        let now = (self.parts.now)();
        let champion = view.work.champion.as_ref().map(|champion| champion.version);
        let attempt = step.mlflow_run_id.clone();
        let files = match &attempt {
            Some(attempt) => {
                let registered = Registered {
                    project: &view.run.project,
                    attempt,
                    name: &register.from.output,
                    output: &output,
                    onnx: model.is_onnx.then_some(&model.artifact),
                };
                self.files(&registered, now).await?
            }
            None => Vec::new(),
        };
        let version = ModelVersion {
            project: view.run.project.clone(),
            model: register.model.clone(),
            version: 0,
            created_at: now,
            updated_at: now,
            description: String::new(),
            user_id: "mainspan".to_owned(),
            source: attempt
                .as_ref()
                .map(|id| artifacts::registered_uri(id, &register.from.output))
                .unwrap_or_default(),
            mlflow_run_id: attempt,
            mlflow_model_id: None,
            run_id: Some(view.run.id.clone()),
            artifact: Some(model.artifact),
            lineage: lineage(view, &figures, &output),
            gate: json!({ "expression": register.gate, "outcome": answer, "figures": figures, "champion": champion }),
            signature: model.signature,
            gate_state: state,
            stage: "None".to_owned(),
            status: "READY".to_owned(),
            status_message: String::new(),
            tags: BTreeMap::new(),
        };
        Ok(Ok(Registration { version, files }))
    }

    /// Marks a run as over, registers its version if it has one, and ends its MLflow run.
    pub(super) async fn end(
        &self,
        run: Run,
        state: RunState,
        why: String,
        registration: Option<Registration>,
    ) -> Result<(), Fault> {
        let now = (self.parts.now)();
        let status = match state {
            RunState::Succeeded => "FINISHED",
            RunState::Cancelled => "KILLED",
            _ => "FAILED",
        };
        self.parts
            .store
            .write(Priority::Normal, move |tx| {
                let mut run = run.clone();
                run.state = state;
                run.reason.clone_from(&why);
                run.ended_at = Some(now);
                let event = |kind: String, subject: String, reason: &str, after: Json| NewEvent {
                    project: Some(run.project.clone()),
                    at: now,
                    actor: "pipeline".to_owned(),
                    kind,
                    subject,
                    reason: reason.to_owned(),
                    before: None,
                    after: Some(after),
                };
                let (mut registered, mut said) = (None, why.clone());
                if let Some(Registration { version, files }) = &registration {
                    if tx.model(&version.project, &version.model)?.is_none() {
                        tx.create_model(&RegisteredModel {
                            project: version.project.clone(),
                            name: version.model.clone(),
                            created_at: now,
                            updated_at: now,
                            description: String::new(),
                            tags: BTreeMap::new(),
                        })?;
                        let news = News::created(&version.model, &[], "");
                        tx.tell(&happened(version, news, now))?;
                    }
                    for file in files {
                        tx.put_artifact(file)?;
                    }
                    let number = tx.create_version(version)?;
                    tx.tell(&happened(version, made(version, number), now))?;
                    registered = Some(number);
                    said = match version.gate_state {
                        GateState::Passed => format!("registered version {number}"),
                        state => format!("registered version {number}; {}", gate_said(state)),
                    };
                    let subject = format!("model/{}/{number}", version.model);
                    let after = json!({ "gate": version.gate_state, "run": run.id, "commit": run.commit, "artifact": version.artifact });
                    tx.append_event(&event("version.registered".to_owned(), subject, gate_said(version.gate_state), after))?;
                }
                run.reason.clone_from(&said);
                tx.update_run(&run)?;
                if let Some(mut tracked) = match &run.mlflow_run_id {
                    Some(id) => tx.tracked_run(id)?,
                    None => None,
                } {
                    tracked.status = status.to_owned();
                    tracked.end_time = Some(now);
                    tx.update_tracked_run(&tracked)?;
                }
                let kind = format!("run.{}", run.state);
                tx.append_event(&event(kind, format!("run/{}", run.id), &said, json!({ "pipeline": run.pipeline, "version": registered })))?;
                Ok(())
            })
            .await?;
        Ok(())
    }
}

fn lineage(view: &View, figures: &gate::Figures, output: &Digest) -> Json {
    let steps: BTreeMap<&String, Json> = view
        .steps
        .iter()
        .filter(|step| step.state == StepState::Succeeded)
        .map(|step| (&step.key, json!({ "mlflow_run": step.mlflow_run_id, "cached_from": step.cached_from, "metrics": step.metrics, "outputs": step.outputs })))
        .collect();
    json!({
        "commit": view.run.commit,
        "dirty": view.run.dirty,
        "snapshot": view.run.snapshot,
        "run": view.run.id,
        "pipeline": view.run.pipeline,
        "trigger": view.run.trigger,
        "datasets": view.run.datasets,
        "lock": view.run.lock,
        "python": view.work.pipeline.python.as_ref().map(|python| &python.version),
        "toolchain": view.work.toolchain.as_ref().map(|(digest, _)| digest),
        "params": view.run.params,
        "metrics": figures,
        "steps": steps,
        "output": output,
    })
}
