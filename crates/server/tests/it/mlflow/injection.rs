//! Texts that mean something to a database, a shell or a browser: here they are texts.

use super::asking::{Asking, BASE, BASE3};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use testkit::Server;

/// Names that would break a statement, a pattern or a page that was put together carelessly.
const NAMES: [&str; 10] = [
    "' OR 1=1 --",
    "\"; DROP TABLE experiments; --",
    "%",
    "_",
    "a%'b\"c`d",
    "$(touch pwned)",
    "<script>alert(1)</script>",
    "{{7*7}}",
    "?1",
    "ünï💥",
];

#[tokio::test(flavor = "multi_thread")]
async fn names_are_texts() {
    let server = Server::start().await;
    let asking = Asking::new(&server);
    for name in NAMES {
        let made = asking.owner(
            "POST",
            &format!("{BASE}/experiments/create"),
            json!({ "name": name, "tags": [{ "key": "k", "value": name }] })
                .to_string()
                .as_bytes(),
        );
        assert_eq!(made.status, 200, "{name}: {}", made.body);
        let query: String = url::form_urlencoded::byte_serialize(name.as_bytes()).collect();
        let got = asking.owner(
            "GET",
            &format!("{BASE}/experiments/get-by-name?experiment_name={query}"),
            b"",
        );
        let got = got.json();
        assert_eq!(got["experiment"]["name"], name);
        assert_eq!(got["experiment"]["tags"][0]["value"], name);
        reviewed(&asking, &made.json()["experiment_id"], name);
        let user = json!({ "username": name, "password": "a long password" });
        let made = asking.owner(
            "POST",
            &format!("{BASE}/users/create"),
            user.to_string().as_bytes(),
        );
        assert_eq!(made.status, 200, "{name}: {}", made.body);
        let made = made.json();
        assert_eq!(made["user"]["username"], name);
        asking.done(
            "DELETE",
            &format!("{BASE}/users/delete"),
            &json!({ "username": name }),
        );
    }
    let all = asking.done(
        "POST",
        &format!("{BASE}/experiments/search"),
        &json!({ "max_results": 100 }),
    );
    assert_eq!(
        all["experiments"].as_array().unwrap().len(),
        NAMES.len() + 1,
        "{all}"
    );
}

/// An issue and a question to reviewers with that name come back as they went in.
fn reviewed(asking: &Asking<'_>, experiment: &Value, name: &str) {
    let issue = json!({ "experiment_id": experiment, "name": name, "description": name, "root_causes": [name] });
    let made = asking.done("POST", &format!("{BASE3}/issues"), &issue);
    let id = made["issue"]["issue_id"].as_str().unwrap();
    let got = asking.owner("GET", &format!("{BASE3}/issues/{id}"), b"");
    let got = got.json();
    for field in ["name", "description"] {
        assert_eq!(got["issue"][field], name);
    }
    assert_eq!(got["issue"]["root_causes"][0], name);
    let id: String = url::form_urlencoded::byte_serialize(name.as_bytes()).collect();
    for path in [
        format!("issues/{}", id.replace('+', "%20")),
        format!("label-schemas/get?schema_id={id}"),
    ] {
        let got = asking.owner("GET", &format!("{BASE3}/{path}"), b"");
        assert_eq!(got.status, 404, "{path}: {}", got.body);
    }
    let schema = json!({ "experiment_id": experiment, "name": name, "type": "FEEDBACK", "instruction": name,
        "input": { "categorical": { "options": [name] } } });
    asking.done("POST", &format!("{BASE3}/label-schemas/create"), &schema);
    let experiment = experiment.as_str().unwrap();
    let path = format!("{BASE3}/label-schemas/get-by-name?experiment_id={experiment}&name={id}");
    let got = asking.owner("GET", &path, b"").json();
    assert_eq!(got["label_schema"]["instruction"], name);
    let options = &got["label_schema"]["input"]["categorical"]["options"];
    assert_eq!(options, &json!([name]));
    let said = json!({ "description": name });
    let said = asking.done("PATCH", &format!("{BASE3}/workspaces/flights"), &said);
    assert_eq!(said["workspace"]["description"], name);
    let workspace = json!({ "name": name }).to_string();
    let made = asking.owner("POST", &format!("{BASE3}/workspaces"), workspace.as_bytes());
    assert_eq!(made.status, 400, "{name}: {}", made.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_are_no_statements() {
    let server = Server::start().await;
    let asking = Asking::new(&server);
    let (experiment, _) = asking.run("filters");
    let ids = json!([experiment]);
    let filters = [
        "name = '' OR 1=1",
        "name = 'x'; DROP TABLE runs",
        "name = 'x' UNION SELECT * FROM tokens",
        "name LIKE '%' OR 'a'='a'",
        "name = 'a' -- b",
        "name = 'a' /* b */",
        "attributes.name IN (SELECT hash FROM users)",
        "tags.`a' OR 1=1` = 'b' OR 1=1",
        "params.\"x\"\"; DROP\" = ''1",
        "metrics.a > 1) OR (1=1",
        "name = 'a\0b' OR 1",
        &format!("name = {}", "(".repeat(100_000)),
        &format!("name = '{}", "x".repeat(1_000_000)),
        &"a AND ".repeat(50_000),
    ];
    for filter in filters {
        let shown: String = filter.chars().take(60).collect();
        for (method, path, body) in [
            (
                "POST",
                "experiments/search",
                json!({ "max_results": 5, "filter": filter }),
            ),
            (
                "POST",
                "runs/search",
                json!({ "experiment_ids": ids, "filter": filter }),
            ),
            (
                "POST",
                "logged-models/search",
                json!({ "experiment_ids": ids, "filter": filter }),
            ),
            ("POST", "issues/search", json!({ "filter_string": filter })),
        ] {
            let base = if path.starts_with("issues") {
                BASE3
            } else {
                BASE
            };
            let got = asking.owner(
                method,
                &format!("{base}/{path}"),
                body.to_string().as_bytes(),
            );
            assert_eq!(got.status, 400, "{path} {shown}: {}", got.body);
        }
        for order in [
            "name; DROP TABLE runs",
            "name, (SELECT 1)",
            "metrics.`a' --` DESC x",
            filter,
        ] {
            let body = json!({ "experiment_ids": ids, "order_by": [order] });
            let got = asking.owner(
                "POST",
                &format!("{BASE}/runs/search"),
                body.to_string().as_bytes(),
            );
            let shown: String = order.chars().take(60).collect();
            assert_eq!(got.status, 400, "{shown}: {}", got.body);
        }
    }
    let left = asking.done(
        "POST",
        &format!("{BASE}/runs/search"),
        &json!({ "experiment_ids": ids }),
    );
    assert_eq!(left["runs"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_no_messages_are_refused() {
    let server = Server::start().await;
    let asking = Asking::new(&server);
    let deep = format!("{}{}", "{\"a\":".repeat(20_000), "}".repeat(20_000));
    let bodies: [&[u8]; 7] = [
        deep.as_bytes(),
        b"[]",
        b"5",
        b"{",
        b"{\"name\": \"\xff\"}",
        b"\"\\\"\\\\\\\"x\\\\\\\"\\\"\"",
        b"{\"name\": 1e999}",
    ];
    for route in server::routes().table() {
        let takes = ["POST", "PATCH", "PUT"].contains(&route.method.as_str());
        let ours = route.path.starts_with("/p/{project}/api/") && !route.path.contains("{*path}");
        // Files may hold whatever they like, and reports of pages are not looked at.
        let anything = ["/upload-artifact", "/ui-telemetry"];
        if !takes || !ours || anything.iter().any(|end| route.path.ends_with(end)) {
            continue;
        }
        let path = route.path.replace("{project}", "flights");
        for body in bodies {
            let got = asking.owner(route.method.as_str(), &path, body).status;
            // A field that a message does not have is passed over, however deep or large it is.
            let passed_over = got == 200 && (body == deep.as_bytes() || body.ends_with(b"1e999}"));
            assert!(
                (400..500).contains(&got) || got == 501 || passed_over,
                "{} {path}: {got}",
                route.method
            );
        }
    }
}

/// The head of the answer to a request.
fn head(server: &Server, path: &str) -> String {
    let mut stream = std::net::TcpStream::connect(server.address()).unwrap();
    let host = server.address();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text.split("\r\n\r\n").next().unwrap().to_ascii_lowercase()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_uploaded_is_never_a_page() {
    let server = Server::start().await;
    let asking = Asking::new(&server);
    let (experiment, run) = asking.run("pages");
    let files = format!("{BASE}-artifacts/artifacts/{experiment}/{run}/artifacts");
    asking.done(
        "POST",
        &format!("{BASE}/registered-models/create"),
        &json!({ "name": "m" }),
    );
    let source = json!({ "name": "m", "source": format!("runs:/{run}"), "run_id": run });
    asking.done("POST", &format!("{BASE}/model-versions/create"), &source);
    for name in ["x.html", "x.svg", "x.xhtml", "x.js", "x", "evil%22;x=.html"] {
        let put = asking.owner(
            "PUT",
            &format!("{files}/{name}"),
            b"<script>alert(1)</script>",
        );
        assert_eq!(put.status, 200, "{name}");
        for path in [
            format!("{files}/{name}"),
            format!("{}/{name}", files.replace("/api/", "/ajax-api/")),
            format!("/p/flights/get-artifact?run_id={run}&path={name}"),
            format!("/p/flights/model-versions/get-artifact?name=m&version=1&path={name}"),
        ] {
            let head = head(&server, &path);
            assert!(head.starts_with("http/1.1 200"), "{path}: {head}");
            for line in [
                "content-disposition: attachment",
                "x-content-type-options: nosniff",
                "content-security-policy: sandbox",
            ] {
                assert!(head.contains(line), "{path}: no `{line}` in {head}");
            }
        }
    }
}

/// What a request says comes back in an error as JSON only, and short.
#[tokio::test(flavor = "multi_thread")]
async fn errors_are_json() {
    let server = Server::start().await;
    let asking = Asking::new(&server);
    let long = "x".repeat(6000);
    for path in [
        format!("{BASE}/runs/get?run_id=<script>alert(1)</script>")
            .replace('<', "%3C")
            .replace('>', "%3E"),
        format!("{BASE}/runs/get?run_id={long}"),
        format!("{BASE}-artifacts/artifacts/%3Cscript%3E"),
        "/p/flights/get-artifact?run_id=x&path=%3Cscript%3E".to_owned(),
    ] {
        let head = head(&server, &path);
        assert!(
            head.contains("content-type: application/json"),
            "{path}: {head}"
        );
        let body: Value = asking.owner("GET", &path, b"").json();
        assert!(body["error_code"].is_string(), "{path}: {body}");
    }
}
