//! Where a version's files are: checked against the run or logged model that holds them, and the one ONNX file among
//! them found, so that the version can be served.

use super::{
    artifacts::checked,
    call::Call,
    convert::filled,
    failure::{Failure, Refuse as _},
    find, registered,
};
use crate::app::App;
use inference::onnx;
use mlflow::{
    Error, artifacts,
    registry::{CreateVersion, version_number},
};
use serde_json::Value;
use store::{Aliases as _, Artifact, Artifacts as _, Digest, ModelVersion, Tx};

/// The largest file that is looked into; no ONNX file is larger.
const ONNX_LIMIT: u64 = 2 << 30;

/// A checked source.
#[derive(Debug, Clone)]
pub(super) struct Source {
    /// As it is kept.
    pub(super) uri: String,
    /// The run that holds it.
    pub(super) run_id: Option<String>,
    /// The logged model that it is.
    pub(super) model_id: Option<String>,
    /// Where it is under the proxy, when it is there.
    folder: Option<String>,
}

/// Checks the source of a version to create.
pub(super) async fn resolve(call: &Call<CreateVersion>) -> Result<Source, Failure> {
    let (project, asked) = (call.project().to_owned(), call.message.clone());
    call.read(move |tx| {
        let run = asked.run_id.as_deref().filter(|id| !id.is_empty());
        let model = asked.model_id.as_deref().filter(|id| !id.is_empty());
        tx.reading(|tx| locate(tx, &project, &asked.source, run, model))
    })
    .await
}

/// What MLflow's clients write for the source of a prompt's version, whose text is in a tag.
const PROMPT_SOURCES: [&str; 2] = ["dummy-source", "prompt-template"];

/// The source of a prompt's version, which has no files.
pub(super) fn of_prompt(asked: &CreateVersion) -> Result<Source, Error> {
    if !PROMPT_SOURCES.contains(&asked.source.as_str()) {
        return Err(Error::invalid(format!(
            "Invalid prompt source: '{}'. A prompt's text is in its tag; its source is one of {PROMPT_SOURCES:?}",
            asked.source
        )));
    }
    Ok(Source {
        uri: asked.source.clone(),
        run_id: filled(asked.run_id.as_deref()),
        model_id: filled(asked.model_id.as_deref()),
        folder: None,
    })
}

fn locate(
    tx: &mut Tx<'_>,
    project: &str,
    uri: &str,
    run_id: Option<&str>,
    model_id: Option<&str>,
) -> store::Result<Source> {
    artifacts::check_location(uri).refuse()?;
    let mut source = Source {
        uri: uri.to_owned(),
        run_id: run_id.map(str::to_owned),
        model_id: model_id.map(str::to_owned),
        folder: None,
    };
    if let Some(rest) = uri.strip_prefix("runs:/") {
        let (id, path) = rest.split_once('/').unwrap_or((rest, ""));
        must_name(uri, "run_id", run_id, id).refuse()?;
        source.run_id = Some(id.to_owned());
        let root = find::head(tx, project, id)?.artifact_uri;
        source.folder = joined(&root, path).refuse()?;
    } else if let Some(id) = uri
        .strip_prefix("models:/")
        .filter(|rest| rest.starts_with("m-"))
    {
        let id = id.split('/').next().unwrap_or(id);
        must_name(uri, "model_id", model_id, id).refuse()?;
        source.model_id = Some(id.to_owned());
        let held = find::logged_model(tx, project, id)?;
        source.folder = artifacts::proxy_path(&held.artifact_uri).map(str::to_owned);
        source.run_id = source.run_id.or(held.source_run_id);
    } else if let Some(rest) = uri.strip_prefix("models:/") {
        return of_version(tx, project, rest);
    } else if let Some(path) = artifacts::proxy_path(uri) {
        within(tx, project, uri, path, run_id, model_id)?;
        source.folder = Some(checked(path).refuse()?);
    } else {
        elsewhere(uri).refuse()?;
    }
    Ok(source)
}

/// A source under the proxy lies within the run or model that the request names.
fn within(
    tx: &mut Tx<'_>,
    project: &str,
    uri: &str,
    path: &str,
    run_id: Option<&str>,
    model_id: Option<&str>,
) -> store::Result<()> {
    let (field, root) = match (model_id, run_id) {
        (Some(id), _) => (
            "model_id",
            find::logged_model(tx, project, id)?.artifact_uri,
        ),
        (None, Some(id)) => ("run_id", find::head(tx, project, id)?.artifact_uri),
        (None, None) => return Err(unnamed(uri, "run_id")).refuse(),
    };
    let root = artifacts::proxy_path(&root).unwrap_or("\0");
    if path == root
        || path
            .strip_prefix(root)
            .is_some_and(|rest| rest.starts_with('/'))
    {
        return Ok(());
    }
    Err(unnamed(uri, field)).refuse()
}

/// Another version's source: `name/3` or `name@alias`.
fn of_version(tx: &mut Tx<'_>, project: &str, rest: &str) -> store::Result<Source> {
    let (name, number) = match rest.split_once('@') {
        Some((name, alias)) => {
            registered::find(tx, project, name)?;
            let missing = || Error::invalid(format!("Registered model alias {alias} not found."));
            (
                name,
                tx.alias(project, name, alias)?
                    .ok_or_else(missing)
                    .refuse()?,
            )
        }
        None => {
            let (name, version) = rest.split_once('/').unwrap_or((rest, ""));
            (name, version_number(version).refuse()?)
        }
    };
    let version = registered::find_version(tx, project, name, number)?;
    let folder = location(tx, project, &version)?;
    Ok(Source {
        uri: format!("models:/{name}/{number}"),
        run_id: version.mlflow_run_id,
        model_id: version.mlflow_model_id,
        folder: folder_of(tx, project, &folder)?,
    })
}

fn must_name(uri: &str, field: &str, named: Option<&str>, id: &str) -> Result<(), Error> {
    // Older callers leave out what the source says already.
    if named.is_none_or(|named| named == id) {
        return Ok(());
    }
    Err(unnamed(uri, field))
}

fn unnamed(uri: &str, field: &str) -> Error {
    Error::invalid(format!(
        "Invalid model version source: '{uri}'. The {field} request parameter must identify the resource that contains the source."
    ))
}

/// Files of this machine are nobody's source; object stores and the web are the client's business.
fn elsewhere(uri: &str) -> Result<(), Error> {
    let scheme = uri.split_once(':').map_or("", |(scheme, _)| scheme);
    // A single letter is a drive.
    if scheme.len() < 2 || scheme.eq_ignore_ascii_case("file") || uri.starts_with('/') {
        return Err(Error::invalid(format!(
            "Invalid model version source: '{uri}'. Files of this machine cannot be registered: log the model to a run, and register that"
        )));
    }
    Ok(())
}

/// The place under the proxy of a path below a root; none for a root elsewhere.
fn joined(root: &str, path: &str) -> Result<Option<String>, Error> {
    let path = checked(path)?;
    let Some(root) = artifacts::proxy_path(root) else {
        return Ok(None);
    };
    Ok(Some(if path.is_empty() {
        root.to_owned()
    } else {
        format!("{root}/{path}")
    }))
}

/// Where a client downloads a version's files from.
pub(super) fn location(
    tx: &mut Tx<'_>,
    project: &str,
    version: &ModelVersion,
) -> store::Result<String> {
    let mut uri = version.source.clone();
    // A version of a version of a version ends somewhere.
    for _ in 0..8 {
        let Some(rest) = uri.strip_prefix("models:/").map(str::to_owned) else {
            return Ok(uri);
        };
        if rest.starts_with("m-") {
            return Ok(find::logged_model(tx, project, &rest)?.artifact_uri);
        }
        let (name, number) = rest.split_once('/').unwrap_or((&rest, ""));
        let number = version_number(number).refuse()?;
        uri = registered::find_version(tx, project, name, number)?.source;
    }
    Ok(uri)
}

/// The folder under the proxy that a source names, when it is there.
pub(super) fn folder_of(
    tx: &mut Tx<'_>,
    project: &str,
    uri: &str,
) -> store::Result<Option<String>> {
    match uri.strip_prefix("runs:/") {
        Some(rest) => {
            let (id, path) = rest.split_once('/').unwrap_or((rest, ""));
            let root = find::head(tx, project, id)?.artifact_uri;
            joined(&root, path).refuse()
        }
        None => Ok(artifacts::proxy_path(uri).map(str::to_owned)),
    }
}

/// The ONNX file of a source and its inputs and outputs; nothing of either when there is no single one.
pub(super) async fn describe<M>(
    call: &Call<M>,
    source: &Source,
) -> Result<(Option<Digest>, Value), Failure> {
    Ok(look_into(&call.app, call.project(), source.folder.clone()).await?)
}

/// The same for a folder under the proxy, when there is one.
pub(super) async fn look_into(
    app: &App,
    project: &str,
    folder: Option<String>,
) -> store::Result<(Option<Digest>, Value)> {
    let Some(folder) = folder else {
        return Ok((None, Value::Null));
    };
    let project = project.to_owned();
    let held = app
        .store()
        .read(move |tx| {
            tx.reading(|tx| {
                let one = tx.artifact(&project, &folder)?;
                one.map_or_else(|| tx.artifacts(&project, &folder), |one| Ok(vec![one]))
            })
        })
        .await?;
    let Some(file) = only_onnx(&held) else {
        return Ok((None, Value::Null));
    };
    let bytes = app.blobs().get(&file.digest).await?;
    let described = tokio::task::spawn_blocking(move || {
        onnx::describe(&bytes).and_then(|summary| summary.description())
    });
    match described.await {
        Ok(Ok(description)) => Ok((
            Some(file.digest.clone()),
            serde_json::to_value(description).unwrap_or_default(),
        )),
        // Registered all the same; what serves it will say why it cannot.
        _ => Ok((None, Value::Null)),
    }
}

fn only_onnx(files: &[Artifact]) -> Option<&Artifact> {
    let mut onnx = files.iter().filter(|file| file.path.ends_with(".onnx"));
    let one = onnx.next()?;
    (onnx.next().is_none() && one.size <= ONNX_LIMIT).then_some(one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_elsewhere() {
        for (uri, fine) in [
            ("s3://bucket/model", true),
            ("https://example.org/m", true),
            ("file:///etc", false),
            ("FILE:/etc", false),
            ("/etc", false),
            ("C:/x", false),
            ("c:\\x", false),
            ("etc", false),
        ] {
            assert_eq!(elsewhere(uri).is_ok(), fine, "{uri}");
        }
    }

    #[test]
    fn places_under_the_proxy() {
        let check = |root: &str, path: &str, expect: Option<&str>| {
            assert_eq!(
                joined(root, path).ok().flatten().as_deref(),
                expect,
                "{root} {path}"
            );
        };
        check(
            "mlflow-artifacts:/3/r/artifacts",
            "model/a.onnx",
            Some("3/r/artifacts/model/a.onnx"),
        );
        check("mlflow-artifacts:/3/r/artifacts", "", Some("3/r/artifacts"));
        check("s3://b/r", "model", None);
        check("mlflow-artifacts:/3/r/artifacts", "../../x", None);
    }
}
