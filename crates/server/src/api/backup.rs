//! Backup of everything the server keeps, while it runs.

use crate::{
    app::App,
    http::{ApiError, Routes},
};
use axum::{Json, extract::State, routing::post};
use guard::Permission;
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::PathBuf;

pub(super) fn routes(routes: Routes) -> Routes {
    routes.add(
        Method::POST,
        "/api/v1/backup",
        Permission::Administer,
        "Save everything to a folder on the server's machine",
        post(backup),
    )
}

/// Where to save.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BackupRequest {
    /// A folder that does not exist yet.
    to: PathBuf,
}

async fn backup(
    State(app): State<App>,
    Json(request): Json<BackupRequest>,
) -> Result<Json<Value>, ApiError> {
    if !request.to.is_absolute() {
        return Err(ApiError::invalid("say where with an absolute path"));
    }
    let manifest = app
        .store()
        .backup(app.blobs(), &request.to, app.now())
        .await?;
    Ok(Json(json!({ "to": request.to, "manifest": manifest })))
}
