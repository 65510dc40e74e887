//! Endpoints of MLflow that are left out: each says so, with MLflow's error body and 501, where a 404 would look like a
//! wrong address. Which they are stands in the list of `mlflow::endpoints`.

use super::{failure::Failure, routes::Table};
use axum::routing::{MethodFilter, on};
use guard::Permission;
use http::Method;
use mlflow::{
    Error, ErrorCode,
    endpoints::{State, all},
};
use std::collections::BTreeSet;

pub(super) fn routes(table: Table) -> Table {
    let refused = all()
        .into_iter()
        .filter(|one| one.state == State::Refused)
        .map(|one| (one.method, routed(one.path)));
    let refused: BTreeSet<(&str, String)> = refused.collect();
    refused.into_iter().fold(table, |table, (method, path)| {
        let method = Method::from_bytes(method.as_bytes()).unwrap_or_default();
        let looks = method == Method::GET || path.ends_with("/search");
        let accounts = ["/mlflow/users/", "/mlflow/roles/"];
        let permission = if accounts.iter().any(|part| path.contains(part)) {
            Permission::Account
        } else if looks {
            Permission::TrackingRead
        } else {
            Permission::TrackingWrite
        };
        let filter = MethodFilter::try_from(method.clone()).unwrap_or(MethodFilter::GET);
        table.anywhere(
            &method,
            &path,
            permission,
            "MLflow: left out",
            &on(filter, refuse),
        )
    })
}

/// The path as a route: what follows a rest, or a model of the gateway, is part of it.
fn routed(path: &str) -> String {
    if path.starts_with("/gateway/") {
        return "/gateway/{*rest}".to_owned();
    }
    path.find("{*")
        .map_or(path.to_owned(), |at| format!("{}{{*rest}}", &path[..at]))
}

async fn refuse() -> Failure {
    Error::new(
        ErrorCode::NotImplemented,
        "Mainspan leaves this endpoint of MLflow out: docs/mlflow.md says what is there",
    )
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Routes;
    use std::fmt::Write as _;

    /// A path without the names of its parameters, under `/api` whichever twin it is.
    fn plain(path: &str) -> String {
        let mut plain = String::new();
        let mut name = false;
        for c in path.replacen("/ajax-api/", "/api/", 1).chars() {
            match c {
                '{' => (name, plain) = (true, plain + "{"),
                '}' => (name, plain) = (false, plain + "}"),
                '*' => plain.push('*'),
                _ if name => {}
                c => plain.push(c),
            }
        }
        plain
    }

    /// What is served and what is refused is what the list says, and nothing more.
    #[test]
    fn the_list_and_the_routes_agree() {
        let routes = super::super::routes(Routes::new());
        let bare = routes
            .table()
            .iter()
            .filter(|one| !one.path.starts_with("/p/"));
        let mut served = BTreeSet::new();
        let mut refused = BTreeSet::new();
        for route in bare {
            let place = (route.method.to_string(), plain(&route.path));
            match route.summary {
                "MLflow: left out" => refused.insert(place),
                _ => served.insert(place),
            };
        }
        let listed = |state: State| -> BTreeSet<(String, String)> {
            let of_state = all().into_iter().filter(|one| one.state == state);
            of_state
                .filter(|one| one.path != "/health")
                .map(|one| match state {
                    State::Refused => (one.method.to_owned(), plain(&routed(one.path))),
                    _ => (one.method.to_owned(), plain(one.path)),
                })
                .collect()
        };
        let missing: Vec<_> = listed(State::Served).difference(&served).cloned().collect();
        assert!(
            missing.is_empty(),
            "listed as served, and are not: {missing:?}"
        );
        let more: Vec<_> = served.difference(&listed(State::Served)).cloned().collect();
        assert!(
            more.is_empty(),
            "served, and not listed so in crates/mlflow/src/endpoints.txt: {more:?}"
        );
        assert_eq!(refused, listed(State::Refused));
    }

    #[test]
    fn the_document_is_current() {
        let mut text = String::from(
            "# Every endpoint of MLflow\n\n\
             Of MLflow 3.17.2, and what Mainspan does with it. \"As MLflow\" is compared with the real server\n\
             ([how](mlflow.md)); \"501\" says `NOT_IMPLEMENTED`; \"not there\" is 404. What begins with `/api` is there under\n\
             `/ajax-api`, too, and everything below `/p/{project}`.\n\n\
             This page is written from `crates/mlflow/src/endpoints.txt` by the tests of `server`.\n",
        );
        let mut group = "";
        for one in all() {
            if group != one.group {
                group = one.group;
                let note = if one.note.is_empty() {
                    String::new()
                } else {
                    format!(" ({})", one.note)
                };
                let _ = write!(
                    text,
                    "\n## {group}: {}{note}\n\n| method | path | state |\n|---|---|---|\n",
                    one.state.word()
                );
            }
            let _ = writeln!(
                text,
                "| {} | `{}` | {} |",
                one.method,
                one.path,
                one.state.word()
            );
        }
        let file = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../docs/mlflow-endpoints.md"
        );
        if std::env::var_os("MAINSPAN_UPDATE_FIXTURES").is_some() {
            std::fs::write(file, &text).unwrap();
        }
        let kept = std::fs::read_to_string(file).unwrap_or_default();
        assert!(
            kept == text,
            "write docs/mlflow-endpoints.md anew: MAINSPAN_UPDATE_FIXTURES=1 cargo test -p server --lib unserved"
        );
    }
}
