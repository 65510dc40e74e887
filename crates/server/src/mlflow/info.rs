//! What the server says of itself: the release whose protocol it speaks, what it can, and that it reports nothing.

use super::routes::Table;
use axum::{
    Json,
    routing::{get, post},
};
use guard::Permission;
use http::Method;
use serde_json::{Value, json};

pub(super) fn routes(table: Table) -> Table {
    table
        .bare(
            "/version",
            Permission::Public,
            "MLflow: the release whose protocol this is",
            &get(version),
        )
        .under(
            "3.0",
            Method::GET,
            "/mlflow/server-info",
            Permission::Public,
            "MLflow: what the server can",
            get(server_info),
        )
        .under(
            "3.0",
            Method::GET,
            TELEMETRY,
            Permission::TrackingRead,
            "MLflow: what its pages may report of their use, which is nothing",
            get(telemetry),
        )
        .under(
            "3.0",
            Method::POST,
            TELEMETRY,
            Permission::TrackingRead,
            "MLflow: takes no report of how its pages are used",
            post(no_telemetry),
        )
}

const TELEMETRY: &str = "/mlflow/ui-telemetry";

/// Clients choose between old and new requests by this.
async fn version() -> &'static str {
    mlflow::VERSION
}

/// Answered to anyone: no secrets, no addresses.
async fn server_info() -> Json<Value> {
    Json(json!({
        "store_type": "SqlStore",
        // Projects are workspaces.
        "workspaces_enabled": true,
        "trace_archival_enabled": false,
        // Both work for clients that are told to; without that, one stream is what serves them best here.
        "multipart_uploads_enabled": false,
        "multipart_downloads_enabled": false,
        // What requests may say; whether the place of the files can do it is answered for each.
        "presigned_upload_run_id_supported": true,
        "presigned_upload_model_id_supported": true,
        "features_enabled": { "gateway": false },
    }))
}

/// As of a server on which telemetry is switched off.
async fn telemetry() -> Json<Value> {
    Json(json!({
        "disable_ui_telemetry": true,
        "disable_ui_events": [],
        "ui_rollout_percentage": 0,
    }))
}

/// Whatever was sent is not looked at.
async fn no_telemetry() -> Json<Value> {
    Json(json!({ "status": "disabled" }))
}
