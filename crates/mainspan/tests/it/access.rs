//! Who may do what over HTTP: every route refuses strangers, roles end where they should, browsers are kept out.

use crate::world::{PROJECT, World};
use serde_json::json;
use testkit::{
    http::{Answer, ask},
    until,
};

fn call(world: &World, method: &str, path: &str, headers: &[&str]) -> Answer {
    let headers: Vec<String> = headers.iter().map(|line| (*line).to_owned()).collect();
    ask(
        world.product.control().unwrap(),
        method,
        path,
        &headers,
        b"{}",
    )
    .unwrap()
}

#[test]
fn every_route_refuses_strangers() {
    let world = World::applied(PROJECT);
    let routes = server::routes();
    let mut walked = 0;
    for route in routes.table() {
        let path = route
            .path
            .replace("{project}", "tiny")
            .replace("{*path}", "a")
            .replace("{*", "{");
        let path: String = path
            .split('/')
            .map(|part| if part.starts_with('{') { "x" } else { part })
            .collect::<Vec<_>>()
            .join("/");
        let open = route.permission.open_on_loopback();
        let status = call(&world, route.method.as_str(), &path, &[]).status;
        if open {
            continue;
        }
        walked += 1;
        assert_eq!(status, 401, "{} {path} for a stranger", route.method);
        let wrong = call(
            &world,
            route.method.as_str(),
            &path,
            &["authorization: Bearer ms_wrong"],
        );
        assert_eq!(
            wrong.status, 401,
            "{} {path} with a wrong token",
            route.method
        );
    }
    assert!(walked > 20, "only {walked} routes need a token");
}

#[test]
fn roles_end_where_they_should() {
    let world = World::applied(PROJECT);
    let token = |role: &str| {
        let made = world
            .say(&["tokens", "create", role, "--role", role, "-o", "json"])
            .json();
        made["token"].as_str().unwrap().to_owned()
    };
    let read = ("GET", "/api/v1/projects/tiny/status");
    let run = ("POST", "/api/v1/projects/tiny/runs/start");
    let promote = ("POST", "/api/v1/projects/tiny/services/delay/promote");
    let tokens = ("GET", "/api/v1/tokens");
    let elsewhere = ("GET", "/api/v1/projects/other/status");
    let check = |role: &str, allowed: &[(&str, &str)]| {
        let bearer = format!("authorization: Bearer {}", token(role));
        for asked in [read, run, promote, tokens, elsewhere] {
            let status = call(&world, asked.0, asked.1, &[&bearer]).status;
            let denied = matches!(status, 401 | 403);
            let may = allowed.contains(&asked);
            assert_eq!(denied, !may, "{role} {asked:?}: {status}");
        }
    };
    check("viewer", &[read]);
    check("developer", &[read, run]);
    check("operator", &[read, run, promote]);
    // A command line with too small a token says so with its own exit code.
    let viewer = token("viewer");
    let said = world.say(&["--token", &viewer, "rollback", "delay"]);
    assert_eq!(said.code, 3, "{said:?}");
    // A revoked token is no token.
    let made = world
        .say(&["tokens", "create", "gone", "--role", "viewer", "-o", "json"])
        .json();
    let bearer = format!("authorization: Bearer {}", made["token"].as_str().unwrap());
    assert_eq!(call(&world, read.0, read.1, &[&bearer]).status, 200);
    world.say(&["tokens", "revoke", made["id"].as_str().unwrap()]);
    assert_eq!(call(&world, read.0, read.1, &[&bearer]).status, 401);
}

/// `Authorization` with name and password.
fn basic(name: &str, password: &str) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let pair = STANDARD.encode(format!("{name}:{password}"));
    format!("authorization: Basic {pair}")
}

#[test]
fn users_are_made_and_removed_on_the_command_line() {
    let world = World::applied(PROJECT);
    let signed_in =
        |password: &str, path: &str| call(&world, "GET", path, &[&basic("ann", password)]).status;
    let status = "/api/v1/projects/tiny/status";
    let made = world.say(&["users", "create", "ann", "--role", "viewer"]);
    assert_eq!(made.code, 0, "{made:?}");
    let first = made.stdout.trim().to_owned();
    assert_eq!(signed_in(&first, status), 200);
    assert_eq!(signed_in(&first, "/api/v1/projects/other/status"), 403);
    assert_eq!(signed_in("another password", status), 401);
    let listed = world.say(&["users"]).stdout;
    assert!(
        listed.contains("ann") && !listed.contains(&first),
        "{listed}"
    );
    let again = world.say(&["users", "create", "ann"]);
    assert_eq!(again.code, 1, "{again:?}");
    let changed = world.say(&["users", "passwd", "ann", "-o", "json"]).json();
    let second = changed["password"].as_str().unwrap();
    assert_eq!(signed_in(&first, status), 401);
    assert_eq!(signed_in(second, status), 200);
    assert_eq!(world.say(&["users", "delete", "ann"]).code, 0);
    assert_eq!(signed_in(second, status), 401);
}

#[test]
fn pages_of_strangers_cannot_use_a_browser() {
    let world = World::applied(PROJECT);
    let bearer = format!("authorization: Bearer {}", world.product.token());
    let path = "/api/v1/projects/tiny/status";
    let check = |headers: &[&str], expect: u16| {
        let got = call(&world, "GET", path, &[&[bearer.as_str()], headers].concat());
        assert_eq!(got.status, expect, "{headers:?}: {}", got.body);
    };
    check(&[], 200);
    check(&["host: evil.example"], 421);
    check(&["origin: https://evil.example"], 403);
    let port = world.product.control().unwrap().port();
    check(&[&format!("origin: http://127.0.0.1:{port}")], 200);
}

#[test]
fn paths_do_not_leave_the_artifacts() {
    let world = World::applied(PROJECT);
    let bearer = format!("authorization: Bearer {}", world.product.token());
    for path in [
        "../../control.token",
        "..%2f..%2fcontrol.token",
        "%2e%2e/%2e%2e/control.token",
        "%252e%252e%252fcontrol.token",
        "..\\..\\control.token",
        "%2fetc%2fpasswd",
        "a%00b",
    ] {
        let base = "/p/tiny/api/2.0/mlflow-artifacts/artifacts/0/x/artifacts";
        let answer = call(&world, "GET", &format!("{base}/{path}"), &[&bearer]);
        assert!(
            (400..500).contains(&answer.status),
            "{path}: {} {}",
            answer.status,
            answer.body
        );
        assert!(!answer.body.contains(world.product.token().as_str()));
    }
    let missing = world.product.post("nothing/here", &json!({})).unwrap();
    assert_eq!(missing.status, 404);
}

/// Uses a step's token for what it is not for, and writes down the answers and what it sees of the server.
const PRY: &str = r#"import os, sys, urllib.error, urllib.request
base = os.environ["MLFLOW_TRACKING_URI"].split("/p/")[0]
head = {"content-type": "application/json", "authorization": "Bearer " + os.environ["MLFLOW_TRACKING_TOKEN"]}
def ask(method, path, body=None):
    try:
        return urllib.request.urlopen(urllib.request.Request(base + path, body, head, method=method)).status
    except urllib.error.HTTPError as error:
        return error.code
seen = [ask("GET", "/api/v1/tokens"), ask("POST", "/api/v1/projects/tiny/services/delay/promote", b"{}"),
        ask("POST", "/api/v1/projects/tiny/runs/start", b"{}"), ask("GET", "/api/v1/projects/other/status"),
        ask("POST", "/p/other/api/2.0/mlflow/experiments/create", b'{"name": "x"}')]
seen += [name for name in os.environ if name in ("MAINSPAN_KEY", "MAINSPAN_STATE", "MAINSPAN_TOKEN")]
open(sys.argv[1], "w").write(repr(seen))
"#;

#[test]
fn a_steps_token_ends_with_its_run() {
    let world = World::new(PROJECT);
    let (kept, leave) = (
        world.product.folder().join("kept"),
        world.product.folder().join("leave"),
    );
    let steal = format!(
        "printf \"%s %s %s\" \"$MLFLOW_TRACKING_TOKEN\" \"$MLFLOW_RUN_ID\" \"$MLFLOW_EXPERIMENT_ID\" > {0}.part; mv {0}.part {0}; while [ ! -e {1} ]; do sleep 0.02; done",
        kept.display(),
        leave.display()
    );
    let file = format!(
        "mainspan: 1\nproject: tiny\nenvironments: [prod]\npipelines:\n  keep:\n    steps:\n      keep: {{ run: '{steal}' }}\n"
    );
    world.project.write("mainspan.yaml", file);
    world.project.commit("Keep");
    world.apply();
    let run = world.say(&["run", "keep", "--detach", "-o", "json"]).json();
    let text = until("the step", || std::fs::read_to_string(&kept).ok());
    let [token, run_id, experiment] = text.split(' ').collect::<Vec<_>>()[..] else {
        panic!("not three words: {text}");
    };
    let base = "/p/tiny/api/2.0/mlflow";
    let artifacts =
        format!("/p/tiny/api/2.0/mlflow-artifacts/artifacts/{experiment}/{run_id}/artifacts/a");
    let metric = json!({ "run_id": run_id, "key": "a", "value": 1.0, "timestamp": 1 }).to_string();
    let calls = [
        ("POST", format!("{base}/runs/log-metric"), metric),
        (
            "GET",
            format!("{base}/runs/get?run_id={run_id}"),
            String::new(),
        ),
        (
            "GET",
            format!("{base}/experiments/get?experiment_id={experiment}"),
            String::new(),
        ),
        ("PUT", artifacts.clone(), "bytes".to_owned()),
        ("GET", artifacts, String::new()),
    ];
    let check = |expect: u16| {
        for (method, path, body) in &calls {
            let bearer = [format!("authorization: Bearer {token}")];
            let control = world.product.control().unwrap();
            let answer = ask(control, method, path, &bearer, body.as_bytes()).unwrap();
            assert_eq!(answer.status, expect, "{method} {path}: {}", answer.body);
        }
    };
    // Good while the step runs, in whosever hands.
    check(200);
    std::fs::write(&leave, "").unwrap();
    let run = world.ended(run["id"].as_str().unwrap());
    assert_eq!(run["state"], "succeeded", "{run}");
    check(401);
    // Nor does anything else of the server take it.
    for path in ["status", "runs", "models", "events"] {
        let path = format!("/api/v1/projects/tiny/{path}");
        let answer = call(
            &world,
            "GET",
            &path,
            &[&format!("authorization: Bearer {token}")],
        );
        assert_eq!(answer.status, 401, "{path}: {}", answer.body);
    }
}

#[test]
fn a_step_can_do_its_own_runs_work_only() {
    let world = World::new(PROJECT);
    let seen = world.product.folder().join("seen");
    world.project.write("pry.py", PRY);
    let file = format!(
        "mainspan: 1\nproject: tiny\nenvironments: [prod]\npipelines:\n  pry:\n    steps:\n      pry: {{ run: 'python3 pry.py {}' }}\n",
        seen.display()
    );
    world.project.write("mainspan.yaml", file);
    world.project.commit("Pry");
    world.apply();
    let run = world.run("pry", &[]);
    assert_eq!(run["state"], "succeeded", "{run}");
    let seen = std::fs::read_to_string(seen).unwrap();
    assert_eq!(seen, "[403, 403, 403, 403, 403]");
}
