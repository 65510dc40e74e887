//! What KServe's first protocol, MLflow's scoring server and its deployments client ask besides
//! predictions.

use http::StatusCode;
use serde_json::{Value, json};

use super::{health, ok};
use crate::live::{Live, LiveRoute};
use crate::respond::{self, Answer};
use crate::table::Speaks;

/// The release of MLflow whose scoring protocol is followed.
const MLFLOW: &str = "3.17.2";

/// `GET v1/models`, for KServe's clients and for OpenAI's, who look for other keys.
pub(crate) fn v1_models(live: &Live, at: Option<usize>) -> Answer {
    let routes: Vec<&LiveRoute> = match at {
        Some(at) => vec![&live.routes[at]],
        None => live.routes.iter().collect(),
    };
    let names: Vec<&str> = routes.iter().map(|r| r.route.service.as_str()).collect();
    let data: Vec<Value> = routes.iter().map(|route| card(route)).collect();
    ok(&json!({ "models": names, "object": "list", "data": data }))
}

/// `GET v1/models/M`.
pub(crate) fn v1_model(route: &LiveRoute) -> Answer {
    let ready = route.is_ready();
    let mut card = card(route);
    card["name"] = json!(route.route.service);
    card["ready"] = json!(ready);
    respond::json(health(ready), card.to_string())
}

/// A model as OpenAI describes one. When it was made is not known here.
fn card(route: &LiveRoute) -> Value {
    json!({ "id": route.route.service, "object": "model", "created": 0, "owned_by": "mainspan" })
}

/// `GET ping` and `GET health`.
pub(crate) fn ping(live: &Live, at: Option<usize>) -> Answer {
    match super::is_ready(live, at) {
        true => respond::json(StatusCode::OK, "\n"),
        false => respond::scoring_error(StatusCode::SERVICE_UNAVAILABLE, "no replica answers"),
    }
}

/// `GET version`.
pub(crate) fn version() -> Answer {
    respond::json(StatusCode::OK, MLFLOW)
}

/// `GET api/2.0/endpoints`.
pub(crate) fn endpoints(live: &Live) -> Answer {
    // Those that a bare name leads to.
    let named = live.routes.iter().enumerate();
    let named = named.filter(|(at, route)| live.index.by_model(&route.route.service) == Some(*at));
    let all: Vec<Value> = named.map(|(_, route)| described(route)).collect();
    ok(&json!({ "endpoints": all }))
}

/// `GET api/2.0/endpoints/NAME`.
pub(crate) fn endpoint(route: &LiveRoute) -> Answer {
    ok(&described(route))
}

fn described(route: &LiveRoute) -> Value {
    let name = &route.route.service;
    let kind = match route.route.speaks {
        Speaks::Frames => "mlflow/scoring",
        Speaks::Http => "llm/v1/chat",
    };
    json!({
        "name": name,
        "endpoint_type": kind,
        "model": { "name": route.main().model, "provider": "mainspan" },
        "endpoint_url": format!("/endpoints/{name}/invocations"),
        "limit": null,
    })
}
