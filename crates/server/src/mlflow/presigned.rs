//! Addresses to send to, or load from, without a credential.
//!
//! A download gets an address of the object store that holds the bytes, or else of this server, good for that file and
//! for some minutes, whose ranges may be loaded side by side. An upload gets none: bytes are kept under their digest, which nobody knows before they are there, so that
//! no store could be told beforehand where to put them. The two endpoints for runs that keep their files with a cloud
//! provider refuse as MLflow's server does: this server has no key to other people's stores.

use super::{
    address::Passes,
    artifacts::named,
    call::{Call, Nothing},
    failure::{Answer, Failure},
    find,
    routes::Table,
};
use axum::{
    Json,
    routing::{get, post},
};
use http::{HeaderMap, Method};
use jiff::SignedDuration;
use mlflow::{
    Error, ErrorCode,
    artifacts::{Presign, proxy_path},
};
use serde_json::{Value, json};
use std::time::Duration;
use store::Artifacts as _;

/// As MLflow's server has it.
const LIFETIME: SignedDuration = SignedDuration::from_mins(5);
/// The longest that cloud providers allow, in seconds.
const LONGEST: i64 = 604_800;

pub(super) fn routes(table: Table) -> Table {
    table
        .read(
            Method::GET,
            "/mlflow-artifacts/presigned/{*path}",
            "MLflow: an address to download from",
            get(address),
        )
        .write(
            Method::POST,
            "/mlflow/artifacts/presigned-upload-url",
            "MLflow: an address in a cloud store to upload to",
            post(upload),
        )
        .write(
            Method::POST,
            "/mlflow/artifacts/presigned-download-url",
            "MLflow: an address in a cloud store to download from",
            post(download),
        )
}

async fn address(headers: HeaderMap, call: Call<Nothing>) -> Answer<Value> {
    let path = named(call.param("path"))?;
    let (project, wanted) = (call.project().to_owned(), path.clone());
    let found = call.read(move |tx| tx.artifact(&project, &wanted)).await?;
    let found = found.ok_or_else(|| Error::missing(format!("No such artifact: '{path}'")))?;
    // Ask the object store first: bytes that it sends itself pass this server by.
    let seconds = Duration::from_secs(LIFETIME.as_secs().unsigned_abs());
    if let Some(url) = call.app.blobs().address(&found.digest, seconds).await? {
        return Ok(Json(
            json!({ "url": url, "headers": {}, "file_size": found.size }),
        ));
    }
    let passes = Passes::new(&call.app, &call.caller, &headers, LIFETIME)?;
    let pass = passes.make(&Method::GET, &format!("artifacts/{path}"));
    Ok(Json(
        json!({ "url": pass.url, "headers": pass.headers, "file_size": found.size }),
    ))
}

async fn upload(call: Call<Presign>) -> Answer<Value> {
    let asked = &call.message;
    let path = asked.path.as_deref().unwrap_or_default();
    mlflow::required("path", path)?;
    let given = |id: &Option<String>| id.clone().filter(|id| !id.is_empty());
    let root = match (given(&asked.run_id), given(&asked.model_id)) {
        (Some(id), None) => {
            named(path)?;
            run_root(&call, id).await?
        }
        (None, Some(id)) => {
            named(path)?;
            let project = call.project().to_owned();
            let model = call.read(move |tx| find::logged_model(tx, &project, &id));
            model.await?.artifact_uri
        }
        _ => {
            return Err(
                Error::invalid("Exactly one of run_id and model_id must be provided.").into(),
            );
        }
    };
    Err(refusal("upload", &root).into())
}

async fn download(call: Call<Presign>) -> Answer<Value> {
    let asked = &call.message;
    let id = mlflow::required("run_id", asked.run_id.as_deref().unwrap_or_default())?.to_owned();
    named(asked.path.as_deref().unwrap_or_default())?;
    let expiration = asked.expiration.unwrap_or(LIFETIME.as_secs());
    if !(1..=LONGEST).contains(&expiration) {
        let message =
            format!("expiration must be between 1 and {LONGEST} seconds (got {expiration}).");
        return Err(Error::invalid(message).into());
    }
    let root = run_root(&call, id).await?;
    Err(refusal("download", &root).into())
}

async fn run_root(call: &Call<Presign>, id: String) -> Result<String, Failure> {
    let project = call.project().to_owned();
    let run = call.read(move |tx| find::head(tx, &project, &id));
    Ok(run.await?.artifact_uri)
}

fn refusal(what: &str, root: &str) -> Error {
    if proxy_path(root).is_some() {
        return Error::invalid(format!(
            "Presigned {what} is not supported for proxied artifact storage: use mlflow-artifacts/mpu to upload and \
             mlflow-artifacts/presigned to download"
        ));
    }
    let message = format!("Presigned {what} is not supported for the current artifact repository");
    Error::new(ErrorCode::NotImplemented, message)
}
