//! Files by what they belong to: of a run, of a version of a model, of a logged model; and small ones put from a page.

use super::{
    artifacts::{self, checked, named},
    call::{self, Call},
    download::{self, Asked},
    failure::{Failure, Refuse as _},
    find, registered,
    routes::Table,
    source,
};
use crate::app::App;
use axum::{
    body::to_bytes,
    extract::{Request, State},
    response::Response,
    routing::{get, post},
};
use guard::Permission;
use http::{HeaderMap, Method, StatusCode};
use mlflow::{
    Error, ErrorCode,
    artifacts::{GetFile, proxy_path},
    registry::version_number,
};
use store::Tx;

/// The largest file from a page.
const SMALL: usize = 10 << 20;

pub(super) fn routes(table: Table) -> Table {
    let read = Permission::TrackingRead;
    table
        .bare("/get-artifact", read, "MLflow: a run's file", &get(of_run))
        .bare(
            "/model-versions/get-artifact",
            read,
            "MLflow: a version's file",
            &get(of_version),
        )
        .read(
            Method::GET,
            "/mlflow/logged-models/{model_id}/artifacts/files",
            "MLflow: a logged model's file",
            get(of_model),
        )
        .write(
            Method::POST,
            "/mlflow/upload-artifact",
            "MLflow: put a small file",
            post(upload),
        )
}

/// A path under the proxy below a root; a root elsewhere is not looked into.
fn place(root: &str, below: &str) -> Result<String, Error> {
    let elsewhere = || {
        Error::new(
            ErrorCode::NotImplemented,
            format!("the files are not kept by this server: download them from {root}"),
        )
    };
    Ok(format!(
        "{}/{below}",
        proxy_path(root).ok_or_else(elsewhere)?
    ))
}

fn wanted(path: Option<&String>) -> Result<String, Error> {
    named(path.ok_or_else(|| Error::missing_value("path"))?)
}

async fn of_run(
    method: Method,
    headers: HeaderMap,
    call: Call<GetFile>,
) -> Result<Response, Failure> {
    let below = wanted(call.message.path.as_ref())?;
    let id = call
        .message
        .run_id
        .clone()
        .or(call.message.run_uuid.clone());
    let (project, id) = (call.project().to_owned(), id.unwrap_or_default());
    let run = call.read(move |tx| find::head(tx, &project, &id)).await?;
    let path = place(&run.artifact_uri, &below)?;
    download::send(&call.app, &Asked { method, headers }, call.project(), &path).await
}

async fn of_model(
    method: Method,
    headers: HeaderMap,
    call: Call<GetFile>,
) -> Result<Response, Failure> {
    let asked = call
        .message
        .artifact_file_path
        .as_deref()
        .unwrap_or_default();
    if asked.is_empty() {
        let message = "Request must include the \"artifact_file_path\" query parameter.";
        return Err(Error::new(ErrorCode::BadRequest, message).into());
    }
    let below = named(asked)?;
    let (project, id) = (call.project().to_owned(), call.param("model_id").to_owned());
    let model = call.read(move |tx| find::logged_model(tx, &project, &id));
    let path = place(&model.await?.artifact_uri, &below)?;
    download::send(&call.app, &Asked { method, headers }, call.project(), &path).await
}

async fn of_version(
    method: Method,
    headers: HeaderMap,
    call: Call<GetFile>,
) -> Result<Response, Failure> {
    let below = wanted(call.message.path.as_ref())?;
    let needed = |field: &str, value: &Option<String>| {
        value.clone().ok_or_else(|| Error::missing_value(field))
    };
    let name = needed("name", &call.message.name)?;
    let number = version_number(&needed("version", &call.message.version)?)?;
    let project = call.project().to_owned();
    let folder = call
        .read(move |tx| folder(tx, &project, &name, number))
        .await?;
    let path = format!("{folder}/{below}");
    download::send(&call.app, &Asked { method, headers }, call.project(), &path).await
}

/// Where the files of a version are under the proxy.
fn folder(tx: &mut Tx<'_>, project: &str, name: &str, number: u32) -> store::Result<String> {
    let version = registered::find_version(tx, project, name, number)?;
    let uri = source::location(tx, project, &version)?;
    match source::folder_of(tx, project, &uri)? {
        Some(folder) => checked(&folder).refuse(),
        None => place(&uri, "").refuse(),
    }
}

async fn upload(State(app): State<App>, request: Request) -> Result<StatusCode, Failure> {
    let (mut parts, body) = request.into_parts();
    let (app, caller, _) = call::who(&mut parts, app).await?;
    let fields = call::query(parts.uri.query().unwrap_or_default());
    let field = |name: &str| {
        let value = fields[name].as_str().filter(|value| !value.is_empty());
        value.ok_or_else(|| Error::invalid(format!("Request must specify {name}.")))
    };
    let (run_id, below) = (field("run_uuid")?.to_owned(), named(field("path")?)?);
    let bytes = to_bytes(body, SMALL)
        .await
        .map_err(|_| Error::invalid("Artifact size is too large. Max size is 10MB."))?;
    if bytes.is_empty() {
        return Err(Error::invalid("Request must specify data.").into());
    }
    let project = caller.project().to_owned();
    let run = app
        .store()
        .read(move |tx| find::head(tx, &project, &run_id))
        .await?;
    let path = place(&run.artifact_uri, &below)?;
    artifacts::allowed(&app, &caller, &path).await?;
    let size = bytes.len() as u64;
    let digest = app.blobs().put(bytes).await?;
    artifacts::keep(&app, caller, path, store::Stored { digest, size }).await?;
    Ok(StatusCode::OK)
}
