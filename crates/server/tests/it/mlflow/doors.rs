//! Who gets in: every route of the table, under every address, asked by those who may not.

use super::asking::Asking;
use guard::Permission;
use http::Method;
use server::http::RouteInfo;
use std::collections::{BTreeMap, BTreeSet};
use testkit::Server;

/// A path of the route with something in its places.
fn path(route: &RouteInfo) -> String {
    let filled = route
        .path
        .replace("{project}", "flights")
        .replace("{*path}", "1/r/artifacts/x");
    let segments = filled
        .split('/')
        .map(|part| if part.starts_with('{') { "x" } else { part });
    segments.collect::<Vec<_>>().join("/")
}

/// Whether a route is about a project of its address.
fn of_project(route: &RouteInfo) -> bool {
    route.path.contains("{project}")
}

/// Each row: who asks, and what they are answered at a route; `None` where it is none of this test's business.
type Row<'a> = (&'a str, Vec<String>, fn(&RouteInfo) -> Option<u16>);

fn needs_somebody(route: &RouteInfo) -> Option<u16> {
    (route.permission != Permission::Public).then_some(401)
}

fn of_another_project(route: &RouteInfo) -> Option<u16> {
    match route.permission {
        Permission::Public | Permission::Account | Permission::Projects => None,
        Permission::Administer => Some(403),
        _ => of_project(route).then_some(403),
    }
}

fn viewer(route: &RouteInfo) -> Option<u16> {
    let reads = [
        Permission::Public,
        Permission::Account,
        Permission::TrackingRead,
        Permission::Projects,
        Permission::Read,
    ];
    (!reads.contains(&route.permission)).then_some(403)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_turns_away_who_may_not() {
    let server = Server::start_with(|options| options.anonymous_tracking = false).await;
    let asking = Asking::new(&server);
    let bearer = |token: &str| vec![format!("authorization: Bearer {token}")];
    let other = bearer(&asking.token("other", "admin", Some("other")));
    let viewing = bearer(&asking.token("viewer", "viewer", None));
    let unit = bearer(&server.unit_token("other", "run", "0123"));
    let rows: [Row<'_>; 8] = [
        ("a stranger", vec![], needs_somebody),
        (
            "a wrong token",
            bearer("ms_000000000000_wrong"),
            needs_somebody,
        ),
        ("a wrong owner", bearer("mso_wrong"), needs_somebody),
        ("a forged ticket", bearer("mst_e30.AAAA"), needs_somebody),
        (
            "a broken header",
            vec!["authorization: Basic !!".to_owned()],
            needs_somebody,
        ),
        ("an admin of another project", other, of_another_project),
        ("a viewer", viewing, viewer),
        ("a step of another project", unit, of_another_project),
    ];
    let routes = server::routes();
    let mut asked = 0;
    for route in routes.table() {
        for (who, headers, expected) in &rows {
            let Some(expect) = expected(route) else {
                continue;
            };
            let got = asking.ask(route.method.as_str(), &path(route), headers, b"{}");
            assert_eq!(
                got.status, expect,
                "{who}: {} {}: {}",
                route.method, route.path, got.body
            );
            asked += 1;
        }
    }
    assert!(asked > 2000, "only {asked} calls");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_keeps_pages_of_strangers_out() {
    let server = Server::start().await;
    let asking = Asking::new(&server);
    for route in server::routes().table() {
        for (header, expect) in [
            ("host: evil.example", 421),
            ("origin: https://evil.example", 403),
        ] {
            let got = asking.ask(
                route.method.as_str(),
                &path(route),
                &[header.to_owned()],
                b"{}",
            );
            assert_eq!(
                got.status, expect,
                "{header}: {} {}",
                route.method, route.path
            );
        }
    }
}

/// What the table does not have is not served: other methods of the same paths do nothing for a stranger.
#[tokio::test(flavor = "multi_thread")]
async fn no_method_is_served_beside_the_table() {
    let server = Server::start_with(|options| options.anonymous_tracking = false).await;
    let asking = Asking::new(&server);
    let routes = server::routes();
    for route in routes.table() {
        if route.permission == Permission::Public {
            continue;
        }
        for method in [
            "HEAD", "OPTIONS", "GET", "POST", "PUT", "PATCH", "DELETE", "TRACE",
        ] {
            let got = asking.ask(method, &path(route), &[], b"{}").status;
            assert!(
                matches!(got, 401 | 404 | 405),
                "{method} {}: {got}",
                route.path
            );
        }
    }
}

/// What a path has not is said in the shape of the protocol; `Allow` says what it has.
#[tokio::test(flavor = "multi_thread")]
async fn methods_that_are_not_there_are_told_as_errors() {
    let server = Server::start().await;
    let asking = Asking::new(&server);
    let routes = server::routes();
    let mut paths: BTreeMap<&str, (String, BTreeSet<&str>)> = BTreeMap::new();
    for route in routes.table() {
        let (_, methods) = paths
            .entry(route.path.as_str())
            .or_insert_with(|| (path(route), BTreeSet::new()));
        methods.insert(route.method.as_str());
        if route.method == Method::GET {
            methods.insert("HEAD");
        }
    }
    let mlflows = ["/api/2.0/", "/api/3.0/", "/ajax-api/"];
    let mut told = 0;
    for (path, methods) in paths.values() {
        let others = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
        for method in others.into_iter().filter(|one| !methods.contains(one)) {
            let got = asking.owner(method, path, b"{}");
            let allowed = got.header("allow").unwrap_or_default();
            let allowed: BTreeSet<&str> = allowed.split(',').collect();
            assert_eq!(&allowed, methods, "{method} {path}");
            let said = got.json();
            let (status, code) = match method {
                "OPTIONS" => (204, None),
                "HEAD" => (405, None),
                _ if mlflows.iter().any(|part| path.contains(part)) => {
                    (405, Some(("error_code", "ENDPOINT_NOT_FOUND")))
                }
                _ => (405, Some(("code", "wrong_method"))),
            };
            assert_eq!(got.status, status, "{method} {path}: {}", got.body);
            match code {
                None => assert_eq!(got.body, "", "{method} {path}"),
                Some((field, code)) => assert_eq!(said[field], code, "{method} {path}: {said}"),
            }
            told += 1;
        }
    }
    assert!(told > 1000, "{told}");
}

/// A step may look at what MLflow keeps, and nobody's account.
#[tokio::test(flavor = "multi_thread")]
async fn a_step_administers_nothing() {
    let server = Server::start().await;
    let asking = Asking::new(&server);
    let unit = [format!(
        "authorization: Bearer {}",
        server.unit_token("flights", "run", "0123")
    )];
    for route in server::routes().table() {
        if matches!(
            route.permission,
            Permission::Account | Permission::Administer
        ) {
            let got = asking.ask(route.method.as_str(), &path(route), &unit, b"{}");
            assert_eq!(got.status, 403, "{} {}", route.method, route.path);
        }
    }
    let part = "/p/flights/api/2.0/mlflow-artifacts/mpu/parts/x/1";
    assert_eq!(
        asking.ask(Method::PUT.as_str(), part, &unit, b"").status,
        403
    );
}
