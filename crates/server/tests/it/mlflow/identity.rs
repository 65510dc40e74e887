//! Users and tokens as the unmodified client sends them, and what guesses come to.

use super::asking::{Asking, BASE};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;
use testkit::{Python, Server};

fn basic(name: &str, password: &str) -> [String; 1] {
    [format!(
        "authorization: Basic {}",
        STANDARD.encode(format!("{name}:{password}"))
    )]
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_signs_in_and_sends_files() {
    let server = Server::start_with(|options| options.anonymous_tracking = false).await;
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/mlflow/flows/identity_and_files.py");
    let uri = format!("{}/p/flights", server.url());
    let variables = [
        ("MLFLOW_TRACKING_URI", uri.as_str()),
        ("OWNER", server.owner_token()),
    ];
    let outcome = tokio::task::block_in_place(|| Python::find().run(&script, &variables));
    assert!(outcome.succeeded, "{}\n{}", outcome.stdout, outcome.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_become_slow_and_lock_nobody_else_out() {
    let server = Server::start_with(|options| options.anonymous_tracking = false).await;
    let asking = Asking::new(&server);
    let create = format!("{BASE}/users/create");
    for name in ["ann", "ben"] {
        asking.done(
            "POST",
            &create,
            &json!({ "username": name, "password": "a long password" }),
        );
    }
    let look = |name: &str, password: &str| {
        let path = format!("{BASE}/experiments/get-by-name?experiment_name=none");
        asking.ask("GET", &path, &basic(name, password), b"").status
    };
    // Whoever has signed in goes on, whatever strangers try.
    assert_eq!(look("ann", "a long password"), 404);
    let guesses: Vec<u16> = (0..12)
        .map(|n| look("ann", &format!("guess {n}")))
        .collect();
    assert_eq!(guesses[..10], [401; 10]);
    assert_eq!(guesses[11], 429);
    assert_eq!(look("ann", "a long password"), 404);
    assert_eq!(look("ben", "a long password"), 404);
    // No password stands in what the server keeps, nor in what it shows of its users.
    let users = asking.owner("GET", "/api/v1/users", b"").body;
    assert!(
        users.contains("ann") && !users.contains("argon2"),
        "{users}"
    );
    for file in std::fs::read_dir(&server.options().state_dir).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() {
            let held = std::fs::read(&path).unwrap();
            let clear = held.windows(15).any(|bytes| bytes == b"a long password");
            assert!(!clear, "{}", path.display());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_is_kept_to_a_role_and_a_project() {
    let server = Server::start_with(|options| options.anonymous_tracking = false).await;
    let asking = Asking::new(&server);
    for (name, role, project) in [
        ("viewer", "viewer", Some("flights")),
        ("developer", "developer", Some("flights")),
        ("everywhere", "developer", None),
        ("admin of one", "admin", Some("flights")),
        ("admin", "admin", None),
    ] {
        let body = json!({ "name": name, "role": role, "project": project, "password": "a long password" });
        asking.done("POST", "/api/v1/users/create", &body);
    }
    let status = |name: &str, method: &str, path: &str| {
        let body = json!({ "name": format!("by {name}") }).to_string();
        asking
            .ask(
                method,
                path,
                &basic(name, "a long password"),
                body.as_bytes(),
            )
            .status
    };
    let (here, there) = (BASE.to_owned(), BASE.replace("flights", "other"));
    for (name, reads, writes, elsewhere, lists_users) in [
        ("viewer", 404, 403, 403, 403),
        ("developer", 404, 200, 403, 403),
        ("everywhere", 404, 200, 200, 403),
        ("admin of one", 404, 200, 403, 403),
        ("admin", 404, 200, 200, 200),
    ] {
        let read = format!("{here}/experiments/get-by-name?experiment_name=none");
        assert_eq!(status(name, "GET", &read), reads, "{name} reads");
        assert_eq!(
            status(name, "POST", &format!("{here}/experiments/create")),
            writes,
            "{name} writes"
        );
        assert_eq!(
            status(name, "POST", &format!("{there}/experiments/create")),
            elsewhere,
            "{name} elsewhere"
        );
        for path in ["/api/v1/users", "/api/v1/tokens"] {
            assert_eq!(status(name, "GET", path), lists_users, "{name} {path}");
        }
        assert_eq!(
            status(name, "GET", &format!("{here}/users/list")),
            lists_users,
            "{name} lists users"
        );
        assert_eq!(
            status(name, "GET", &format!("{there}/users/current")),
            200,
            "{name} about themselves"
        );
    }
    // What was taken away is gone with the next call.
    let admin = json!({ "username": "admin", "is_admin": false });
    asking.done("PATCH", &format!("{here}/users/update-admin"), &admin);
    assert_eq!(status("admin", "GET", "/api/v1/users"), 403);
    asking.done(
        "DELETE",
        &format!("{here}/users/delete"),
        &json!({ "username": "viewer" }),
    );
    assert_eq!(
        status("viewer", "GET", &format!("{here}/users/current")),
        401
    );
}
