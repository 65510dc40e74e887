//! The artifact proxy: files up and down, in pieces and with flat memory.
//!
//! Bytes go to the blob store first; the name is put when all of them are on disk, so that no half file is ever
//! visible. A path is checked after one decoding and is never joined to a file's path: it is a key of the store.

use super::{
    access,
    call::{self, Call, Nothing},
    failure::{Answer, Failure, Refuse as _},
    listing,
    routes::Table,
};
use crate::{app::App, http::Caller};
use axum::{
    Json,
    body::Body,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
    routing::{delete, get, put},
};
use futures_util::TryStreamExt as _;
use guard::path;
use http::{HeaderValue, Method, StatusCode, header};
use mlflow::{Error, artifacts::File, required};
use serde_json::{Value, json};
use store::{Artifact, Artifacts as _, Priority};

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
fn named(text: &str) -> Result<String, Error> {
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

async fn download(call: Call<Nothing>) -> Result<Response, Failure> {
    let path = named(call.param("path"))?;
    let (project, wanted) = (call.project().to_owned(), path.clone());
    let found = call.read(move |tx| tx.artifact(&project, &wanted)).await?;
    let found = found.ok_or_else(|| Error::missing(format!("No such artifact: '{path}'")))?;
    let mut response = Body::from_stream(call.app.blobs().read(&found.digest)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(found.size));
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/octet-stream"),
    );
    // Whatever somebody uploaded must not run as a page of this server.
    headers.insert(
        header::CONTENT_DISPOSITION,
        HeaderValue::from_static("attachment"),
    );
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    Ok(response)
}

async fn upload(State(app): State<App>, request: Request) -> Result<StatusCode, Failure> {
    let (mut parts, body) = request.into_parts();
    let (caller, params) = call::who(&mut parts, &app).await?;
    let path = named(params.get("path").map_or("", String::as_str))?;
    allowed(&app, &caller, &path).await?;
    let pieces = body.into_data_stream().map_err(std::io::Error::other);
    let stored = app.blobs().put_stream(pieces).await.map_err(broken)?;
    let artifact = Artifact {
        project: caller.project().to_owned(),
        path,
        digest: stored.digest,
        size: stored.size,
        created_at: app.now(),
    };
    app.store()
        .write(Priority::Bulk, move |tx| {
            access::artifact(tx, &caller.identity, &artifact.project, &artifact.path)?;
            tx.put_artifact(&artifact)
        })
        .await?;
    Ok(StatusCode::OK)
}

/// Asked before the bytes are taken, and again when they have arrived.
async fn allowed(app: &App, caller: &Caller, path: &str) -> Result<(), Failure> {
    let (identity, project, path) = (
        caller.identity.clone(),
        caller.project().to_owned(),
        path.to_owned(),
    );
    Ok(app
        .store()
        .read(move |tx| access::artifact(tx, &identity, &project, &path))
        .await?)
}

/// An upload that stopped half way is the client's; a full disk is told as what it is.
fn broken(error: store::Error) -> Failure {
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
        match tx.delete_artifacts(&project, &path)? {
            0 => Err(Error::missing(format!("No such artifact: '{path}'"))).refuse(),
            _ => Ok(()),
        }
    })
    .await?;
    Ok(Json(json!({})))
}
