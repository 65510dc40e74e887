//! What the server says of itself: the release whose protocol it speaks, and what it can.

use super::routes::Table;
use axum::{Json, routing::get};
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
}

/// Clients choose between old and new requests by this.
async fn version() -> &'static str {
    mlflow::VERSION
}

/// Answered to anyone: no secrets, no addresses.
async fn server_info() -> Json<Value> {
    Json(json!({
        "store_type": "SqlStore",
        "workspaces_enabled": false,
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
