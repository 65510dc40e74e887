//! Paths that try to leave their folder, in every field and address that takes one.

use super::asking::{Asking, BASE};
use serde_json::json;
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};
use testkit::Server;

/// As they stand in an address, where they are decoded once.
const IN_ADDRESSES: [&str; 22] = [
    "..",
    "../x",
    "a/../../b",
    "..%2fx",
    "%2e%2e/x",
    "%2E%2e%2Fx",
    "%252e%252e/x",
    "%25252e%25252e%25252fx",
    "..%5cx",
    "a%5c..%5cb",
    "%2fetc%2fpasswd",
    "%252fetc%252fpasswd",
    "C:%5cx",
    "C:/x",
    "C%3a/x",
    "a%00b",
    "a%2500b",
    "a%0ab",
    "a%23../../b",
    "a%3f../../b",
    "..%c0%afx",
    "%ff%fe",
];

/// As they stand in JSON, and encoded once more in a query.
const AS_VALUES: [&str; 19] = [
    "..",
    "../x",
    "a/../../b",
    "./../x",
    "%2e%2e/x",
    "..%2fx",
    "%252e%252e/x",
    "..\\x",
    "a\\..\\b",
    "\\\\host\\share",
    "/etc/passwd",
    "//etc/passwd",
    "%2fetc%2fpasswd",
    "C:/x",
    "C:\\x",
    "a\0b",
    "a\nb",
    "a#../../b",
    "a?../../b",
];

/// Every file of the server but its bytes and its database.
fn tree(folder: &Path) -> BTreeSet<PathBuf> {
    let mut all = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "blobs" {
            all.extend(tree(&path));
        } else if !name.contains("mainspan.db") && !name.contains("sqlite") {
            all.insert(path);
        }
    }
    all
}

fn encoded(value: &str) -> String {
    url::form_urlencoded::byte_serialize(value.as_bytes()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_path_leaves_its_folder() {
    let server = Server::start().await;
    let asking = Asking::new(&server);
    let (experiment, run) = asking.run("paths");
    let model = json!({ "experiment_id": experiment, "name": "m", "source_run_id": run });
    let model = asking.done("POST", &format!("{BASE}/logged-models"), &model);
    let model = model["model"]["info"]["model_id"].as_str().unwrap();
    asking.done(
        "POST",
        &format!("{BASE}/registered-models/create"),
        &json!({ "name": "m" }),
    );
    let root = format!("{experiment}/{run}/artifacts");
    let source =
        json!({ "name": "m", "source": format!("mlflow-artifacts:/{root}"), "run_id": run });
    asking.done("POST", &format!("{BASE}/model-versions/create"), &source);
    let before = tree(&server.options().state_dir);
    let check = |method: &str, path: &str, body: &[u8]| {
        let got = asking.owner(method, path, body);
        let shown = format!("{method} {path} {}", String::from_utf8_lossy(body));
        assert!(
            (400..500).contains(&got.status),
            "{shown}: {} {}",
            got.status,
            got.body
        );
        assert!(!got.body.contains(server.owner_token()), "{shown}");
        assert!(got.body.contains("error_code"), "{shown}: {}", got.body);
    };
    let part =
        json!({ "path": "x", "upload_id": "u", "parts": [{ "part_number": 1, "etag": "e" }] });
    let part = part.to_string();
    let at = format!("{BASE}-artifacts");
    let addresses = [
        ("GET", format!("{at}/artifacts"), ""),
        ("PUT", format!("{at}/artifacts"), "bytes"),
        ("DELETE", format!("{at}/artifacts"), ""),
        ("POST", format!("{at}/mpu/create"), &part),
        ("POST", format!("{at}/mpu/complete"), &part),
        ("POST", format!("{at}/mpu/abort"), &part),
        ("GET", format!("{at}/presigned"), ""),
    ];
    for (method, address, body) in &addresses {
        for bad in IN_ADDRESSES {
            // What is absolute is nothing of the kind below a folder.
            let absolute = ["%2f", "%252f", "C:/", "C%3a/"]
                .iter()
                .any(|start| bad.starts_with(start));
            let path = if absolute {
                bad.to_owned()
            } else {
                format!("{root}/{bad}")
            };
            check(method, &format!("{address}/{path}"), body.as_bytes());
        }
        let long = "x".repeat(300);
        check(method, &format!("{address}/{root}/{long}"), body.as_bytes());
        check(
            method,
            &format!("{address}/{}", "y/".repeat(2500)),
            body.as_bytes(),
        );
    }
    // The root of everything is nobody's to take.
    for root in [".", "./", "%2e", "./.", "%252e"] {
        check("DELETE", &format!("{at}/artifacts/{root}"), b"");
        check("PUT", &format!("{at}/artifacts/{root}"), b"x");
    }
    let queries = [
        ("GET", format!("{at}/artifacts?path=")),
        ("GET", format!("{BASE}/artifacts/list?run_id={run}&path=")),
        (
            "GET",
            format!("{BASE}/logged-models/{model}/artifacts/directories?artifact_directory_path="),
        ),
        (
            "GET",
            format!("{BASE}/logged-models/{model}/artifacts/files?artifact_file_path="),
        ),
        ("GET", format!("/p/flights/get-artifact?run_id={run}&path=")),
        (
            "GET",
            "/p/flights/model-versions/get-artifact?name=m&version=1&path=".to_owned(),
        ),
        (
            "POST",
            format!("{BASE}/upload-artifact?run_uuid={run}&path="),
        ),
    ];
    for (method, query) in &queries {
        for bad in AS_VALUES {
            check(method, &format!("{query}{}", encoded(bad)), b"bytes");
        }
    }
    for bad in AS_VALUES {
        let inside = |text: &str| format!("{text}/{bad}");
        let bodies = [
            (
                "artifacts/presigned-upload-url",
                json!({ "run_id": run, "path": bad }),
            ),
            (
                "artifacts/presigned-upload-url",
                json!({ "model_id": model, "path": bad }),
            ),
            (
                "artifacts/presigned-download-url",
                json!({ "run_id": run, "path": bad }),
            ),
        ];
        for (path, body) in bodies {
            check(
                "POST",
                &format!("{BASE}/{path}"),
                body.to_string().as_bytes(),
            );
        }
        let sources =
            [format!("runs:/{run}"), format!("mlflow-artifacts:/{root}")].map(|uri| inside(&uri));
        for source in sources
            .iter()
            .chain([&format!("file:///tmp/{bad}"), &bad.to_owned()])
        {
            let body = json!({ "name": "m", "source": source, "run_id": run }).to_string();
            // One more slash, or a drive below a folder, stays in it.
            if !matches!(
                bad,
                "/etc/passwd" | "//etc/passwd" | "%2fetc%2fpasswd" | "C:/x"
            ) || source.starts_with("file")
            {
                check(
                    "POST",
                    &format!("{BASE}/model-versions/create"),
                    body.as_bytes(),
                );
            }
        }
    }
    for location in [
        "s3://b/../x",
        "s3://b/%2e%2e/x",
        "s3://b/%252e%252e/x",
        "s3://b/a#x",
        "s3://b/\0",
        "x\\..\\y",
    ] {
        let body = json!({ "name": location, "artifact_location": location }).to_string();
        check(
            "POST",
            &format!("{BASE}/experiments/create"),
            body.as_bytes(),
        );
    }
    assert_eq!(
        tree(&server.options().state_dir),
        before,
        "files came or went"
    );
    let mine = asking.owner("GET", &format!("{at}/artifacts/{root}/a.txt"), b"");
    assert_eq!((mine.status, mine.body.as_str()), (200, "mine"));
}

/// The name of an upload in parts is the last part of whatever path the client has.
#[tokio::test(flavor = "multi_thread")]
async fn an_upload_in_parts_stays_in_its_folder() {
    let server = Server::start().await;
    let asking = Asking::new(&server);
    let (experiment, run) = asking.run("parts");
    let folder = format!("{BASE}-artifacts/mpu/create/{experiment}/{run}/artifacts");
    for (path, name) in [
        ("/tmp/../../etc/passwd", Some("passwd")),
        ("C:\\Users\\me\\x.bin", Some("x.bin")),
        ("..", None),
        ("a/..", None),
        ("%2e%2e", None),
        ("a/%2e%2e%2fb", None),
        ("a/", None),
        ("a\0b", None),
    ] {
        let answer = asking.owner(
            "POST",
            &folder,
            json!({ "path": path }).to_string().as_bytes(),
        );
        assert_eq!(
            answer.status == 200,
            name.is_some(),
            "{path}: {}",
            answer.body
        );
        let Some(name) = name else { continue };
        let made = answer.json();
        let pass = &made["credentials"][0];
        let address = pass["url"]
            .as_str()
            .unwrap()
            .strip_prefix(&server.url())
            .unwrap()
            .to_owned();
        let ticket = [format!(
            "authorization: {}",
            pass["headers"]["Authorization"].as_str().unwrap()
        )];
        assert_eq!(asking.ask("PUT", &address, &ticket, b"part").status, 200);
        // The ticket is for that part alone.
        for elsewhere in [
            address.replace("/1", "/2"),
            format!("{BASE}/experiments/search"),
        ] {
            assert_eq!(
                asking.ask("PUT", &elsewhere, &ticket, b"part").status,
                401,
                "{elsewhere}"
            );
        }
        let body = json!({ "path": path, "upload_id": made["upload_id"], "parts": [
            { "part_number": 1, "etag": store::Digest::of(b"part").hex() } ] });
        let complete = folder.replace("create", "complete");
        for _ in 0..2 {
            asking.done("POST", &complete, &body);
        }
        let at = format!("{BASE}-artifacts/artifacts/{experiment}/{run}/artifacts/{name}");
        assert_eq!(asking.owner("GET", &at, b"").body, "part");
        assert_eq!(asking.ask("PUT", &address, &ticket, b"late").status, 404);
    }
    let parts = server.options().state_dir.join("blobs/parts");
    assert_eq!(
        std::fs::read_dir(parts).unwrap().count(),
        0,
        "parts are left"
    );
}
