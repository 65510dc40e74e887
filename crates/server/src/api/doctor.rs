//! What this machine can and cannot do for units, in words.

use crate::{
    app::App,
    http::{ApiError, Routes},
};
use axum::{Json, extract::State, routing::get};
use guard::Permission;
use http::Method;
use serde_json::{Value, json};

pub(super) fn routes(routes: Routes) -> Routes {
    routes.add(
        Method::GET,
        "/api/v1/doctor",
        Permission::Read,
        "What works on this machine and what does not",
        get(doctor),
    )
}

async fn doctor(State(app): State<App>) -> Result<Json<Value>, ApiError> {
    let findings = tokio::task::spawn_blocking(platform::doctor)
        .await
        .map_err(|error| ApiError::internal(&error))?;
    let gateway = match app.gateway().health().await {
        Ok(health) => json!({ "ok": true, "health": health }),
        Err(error) => json!({ "ok": false, "error": error.to_string() }),
    };
    Ok(Json(
        json!({ "findings": findings, "capacity": app.platform().capacity(), "gateway": gateway }),
    ))
}
