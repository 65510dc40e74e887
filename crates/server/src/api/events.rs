//! Events: who changed what, when and why. And alarms.

use crate::{
    app::App,
    http::{ApiError, Caller, Routes},
};
use axum::{
    Extension, Json,
    extract::{Query, State},
    routing::get,
};
use guard::Permission;
use http::Method;
use serde::Deserialize;
use store::{Alarm, AlarmFilter, Alarms as _, Event, EventFilter, Events as _};

pub(super) fn routes(routes: Routes) -> Routes {
    let base = "/api/v1/projects/{project}";
    routes
        .add(
            Method::GET,
            &format!("{base}/events"),
            Permission::Read,
            "Events, newest first",
            get(events),
        )
        .add(
            Method::GET,
            &format!("{base}/alarms"),
            Permission::Read,
            "Alarms, newest first",
            get(alarms),
        )
}

#[derive(Debug, Deserialize)]
struct EventQuery {
    kind: Option<String>,
    subject: Option<String>,
    after: Option<u64>,
    before: Option<u64>,
    #[serde(default)]
    oldest_first: bool,
    limit: Option<u32>,
}

async fn events(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Query(query): Query<EventQuery>,
) -> Result<Json<Vec<Event>>, ApiError> {
    let filter = EventFilter {
        project: Some(caller.project().to_owned()),
        kind: query.kind,
        subject_prefix: query.subject,
        after: query.after,
        before: query.before,
        oldest_first: query.oldest_first,
        limit: query.limit.unwrap_or(0).min(1000),
    };
    Ok(Json(app.store().read(move |tx| tx.events(&filter)).await?))
}

async fn alarms(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Vec<Alarm>>, ApiError> {
    let filter = AlarmFilter {
        project: Some(caller.project().to_owned()),
        ..AlarmFilter::default()
    };
    Ok(Json(app.store().read(move |tx| tx.alarms(&filter)).await?))
}
