//! Projects as workspaces: who sees which, and what is not mixed up.

use super::asking::Asking;
use serde_json::{Value, json};
use testkit::Server;

const ALL: &str = "/api/3.0/mlflow/workspaces";

fn bearer(token: &str) -> Vec<String> {
    vec![format!("authorization: Bearer {token}")]
}

/// The names that a caller is shown, at the bare root and at an address of its own project.
fn names(asking: &Asking<'_>, headers: &[String], base: &str) -> Vec<String> {
    let got = asking.ask("GET", &format!("{base}{ALL}"), headers, b"");
    assert_eq!(got.status, 200, "{}", got.body);
    let got: Value = got.json();
    let all = got["workspaces"].as_array().cloned().unwrap_or_default();
    all.iter()
        .map(|one| one["name"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_sees_the_projects_they_may_enter() {
    let server = Server::start().await;
    let asking = Asking::new(&server);
    asking.done("POST", ALL, &json!({ "name": "trains" }));
    asking.run("there by its experiment");
    let of_flights = bearer(&asking.token("t", "viewer", Some("flights")));
    let of_all = bearer(&asking.token("u", "viewer", None));
    let unit = bearer(&server.unit_token("flights", "run", "0123"));
    let everything = ["default", "flights", "trains"];
    assert_eq!(names(&asking, &of_all, ""), everything);
    assert_eq!(names(&asking, &[], ""), everything, "on loopback");
    assert_eq!(names(&asking, &of_flights, ""), ["flights"]);
    assert_eq!(names(&asking, &of_flights, "/p/trains"), ["flights"]);
    assert_eq!(names(&asking, &unit, "/p/flights"), ["flights"]);
    for (headers, name, expect) in [
        (&of_flights, "flights", 200),
        (&of_flights, "trains", 403),
        (&of_flights, "none", 403),
        (&of_all, "trains", 200),
        (&of_all, "none", 404),
    ] {
        let got = asking.ask("GET", &format!("{ALL}/{name}"), headers, b"");
        assert_eq!(got.status, expect, "{name}: {}", got.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_admins_of_everything_make_and_delete() {
    let server = Server::start().await;
    let asking = Asking::new(&server);
    let one = format!("{ALL}/trains");
    asking.done("POST", ALL, &json!({ "name": "trains" }));
    let of_trains = bearer(&asking.token("t", "admin", Some("trains")));
    let operator = bearer(&asking.token("u", "operator", None));
    for (headers, expect) in [(&vec![], 401), (&of_trains, 403), (&operator, 403)] {
        for (method, path) in [("POST", ALL), ("PATCH", &one), ("DELETE", &one)] {
            let got = asking.ask(method, path, headers, b"{}");
            assert_eq!(got.status, expect, "{method} {path}: {}", got.body);
        }
    }
    // A credential for it is something in it.
    assert_eq!(asking.owner("DELETE", &one, b"").status, 409);
    let cascade = format!("{one}?mode=CASCADE");
    assert_eq!(asking.owner("DELETE", &cascade, b"").status, 204);
    let gone = asking.ask("GET", ALL, &of_trains, b"");
    assert_eq!(gone.status, 401, "it went with its project");
    let events = asking
        .owner("GET", "/api/v1/projects/trains/events", b"")
        .json();
    let kinds = events.as_array().unwrap().iter();
    let kinds: Vec<_> = kinds.map(|event| event["kind"].clone()).collect();
    assert_eq!(kinds, ["project.deleted", "project.created"]);
}

/// What runs is taken away by `destroy`, which knows how.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_file_was_applied_to_is_not_deleted() {
    let server = Server::start().await;
    let asking = Asking::new(&server);
    let file = json!({ "text": "mainspan: 1\nproject: flights\nenvironments: [prod]\n" });
    asking.done("POST", "/api/v1/projects/flights/apply", &file);
    for mode in ["RESTRICT", "CASCADE"] {
        let path = format!("{ALL}/flights?mode={mode}");
        let got = asking.owner("DELETE", &path, b"");
        assert_eq!(got.status, 409, "{mode}: {}", got.body);
        assert!(got.body.contains("mainspan destroy"), "{}", got.body);
    }
    let said = json!({ "description": "late" });
    asking.done("PATCH", &format!("{ALL}/flights"), &said);
    let destroyed = asking.owner("POST", "/api/v1/projects/flights/destroy", b"");
    assert_eq!(destroyed.status, 204, "{}", destroyed.body);
    let gone = asking.owner("GET", &format!("{ALL}/flights"), b"");
    assert_eq!(gone.status, 404, "what was said of it goes along");
}

/// A header that names another workspace than the address is a mistake that must not go unseen.
#[tokio::test(flavor = "multi_thread")]
async fn address_and_header_agree() {
    let server = Server::start().await;
    let asking = Asking::new(&server);
    let look = "/api/2.0/mlflow/experiments/get-by-name?experiment_name=none";
    for (base, header, expect) in [
        ("/p/flights", "flights", 404),
        ("/p/flights", " flights ", 404),
        ("/p/flights", "", 404),
        ("/p/flights", "default", 400),
        ("", "flights", 404),
        ("", "../flights", 404),
    ] {
        let headers = [format!("x-mlflow-workspace: {header}")];
        let got = asking.ask("GET", &format!("{base}{look}"), &headers, b"");
        assert_eq!(got.status, expect, "{base} {header}: {}", got.body);
    }
}
