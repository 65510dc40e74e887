//! MLflow's REST protocol for unmodified clients.
//!
//! Each file adds the routes of one topic to a [`Table`], which serves every endpoint four times: under `/api` and
//! `/ajax-api`, at the bare root (project `default`, or the workspace of the header) and under `/p/{project}`. Handlers
//! take a [`Call`](call::Call) and answer JSON or a [`Failure`](failure::Failure) in MLflow's error shape; conversions
//! between the wire and the store live in `convert`.

mod access;
mod address;
mod aliases;
mod artifacts;
mod authority;
mod call;
mod convert;
mod download;
mod evaluation_datasets;
mod evaluation_records;
mod experiments;
mod failure;
mod files;
mod find;
mod grants;
mod graphql;
mod history;
mod info;
mod inputs;
mod issues;
mod label_schemas;
mod listing;
mod logged_models;
mod logging;
mod models;
mod moving;
mod multipart;
mod page;
mod presigned;
mod registered;
mod roles;
mod routes;
mod runs;
mod scorers;
mod source;
mod stages;
mod traces;
mod unserved;
mod users;
mod versions;
mod webhooks;
mod workspaces;

use crate::http::Routes;
use routes::Table;

/// Adds the routes by which MLflow's records are copied in, which are our own.
#[must_use]
pub fn moving_routes(routes: Routes) -> Routes {
    moving::routes(routes)
}

/// Adds the routes.
#[must_use]
pub fn routes(routes: Routes) -> Routes {
    let table = Table::new(routes);
    let table = info::routes(table);
    let table = experiments::routes(table);
    let table = runs::routes(table);
    let table = logging::routes(table);
    let table = inputs::routes(table);
    let table = history::routes(table);
    let table = artifacts::routes(table);
    let table = files::routes(table);
    let table = multipart::routes(table);
    let table = presigned::routes(table);
    let table = listing::routes(table);
    let table = logged_models::routes(table);
    let table = models::routes(table);
    let table = versions::routes(table);
    let table = stages::routes(table);
    let table = traces::routes(table);
    let table = users::routes(table);
    let table = grants::routes(table);
    let table = roles::routes(table);
    let table = aliases::routes(table);
    let table = evaluation_datasets::routes(table);
    let table = evaluation_records::routes(table);
    let table = scorers::routes(table);
    let table = webhooks::routes(table);
    let table = issues::routes(table);
    let table = label_schemas::routes(table);
    let table = workspaces::routes(table);
    let table = graphql::routes(table);
    unserved::routes(table).finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use guard::Permission;
    use http::Method;
    use std::collections::BTreeSet;

    /// Every endpoint under both names and both bases, and nothing that writes with the right to read.
    #[test]
    fn every_endpoint_has_its_twins_and_its_permission() {
        let routes = routes(Routes::new());
        let table: BTreeSet<(&str, &str)> = routes
            .table()
            .iter()
            .map(|one| (one.method.as_str(), one.path.as_str()))
            .collect();
        assert_eq!(table.len(), routes.table().len(), "a route is there twice");
        for route in routes.table() {
            let method = route.method.as_str();
            let twin = match route.path.contains("/ajax-api/") {
                true => route.path.replacen("/ajax-api/", "/api/", 1),
                false => route.path.replacen("/api/", "/ajax-api/", 1),
            };
            let based = match route.path.strip_prefix("/p/{project}") {
                Some(bare) => bare.to_owned(),
                None => format!("/p/{{project}}{}", route.path),
            };
            for other in [twin, based] {
                assert!(
                    table.contains(&(method, other.as_str())),
                    "{method} {other}"
                );
            }
            let looks = route.method == Method::GET
                || [
                    "/search",
                    "/search-datasets",
                    "/get-latest-versions",
                    "/batchGetInfos",
                    "/calculate-filter-correlation",
                    "/traces/metrics",
                    // Its mutations are searches.
                    "/graphql",
                    // Nothing that is sent there is kept.
                    "/ui-telemetry",
                ]
                .iter()
                .any(|end| route.path.ends_with(end));
            if ["/mlflow/users/", "/mlflow/roles/"]
                .iter()
                .any(|part| route.path.contains(part))
            {
                let allowed = [Permission::Account, Permission::Administer];
                assert!(
                    allowed.contains(&route.permission),
                    "{method} {}",
                    route.path
                );
                continue;
            }
            if route.path.contains("/mlflow/workspaces") {
                let needed = match looks {
                    true => Permission::Projects,
                    false => Permission::Administer,
                };
                assert_eq!(route.permission, needed, "{method} {}", route.path);
                continue;
            }
            // URLs of webhooks may hold secrets.
            let looks = looks && !route.path.contains("/webhooks");
            let allowed: &[Permission] = if looks {
                &[Permission::TrackingRead, Permission::Public]
            } else {
                &[Permission::TrackingWrite]
            };
            assert!(
                allowed.contains(&route.permission),
                "{method} {}",
                route.path
            );
        }
    }
}
