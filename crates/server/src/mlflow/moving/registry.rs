//! Registered models and prompts, their versions under their own numbers, and aliases.

use super::{
    Into,
    merge::{self, Step},
    source,
};
use crate::{
    app::App,
    http::ApiError,
    mlflow::{
        convert::{filled, labels, registry::RUN_LINK, time},
        failure::Refuse as _,
        find, registered,
    },
};
use mlflow::{
    Error,
    moving::{AliasAt, Model, Outcome, State},
    registry::version_number,
};
use serde_json::{Value, json};
use store::{
    Aliases as _, Digest, Events as _, GateState, ModelVersion, Models as _, Moving as _, NewEvent,
    RegisteredModel, Tx,
};

pub(super) fn model(tx: &mut Tx<'_>, into: &Into, comes: &Model) -> store::Result<Outcome> {
    let Model {
        model,
        last_version,
    } = comes;
    let wanted = RegisteredModel {
        project: into.project.clone(),
        name: model.name.clone(),
        created_at: time("creation_timestamp", model.creation_timestamp).refuse()?,
        updated_at: time("last_updated_timestamp", model.last_updated_timestamp).refuse()?,
        description: model.description.clone(),
        tags: labels(&model.tags),
    };
    let key = ("model", wanted.name.as_str());
    let here = tx.model(&into.project, &wanted.name)?;
    let step = merge::step(tx, into, key, here.as_ref(), &wanted)?;
    match &step {
        Step::Create => {
            tx.create_model(&wanted)?;
            event(
                tx,
                into,
                "model.registered",
                format!("model/{}", wanted.name),
                json!({}),
            )?;
        }
        Step::Update => tx.update_model(&wanted)?,
        Step::Keep | Step::Differs(_) => {}
    }
    if let Some(last) = last_version {
        tx.skip_versions(&into.project, &wanted.name, *last)?;
    }
    merge::remember(tx, into, key, &step, &wanted)?;
    Ok(merge::outcome(step))
}

/// Where a version's files are here, and what they are.
#[derive(Clone, Debug, Default)]
pub(super) struct Looked {
    source: String,
    artifact: Option<Digest>,
    signature: Value,
}

/// Looks for the files of a version that comes.
pub(super) async fn look(
    app: &App,
    project: &str,
    version: mlflow::registry::ModelVersion,
) -> Result<Looked, ApiError> {
    let of = project.to_owned();
    let (uri, folder) = app
        .store()
        .read(move |tx| {
            let uri = relocated(tx, &of, &version)?;
            let folder = source::folder_of(tx, &of, &uri).unwrap_or_default();
            Ok((uri, folder))
        })
        .await?;
    let (artifact, signature) = source::look_into(app, project, folder).await?;
    Ok(Looked {
        source: uri,
        artifact,
        signature,
    })
}

/// The source of a version, at the place that the same files have here.
fn relocated(
    tx: &mut Tx<'_>,
    project: &str,
    version: &mlflow::registry::ModelVersion,
) -> store::Result<String> {
    let source = &version.source;
    if source.starts_with("runs:/") || source.starts_with("models:/") {
        return Ok(source.clone());
    }
    if let Some((id, below)) = of_model(source)
        && let Ok(model) = find::logged_model(tx, project, id)
    {
        return Ok(format!("{}{below}", model.artifact_uri));
    }
    if let Some(below) = of_run(source, &version.run_id)
        && let Ok(run) = find::head(tx, project, &version.run_id)
    {
        return Ok(format!("{}{below}", run.artifact_uri));
    }
    Ok(source.clone())
}

/// The logged model whose files a place is among, and the path below them.
fn of_model(source: &str) -> Option<(&str, &str)> {
    let (_, rest) = source.split_once("/models/m-")?;
    let (hex, below) = rest.split_once("/artifacts")?;
    let start = source.len() - rest.len() - 2;
    (!hex.contains('/')).then(|| (&source[start..start + 2 + hex.len()], below))
}

/// The path below a run's files of a place among them.
fn of_run<'s>(source: &'s str, run_id: &str) -> Option<&'s str> {
    let (_, below) = source.split_once(&format!("/{run_id}/artifacts"))?;
    (!run_id.is_empty() && (below.is_empty() || below.starts_with('/'))).then_some(below)
}

pub(super) fn version(
    tx: &mut Tx<'_>,
    into: &Into,
    comes: &mlflow::registry::ModelVersion,
    looked: Option<&Looked>,
) -> store::Result<Outcome> {
    let number = version_number(&comes.version).refuse()?;
    registered::find(tx, &into.project, &comes.name)?;
    let here = tx.version(&into.project, &comes.name, number)?;
    let looked = looked.cloned().unwrap_or_default();
    let wanted = wanted(into, comes, number, looked, here.as_ref()).refuse()?;
    let id = format!("{}/{number}", comes.name);
    let key = ("version", id.as_str());
    let step = merge::step(tx, into, key, here.as_ref(), &wanted)?;
    match &step {
        Step::Create => {
            tx.put_version(&wanted)?;
            let after = json!({ "source": wanted.source, "artifact": wanted.artifact });
            event(tx, into, "version.registered", format!("model/{id}"), after)?;
        }
        Step::Update => tx.update_version(&wanted)?,
        Step::Keep | Step::Differs(_) => {}
    }
    merge::remember(tx, into, key, &step, &wanted)?;
    Ok(merge::outcome(step))
}

fn wanted(
    into: &Into,
    comes: &mlflow::registry::ModelVersion,
    number: u32,
    looked: Looked,
    here: Option<&ModelVersion>,
) -> Result<ModelVersion, Error> {
    let of_model = looked
        .source
        .strip_prefix("models:/m-")
        .map(|rest| rest.split('/').next().unwrap_or(rest));
    let found = ModelVersion {
        project: into.project.clone(),
        model: comes.name.clone(),
        version: number,
        created_at: time("creation_timestamp", comes.creation_timestamp)?,
        updated_at: time("last_updated_timestamp", comes.last_updated_timestamp)?,
        description: comes.description.clone(),
        user_id: comes.user_id.clone(),
        mlflow_run_id: filled(Some(&comes.run_id)),
        mlflow_model_id: of_model.map(|id| format!("m-{id}")),
        source: looked.source,
        run_id: None,
        artifact: looked.artifact,
        lineage: filled(Some(&comes.run_link))
            .map_or(Value::Null, |link| json!({ RUN_LINK: link })),
        gate: Value::Null,
        signature: looked.signature,
        gate_state: GateState::None,
        stage: filled(Some(&comes.current_stage)).unwrap_or_else(|| "None".to_owned()),
        status: filled(Some(&comes.status)).unwrap_or_else(|| "READY".to_owned()),
        status_message: comes.status_message.clone(),
        tags: labels(&comes.tags),
    };
    // What Mainspan found out about a version is nothing that its server could differ in.
    Ok(match here {
        None => found,
        Some(here) => ModelVersion {
            run_id: here.run_id.clone(),
            artifact: here.artifact.clone(),
            lineage: here.lineage.clone(),
            gate: here.gate.clone(),
            signature: here.signature.clone(),
            gate_state: here.gate_state,
            ..found
        },
    })
}

pub(super) fn alias(tx: &mut Tx<'_>, into: &Into, comes: &AliasAt) -> store::Result<Outcome> {
    let AliasAt {
        name,
        alias,
        version,
    } = comes;
    let number = version_number(version).refuse()?;
    let here = tx.alias(&into.project, name, alias)?;
    let id = format!("{name}@{alias}");
    let key = ("alias", id.as_str());
    let step = merge::step(tx, into, key, here.as_ref(), &number)?;
    let reserved = registered::reserved_aliases(tx, &into.project)?;
    if step != Step::Keep && reserved.contains(alias) {
        return Ok(Outcome {
            state: State::LeftOut,
            why: Some(format!(
                "shows what serves here: `mainspan promote {name} --version {number}` moves it"
            )),
            ..merge::outcome(Step::Keep)
        });
    }
    registered::find_version(tx, &into.project, name, number)?;
    if matches!(step, Step::Create | Step::Update) {
        tx.set_alias(&into.project, name, alias, number)?;
        let subject = format!("model/{name}/{number}");
        event(tx, into, "alias.set", subject, json!({ "alias": alias }))?;
    }
    merge::remember(tx, into, key, &step, &number)?;
    Ok(merge::outcome(step))
}

pub(super) fn event(
    tx: &mut Tx<'_>,
    into: &Into,
    kind: &str,
    subject: String,
    after: Value,
) -> store::Result<()> {
    tx.append_event(&NewEvent {
        project: Some(into.project.clone()),
        at: into.now,
        actor: into.actor.clone(),
        kind: kind.to_owned(),
        subject,
        reason: "copied from another server".to_owned(),
        before: None,
        after: Some(after),
    })
    .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_files_a_source_is_among() {
        let check = |source: &str, run: &str, model: Option<(&str, &str)>, below: Option<&str>| {
            assert_eq!(of_model(source), model, "{source}");
            assert_eq!(of_run(source, run), below, "{source}");
        };
        check(
            "file:///w/1/models/m-ab/artifacts",
            "r",
            Some(("m-ab", "")),
            None,
        );
        check(
            "s3://b/1/models/m-ab/artifacts/x/y",
            "r",
            Some(("m-ab", "/x/y")),
            None,
        );
        check(
            "mlflow-artifacts:/1/r/artifacts/model",
            "r",
            None,
            Some("/model"),
        );
        check("/mlruns/1/r/artifacts", "r", None, Some(""));
        check("/mlruns/1/r/artifacts2", "r", None, None);
        check("/mlruns/1//artifacts", "", None, None);
        check("prompt-template", "r", None, None);
    }
}
