//! What grants and denials come to: every route of MLflow's, asked by users who were denied the things it is about, who may
//! only look at them, and who may change them and nothing else.

mod requests;

use super::asking::{Asking, BASE};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use guard::Permission;
use requests::{Needs, Request, Things};
use serde_json::{Value, json};
use server::http::RouteInfo;
use store::StoreUrl;
use testkit::{Postgres, Python, Server, http::Answer};

const PASSWORD: &str = "a long password";

fn basic(name: &str) -> String {
    let pair = format!("{name}:{PASSWORD}");
    format!("authorization: Basic {}", STANDARD.encode(pair))
}

fn v3(path: &str) -> String {
    format!("{}/{path}", BASE.replace("2.0", "3.0"))
}

fn user(asking: &Asking<'_>, name: &str, role: &str) {
    let body = json!({ "name": name, "role": role, "project": "flights", "password": PASSWORD });
    asking.done("POST", "/api/v1/users/create", &body);
}

fn grant(asking: &Asking<'_>, name: &str, on: (&str, &str), permission: &str) {
    let body = json!({ "username": name, "resource_type": on.0, "resource_id": on.1, "permission": permission });
    asking.done("POST", &v3("users/permissions/grant"), &body);
}

/// A role with these permissions, held by that user.
fn role(asking: &Asking<'_>, name: &str, permissions: &[(&str, &str, &str)]) -> i64 {
    let body = json!({ "name": name, "workspace": "flights" });
    let made = asking.done("POST", &v3("roles/create"), &body);
    let id = made["role"]["id"].as_i64().unwrap();
    for (kind, pattern, permission) in permissions {
        let body = json!({ "role_id": id, "resource_type": kind, "resource_pattern": pattern, "permission": permission });
        asking.done("POST", &v3("roles/permissions/add"), &body);
    }
    let body = json!({ "role_id": id, "username": name });
    asking.done("POST", &v3("roles/assign"), &body);
    id
}

/// Type and pattern of all that grants can be about.
fn parts(things: &Things) -> [(&'static str, String); 4] {
    [
        ("experiment", things.experiment.clone()),
        ("registered_model", things.mark.clone()),
        ("prompt", format!("{}-prompt", things.mark)),
        ("scorer", format!("{}/{}", things.experiment, things.mark)),
    ]
}

/// The served routes of MLflow's that are about a project's records.
fn routes() -> Vec<RouteInfo> {
    let all = server::routes();
    let about = |route: &&RouteInfo| {
        route.summary.starts_with("MLflow:")
            && route.summary != "MLflow: left out"
            && route.path.starts_with("/p/")
            && !route.path.contains("/ajax-api/")
            && !matches!(
                route.permission,
                Permission::Account | Permission::Administer
            )
    };
    all.table().iter().filter(about).cloned().collect()
}

fn send(asking: &Asking<'_>, name: &str, route: &RouteInfo, request: &Request) -> Answer {
    let mut headers = vec![basic(name)];
    headers.extend(request.headers.iter().cloned());
    asking.ask(
        route.method.as_str(),
        &request.path,
        &headers,
        &request.body,
    )
}

fn fine(answer: &Answer) -> bool {
    (200..300).contains(&answer.status)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_denied_is_neither_shown_nor_changed() {
    denied(&Server::start().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_look_changes_nothing() {
    looking(&Server::start().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_granted_it_may_do_it() {
    granted(&Server::start().await);
}

/// What a record belongs to is found out by statements, and this store has its own opinion of their types.
#[tokio::test(flavor = "multi_thread")]
async fn grants_hold_on_postgres() {
    let Some(database) = Postgres::start() else {
        return;
    };
    let server =
        Server::start_with(|options| options.store = StoreUrl::Postgres(database.url())).await;
    denied(&server);
    looking(&server);
    granted(&server);
}

/// What is denied is neither shown nor changed by any route, whether it was denied by name or with all of its type, and
/// whatever else is granted.
fn denied(server: &Server) {
    let asking = Asking::new(server);
    let hidden = Things::make(&asking, "h1dden");
    let open = Things::make(&asking, "v1sible");
    user(&asking, "by name", "developer");
    user(&asking, "by type", "operator");
    for (kind, pattern) in parts(&hidden) {
        grant(&asking, "by name", (kind, &pattern), "DENY");
        grant(&asking, "by type", (kind, &pattern), "MANAGE");
    }
    let all = parts(&hidden).map(|(kind, _)| (kind, "*", "DENY"));
    role(&asking, "by type", &all);
    let manage = parts(&hidden).map(|(kind, _)| (kind, "*", "MANAGE"));
    role(&asking, "by name", &manage);
    let before = hidden.all(&asking);
    let shown = |body: &str| {
        let ids = [&hidden.mark, &hidden.run, &hidden.model, &hidden.dataset];
        ids.into_iter().any(|id| body.contains(id.as_str()))
    };
    for (path, status, body) in &before {
        assert_eq!(*status, 200, "{path}: {body}");
    }
    let mut wrong = Vec::new();
    for route in routes() {
        let request = hidden.request(&route);
        for name in ["by name", "by type"] {
            let got = send(&asking, name, &route, &request);
            let place = format!(
                "{name}: {} {}: {} {}",
                route.method, request.path, got.status, got.body
            );
            let kept = match request.needs {
                Needs::Sight => !fine(&got) || !shown(&got.body),
                Needs::Change => !fine(&got),
                Needs::Nothing => !shown(&got.body),
            };
            wrong.extend((!kept).then_some(place));
        }
        // What is denied by name is so alone.
        let other = open.request(&route);
        if other.needs == Needs::Sight {
            let got = send(&asking, "by name", &route, &other);
            let place = format!(
                "{} {}: {} {}",
                route.method, other.path, got.status, got.body
            );
            wrong.extend((!fine(&got)).then_some(place));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(hidden.all(&asking), before);
    for (path, what) in [
        (
            "/api/v1/projects/flights/status",
            "Mainspan's own pages show all of a project",
        ),
        ("/api/v1/projects/flights/models", "models"),
    ] {
        let got = asking.ask("GET", path, &[basic("by name")], b"");
        assert!(
            matches!(got.status, 403 | 404),
            "{what}: {} {}",
            got.status,
            got.body
        );
    }
}

/// Whoever may only look changes nothing, though they may change something else.
fn looking(server: &Server) {
    let asking = Asking::new(server);
    let (seen, own) = (Things::make(&asking, "s3en"), Things::make(&asking, "0wn"));
    user(&asking, "viewer", "viewer");
    for ((kind, seen), (_, own)) in parts(&seen).into_iter().zip(parts(&own)) {
        grant(&asking, "viewer", (kind, &seen), "READ");
        grant(&asking, "viewer", (kind, &own), "MANAGE");
    }
    let before = seen.all(&asking);
    let mut wrong = Vec::new();
    for route in routes() {
        let request = seen.request(&route);
        let got = send(&asking, "viewer", &route, &request);
        let reads = route.permission != Permission::TrackingWrite;
        let place = format!(
            "{} {}: {} {}",
            route.method, request.path, got.status, got.body
        );
        wrong.extend((fine(&got) != reads).then_some(place));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(seen.all(&asking), before);
}

/// Every request of these tests goes well for whoever may do it, so that a refusal is one of rights.
fn granted(server: &Server) {
    let asking = Asking::new(server);
    user(&asking, "manager", "viewer");
    let mut wrong = Vec::new();
    for (n, route) in routes().iter().enumerate() {
        let things = Things::make(&asking, &format!("th1ng-{n}"));
        let request = things.request(route);
        if request.needs == Needs::Nothing && route.permission == Permission::TrackingWrite {
            continue;
        }
        for (kind, pattern) in parts(&things) {
            grant(&asking, "manager", (kind, &pattern), "MANAGE");
        }
        let got = send(&asking, "manager", route, &request);
        let place = format!(
            "{} {}: {} {}",
            route.method, request.path, got.status, got.body
        );
        wrong.extend((fine(&got) != request.good).then_some(place));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A user with EDIT on one experiment works there and nowhere else, from the next call on and as long as it is granted.
#[tokio::test(flavor = "multi_thread")]
async fn grants_hold_at_once_and_as_long_as_they_are_there() {
    let server = Server::start().await;
    let asking = Asking::new(&server);
    let (one, other) = (Things::make(&asking, "one"), Things::make(&asking, "other"));
    user(&asking, "ann", "viewer");
    let tag = |things: &Things| {
        let body = json!({ "run_id": things.run, "key": "k", "value": "v" }).to_string();
        let path = format!("{BASE}/runs/set-tag");
        asking
            .ask("POST", &path, &[basic("ann")], body.as_bytes())
            .status
    };
    let status = |method: &str, path: &str, body: &Value| {
        let body = body.to_string();
        asking
            .ask(method, path, &[basic("ann")], body.as_bytes())
            .status
    };
    assert_eq!(tag(&one), 403);
    grant(&asking, "ann", ("experiment", &one.experiment), "EDIT");
    assert_eq!((tag(&one), tag(&other)), (200, 403));
    let new = json!({ "name": "by ann" });
    let create = format!("{BASE}/experiments/create");
    assert_eq!(status("POST", &create, &new), 403);
    let gone = json!({ "run_id": one.run });
    assert_eq!(
        status("POST", &format!("{BASE}/runs/delete"), &gone),
        403,
        "EDIT deletes nothing"
    );
    // Who may use the project makes things in it, and manages what they made.
    let id = role(&asking, "ann", &[("workspace", "*", "USE")]);
    assert_eq!(status("POST", &create, &new), 200);
    let made = asking.done(
        "GET",
        &format!("{BASE}/experiments/get-by-name?experiment_name=by%20ann"),
        &json!({}),
    );
    let own = made["experiment"]["experiment_id"].as_str().unwrap();
    let run = json!({ "experiment_id": own, "start_time": 1 });
    assert_eq!(status("POST", &format!("{BASE}/runs/create"), &run), 200);
    user(&asking, "ben", "viewer");
    let share = json!({ "username": "ben", "resource_type": "experiment", "resource_id": own, "permission": "EDIT" });
    assert_eq!(status("POST", &v3("users/permissions/grant"), &share), 200);
    let foreign = json!({ "username": "ben", "resource_type": "experiment", "resource_id": one.experiment, "permission": "EDIT" });
    assert_eq!(
        status("POST", &v3("users/permissions/grant"), &foreign),
        403
    );
    // A denial by any role wins, and goes with the role.
    let body = json!({ "role_id": id, "resource_type": "experiment", "resource_pattern": one.experiment, "permission": "DENY" });
    let denial = asking.done("POST", &v3("roles/permissions/add"), &body);
    assert_eq!((tag(&one), tag(&other)), (403, 403));
    let body =
        json!({ "role_permission_id": denial["role_permission"]["id"], "permission": "READ" });
    asking.done("PATCH", &v3("roles/permissions/update"), &body);
    assert_eq!(tag(&one), 200);
    asking.done("DELETE", &v3("roles/delete"), &json!({ "role_id": id }));
    assert_eq!(status("POST", &create, &json!({ "name": "another" })), 403);
    let back =
        json!({ "username": "ann", "resource_type": "experiment", "resource_id": one.experiment });
    asking.done("POST", &v3("users/permissions/revoke"), &back);
    assert_eq!(tag(&one), 403);
}

/// What was granted on a model by name follows it, and is not there for another one of that name.
#[tokio::test(flavor = "multi_thread")]
async fn grants_follow_their_model() {
    let server = Server::start().await;
    let asking = Asking::new(&server);
    let post = |path: &str, body: Value| asking.done("POST", &format!("{BASE}/{path}"), &body);
    user(&asking, "ann", "viewer");
    user(&asking, "ben", "developer");
    post("registered-models/create", json!({ "name": "a" }));
    grant(&asking, "ann", ("registered_model", "a"), "EDIT");
    grant(&asking, "ben", ("registered_model", "a"), "DENY");
    let ask = |name: &str, model: &str| {
        let path = format!("{BASE}/registered-models/set-tag");
        let body = json!({ "name": model, "key": "k", "value": "v" }).to_string();
        asking
            .ask("POST", &path, &[basic(name)], body.as_bytes())
            .status
    };
    assert_eq!((ask("ann", "a"), ask("ben", "a")), (200, 403));
    let taken = json!({ "name": "x", "new_name": "a" });
    post("registered-models/create", json!({ "name": "x" }));
    post(
        "registered-models/rename",
        json!({ "name": "a", "new_name": "b" }),
    );
    assert_eq!((ask("ann", "b"), ask("ben", "b")), (200, 403));
    // Whoever was denied it cannot get at it by giving its name to something else, nor can they take its name.
    post("registered-models/rename", taken);
    assert_eq!((ask("ann", "a"), ask("ben", "a")), (403, 200));
    asking.done(
        "DELETE",
        &format!("{BASE}/registered-models/delete"),
        &json!({ "name": "b" }),
    );
    post("registered-models/create", json!({ "name": "b" }));
    assert_eq!((ask("ann", "b"), ask("ben", "b")), (403, 200));
}

/// Grants that nobody would be held to are refused, and so are those of users of another project.
#[tokio::test(flavor = "multi_thread")]
async fn what_would_not_hold_is_not_kept() {
    let server = Server::start().await;
    let asking = Asking::new(&server);
    user(&asking, "ann", "developer");
    let made = asking.run("one");
    for (kind, pattern, permission, expect) in [
        ("run", "*", "DENY", 501),
        ("registered_model_version", "*", "DENY", 501),
        ("gateway_secret", "s", "DENY", 501),
        ("experiment", "one", "DENY", 400),
        ("scorer", "one", "DENY", 400),
        ("scorer", "1/", "DENY", 400),
        ("registered_model", "", "DENY", 400),
        ("workspace", "*", "USE", 400),
        ("experiment", made.0.as_str(), "NO_PERMISSIONS", 400),
    ] {
        let body = json!({ "username": "ann", "resource_type": kind, "resource_id": pattern, "permission": permission });
        let got = asking.owner(
            "POST",
            &v3("users/permissions/grant"),
            body.to_string().as_bytes(),
        );
        assert_eq!(got.status, expect, "{kind} {pattern}: {}", got.body);
    }
    let elsewhere = v3("users/permissions/grant").replace("flights", "other");
    let body = json!({ "username": "ann", "resource_type": "registered_model", "resource_id": "m", "permission": "DENY" });
    let got = asking.owner("POST", &elsewhere, body.to_string().as_bytes());
    assert_eq!(got.status, 400, "{}", got.body);
    let rows = asking.done(
        "GET",
        &v3("users/permissions/list?username=ann"),
        &json!({}),
    );
    assert_eq!(rows["permissions"], json!([]));
    // Experiment 0 is one with a number of its own, and a number has one form.
    for given in ["0", "000000"] {
        let body = json!({ "username": "ann", "resource_type": "experiment", "resource_id": given, "permission": "DENY" });
        let got = asking.owner(
            "POST",
            &v3("users/permissions/grant"),
            body.to_string().as_bytes(),
        );
        assert_eq!(
            got.status,
            if given == "0" { 404 } else { 200 },
            "{given}: {}",
            got.body
        );
    }
    asking.done(
        "GET",
        &format!("{BASE}/experiments/get?experiment_id=0"),
        &json!({}),
    );
    grant(&asking, "ann", ("experiment", "0"), "DENY");
    for id in ["0", ""] {
        let path = format!("{BASE}/runs/create");
        let body = json!({ "experiment_id": id, "start_time": 1 }).to_string();
        let got = asking.ask("POST", &path, &[basic("ann")], body.as_bytes());
        assert_eq!(got.status, 403, "{id}: {}", got.body);
    }
}

/// The unmodified client of MLflow's authentication, and what it says to the unmodified client.
#[tokio::test(flavor = "multi_thread")]
async fn the_client_grants_and_is_held_to_it() {
    let server = Server::start_with(|options| options.anonymous_tracking = false).await;
    let asking = Asking::new(&server);
    user(&asking, "a viewer", "viewer");
    user(&asking, "a developer", "developer");
    let script =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/mlflow/flows/grants.py");
    let uri = format!("{}/p/flights", server.url());
    let variables = [
        ("MLFLOW_TRACKING_URI", uri.as_str()),
        ("OWNER", server.owner_token()),
        ("VIEWER", "a viewer"),
        ("DEVELOPER", "a developer"),
        ("PASSWORD", PASSWORD),
    ];
    let outcome = tokio::task::block_in_place(|| Python::find().run(&script, &variables));
    assert!(outcome.succeeded, "{}\n{}", outcome.stdout, outcome.stderr);
}
