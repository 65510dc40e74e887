//! The artifact proxy: files up and down, in pieces and with flat memory.
//!
//! Bytes go to the blob store first; the name is put when all of them are on disk, so that no half file is ever
//! visible. A path is checked after one decoding and is never joined to a file's path: it is a key of the store.

use super::{
    access,
    call::{self, Call, Nothing},
    download::{self, Asked},
    failure::{Answer, Failure, Refuse as _},
    listing,
    routes::Table,
};
use crate::{app::App, http::Caller};
use axum::{
    Json,
    extract::{Request, State},
    response::Response,
    routing::{delete, get, put},
};
use futures_util::TryStreamExt as _;
use guard::path;
use http::{HeaderMap, Method, StatusCode};
use mlflow::{Error, artifacts::File, required};
use serde_json::{Value, json};
use store::{Artifact, Artifacts as _, Priority, Stored, Tx};

pub(super) fn routes(table: Table) -> Table {
    let at = "/mlflow-artifacts/artifacts";
    let one = format!("{at}/{{*path}}");
    table
        .read(Method::GET, at, "MLflow: list artifacts", get(list))
        .read(
            Method::GET,
            &one,
            "MLflow: download an artifact",
            get(download),
        )
        .write(Method::PUT, &one, "MLflow: upload an artifact", put(upload))
        .write(
            Method::DELETE,
            &one,
            "MLflow: delete artifacts",
            delete(remove),
        )
}

/// A listing's query.
#[derive(Debug, Default, serde::Deserialize)]
struct List {
    path: Option<String>,
}

/// A path that a client sent, made safe.
pub(super) fn checked(text: &str) -> Result<String, Error> {
    path::relative(text).map_err(|_| Error::invalid(format!("Invalid path: {}", shown(text))))
}

fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(80).collect()
}

/// The same, and it must name something below the root.
pub(super) fn named(text: &str) -> Result<String, Error> {
    let path = checked(text)?;
    required("path", &path)?;
    Ok(path)
}

async fn list(call: Call<List>) -> Answer<Value> {
    let folder = checked(call.message.path.as_deref().unwrap_or_default())?;
    let project = call.project().to_owned();
    let wanted = folder.clone();
    let found = call.read(move |tx| tx.artifacts(&project, &wanted)).await?;
    let base = |file: File| File {
        path: file.path.rsplit('/').next().unwrap_or_default().to_owned(),
        ..file
    };
    let files: Vec<File> = listing::children(&found, &folder)
        .into_iter()
        .map(base)
        .collect();
    Ok(Json(listing::answer(&files, None)))
}

async fn download(
    method: Method,
    headers: HeaderMap,
    call: Call<Nothing>,
) -> Result<Response, Failure> {
    let path = named(call.param("path"))?;
    let asked = Asked { method, headers };
    download::send(&call.app, &asked, call.project(), &path).await
}

async fn upload(State(app): State<App>, request: Request) -> Result<StatusCode, Failure> {
    let (mut parts, body) = request.into_parts();
    let (app, caller, params) = call::who(&mut parts, app).await?;
    let asked = params.get("path").map_or("", String::as_str);
    if asked.ends_with('/') {
        return Err(
            Error::invalid("Artifact path must include a filename (cannot end with '/').").into(),
        );
    }
    let path = named(asked)?;
    allowed(&app, &caller, &path).await?;
    let pieces = body.into_data_stream().map_err(std::io::Error::other);
    let stored = app.blobs().put_stream(pieces).await.map_err(broken)?;
    keep(&app, caller, path, stored).await?;
    Ok(StatusCode::OK)
}

/// Gives bytes that are on disk their name.
pub(super) async fn keep(
    app: &App,
    caller: Caller,
    path: String,
    stored: Stored,
) -> Result<(), Failure> {
    let artifact = Artifact {
        project: caller.project().to_owned(),
        path,
        digest: stored.digest,
        size: stored.size,
        created_at: app.now(),
    };
    let work = move |tx: &mut Tx<'_>| keep_in(tx, &caller, &artifact);
    Ok(app.store().write(Priority::Bulk, work).await?)
}

/// The same in a transaction of the caller's.
pub(super) fn keep_in(tx: &mut Tx<'_>, caller: &Caller, artifact: &Artifact) -> store::Result<()> {
    writable(tx, caller, &artifact.path)?;
    tx.put_artifact(artifact)
}

/// Whether the caller may put a file there, and a file can be there.
fn writable(tx: &mut Tx<'_>, caller: &Caller, path: &str) -> store::Result<()> {
    let project = caller.project();
    access::artifact(tx, &caller.identity, project, path)?;
    if tx.is_artifact_folder(project, path)? {
        return Err(Error::invalid(format!(
            "'{path}' is a folder: choose another name for the file"
        )))
        .refuse();
    }
    for (at, _) in path.match_indices('/') {
        let above = &path[..at];
        // What is above may be another experiment's; only that it is a file matters.
        if tx.unguarded(|tx| tx.artifact(project, above))?.is_some() {
            return Err(Error::invalid(format!(
                "'{above}' is a file: nothing can be put below it"
            )))
            .refuse();
        }
    }
    Ok(())
}

/// Asked before the bytes are taken, and again when they have arrived.
pub(super) async fn allowed(app: &App, caller: &Caller, path: &str) -> Result<(), Failure> {
    let (caller, path) = (caller.clone(), path.to_owned());
    Ok(app
        .store()
        .read(move |tx| writable(tx, &caller, &path))
        .await?)
}

/// An upload that stopped half way is the client's; a full disk is told as what it is.
pub(super) fn broken(error: store::Error) -> Failure {
    match error {
        store::Error::Io {
            action: "receive bytes for",
            ..
        } => Error::new(
            mlflow::ErrorCode::BadRequest,
            "the upload broke off: send the file again",
        )
        .into(),
        other => other.into(),
    }
}

async fn remove(call: Call<Nothing>) -> Answer<Value> {
    let path = named(call.param("path"))?;
    let (project, identity) = (call.project().to_owned(), call.caller.identity.clone());
    call.log(move |tx| {
        access::artifact(tx, &identity, &project, &path)?;
        for below in tx.artifacts(&project, &path)? {
            access::unregistered(&below.path).refuse()?;
        }
        // What is gone already is as it should be.
        tx.delete_artifacts(&project, &path).map(drop)
    })
    .await?;
    Ok(Json(json!({})))
}
