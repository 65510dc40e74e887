//! The OpenAPI document of our own API, made from the server's route table.
//!
//! Routes of foreign protocols are left out: their own specifications describe them. Bodies are described in docs/api.md.

use serde_json::{Map, Value, json};
use server::http::RouteInfo;

/// Paths of our own API begin so.
const OWN: &str = "/api/v1";

/// The document.
pub(super) fn document() -> Value {
    let routes = server::routes();
    let mut paths = Map::new();
    for route in routes
        .table()
        .iter()
        .filter(|route| route.path.starts_with(OWN))
    {
        let path = route.path.replace("{*", "{");
        let of_path = paths.entry(path).or_insert_with(|| json!({}));
        of_path[route.method.as_str().to_lowercase()] = operation(route);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Mainspan",
            "summary": "The server's own API; docs/api.md describes the bodies and the error codes.",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "http://127.0.0.1:7070" }],
        "paths": paths,
        "components": {
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
            "responses": { "Error": {
                "description": "It did not work; `error` says what to do next.",
                "content": { "application/json": { "schema": {
                    "type": "object",
                    "required": ["code", "error"],
                    "properties": {
                        "code": { "type": "string", "description": "for programs; listed in docs/api.md" },
                        "error": { "type": "string", "description": "for people" },
                        "details": { "description": "more, where there is more to say" },
                    },
                } } },
            } },
        },
    })
}

fn operation(route: &RouteInfo) -> Value {
    let least = route.permission.least_role();
    let mut operation = json!({
        "operationId": identifier(route),
        "summary": route.summary,
        "x-permission": route.permission,
        "x-least-role": least,
        "responses": {
            "2XX": { "description": "Done." },
            "default": { "$ref": "#/components/responses/Error" },
        },
        "security": if least.is_some() { json!([{ "token": [] }]) } else { json!([]) },
    });
    let parameters: Vec<Value> = parameters(&route.path).map(parameter).collect();
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
    operation
}

fn parameters(path: &str) -> impl Iterator<Item = &str> {
    path.split('{')
        .skip(1)
        .filter_map(|rest| rest.split('}').next())
        .map(|name| name.trim_start_matches('*'))
}

fn parameter(name: &str) -> Value {
    json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } })
}

/// `POST /api/v1/projects/{project}/runs` is `post_projects_runs_of_project`: stable as long as the path is.
fn identifier(route: &RouteInfo) -> String {
    let mut words = vec![route.method.as_str().to_lowercase()];
    let own = route.path.trim_start_matches(OWN);
    let plain = own
        .split('/')
        .filter(|part| !part.is_empty() && !part.starts_with('{'));
    words.extend(plain.map(str::to_owned));
    let names: Vec<&str> = parameters(&route.path).collect();
    if !names.is_empty() {
        words.push("of".to_owned());
        words.push(names.join("_"));
    }
    words.join("_").replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_own_route_is_described_once() {
        let document = document();
        let described: Vec<&Value> = document["paths"]
            .as_object()
            .into_iter()
            .flatten()
            .flat_map(|(_, methods)| methods.as_object().into_iter().flatten())
            .map(|(_, operation)| operation)
            .collect();
        let routes = server::routes();
        let own = routes
            .table()
            .iter()
            .filter(|route| route.path.starts_with(OWN))
            .count();
        assert_eq!(described.len(), own);
        let identifiers: BTreeSet<&str> = described
            .iter()
            .filter_map(|operation| operation["operationId"].as_str())
            .collect();
        assert_eq!(identifiers.len(), own, "an operationId is used twice");
    }

    #[test]
    fn parameters_of_a_path_are_found() {
        let check = |path: &str, expect: &[&str]| {
            assert_eq!(parameters(path).collect::<Vec<_>>(), expect, "{path}");
        };
        check("/api/v1/projects", &[]);
        check("/api/v1/projects/{project}/runs/{run}", &["project", "run"]);
        check("/p/{project}/artifacts/{*path}", &["project", "path"]);
    }
}
