//! Blobs in an object store: the whole way of a model through a server that speaks S3.

use crate::world::{BINARY, PROJECT, World};
use serde_json::json;
use std::path::Path;
use testkit::{Product, Python, http, until};

#[test]
fn a_model_goes_its_way_through_an_object_store() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/s3.py");
    let (mut server, address) = Python::find().serve(&script);
    let environment = [
        ("AWS_ENDPOINT", address.as_str()),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
    ];
    let product = Product::new(BINARY);
    let options = [
        "--blobs",
        "s3://bucket/some/prefix",
        "--traffic-archive",
        "s3://bucket/traffic",
    ];
    product.start_in(&environment, &options);
    let file = format!("{PROJECT}    log: {{ redact: [b], keep: 1h }}\n");
    let world = World::on(product, &file);
    world.apply();
    world.ship(3.0);
    // Two environments, each of whose replicas gets the model from the object store.
    assert_eq!(world.answers("/tiny/staging/delay", 1), 4.0);
    assert_eq!(world.answers("/delay", 1), 4.0);
    addresses(&world);
    let blobs = world.product.state().join("blobs");
    let here = std::fs::read_dir(blobs).map_or(0, Iterator::count);
    assert_eq!(here, 0, "blobs are in the state directory");
    // A gateway that ends finishes its files.
    let said = world.product.run(world.product.folder(), &["down"]);
    assert_eq!(said.code, 0, "{said:?}");
    world.product.start_in(&environment, &options);
    archived(&world, address["http://".len()..].parse().unwrap());
    drop(server.stdin.take());
    server.wait().unwrap();
}

/// Each file of the traffic log is in the object store, and is marked.
fn archived(world: &World, store: std::net::SocketAddr) {
    let log = world.product.state().join("traffic/log");
    let files: Vec<_> = std::fs::read_dir(&log)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == "parquet"))
        .collect();
    assert!(!files.is_empty(), "no file in {}", log.display());
    for file in &files {
        // What the service wants reached the gateway.
        let name = file.to_string_lossy();
        assert!(name.ends_with("-3600s.parquet"), "{name}");
    }
    let list = "/bucket?list-type=2&prefix=traffic/log/date%3D";
    for file in files {
        let name = file.file_name().unwrap().to_str().unwrap();
        let stem = name.strip_suffix(".parquet").unwrap();
        let size = format!("<Size>{}</Size>", file.metadata().unwrap().len());
        until("the file is copied", || {
            let said = http::ask(store, "GET", list, &[], b"").unwrap().body;
            let mut objects = said.split("<Contents>");
            let copied = objects.any(|object| object.contains(stem) && object.contains(&size));
            (copied && log.join("copied").join(name).exists()).then_some(())
        });
    }
}

/// A file goes up whole and in parts, and comes down from the object store itself.
fn addresses(world: &World) {
    let control = world.product.control().unwrap();
    let base = "/p/tiny/api/2.0/mlflow-artifacts";
    let ask = |method: &str, path: &str, headers: &[String], body: &[u8]| {
        let answer = http::ask(control, method, path, headers, body).unwrap();
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.body);
        answer
    };
    let file = format!("{base}/artifacts/1/r/artifacts/whole.txt");
    ask("PUT", &file, &[], b"the bytes");
    assert_eq!(ask("GET", &file, &[], b"").body, "the bytes");
    let folder = format!("{base}/mpu/create/1/r/artifacts");
    let made = ask(
        "POST",
        &folder,
        &[],
        br#"{"path": "parts.txt", "num_parts": 2}"#,
    )
    .json();
    let mut parts = Vec::new();
    for (pass, bytes) in made["credentials"]
        .as_array()
        .unwrap()
        .iter()
        .zip(["the ", "bytes"])
    {
        let path = pass["url"].as_str().unwrap().split_once("/p/").unwrap().1;
        let ticket = format!(
            "authorization: {}",
            pass["headers"]["Authorization"].as_str().unwrap()
        );
        ask("PUT", &format!("/p/{path}"), &[ticket], bytes.as_bytes());
        let etag = store::Digest::of(bytes.as_bytes());
        parts.push(json!({ "part_number": pass["part_number"], "etag": etag.hex() }));
    }
    let complete = json!({ "path": "parts.txt", "upload_id": made["upload_id"], "parts": parts });
    ask(
        "POST",
        &folder.replace("create", "complete"),
        &[],
        complete.to_string().as_bytes(),
    );
    let address = ask(
        "GET",
        &format!("{base}/presigned/1/r/artifacts/parts.txt"),
        &[],
        b"",
    )
    .json();
    let (host, path) = address["url"].as_str().unwrap()["http://".len()..]
        .split_once('/')
        .unwrap();
    assert!(path.contains("X-Amz-Signature="), "{address}");
    let range = ["range: bytes=4-8".to_owned()];
    let part = http::ask(
        host.parse().unwrap(),
        "GET",
        &format!("/{path}"),
        &range,
        b"",
    )
    .unwrap();
    assert_eq!((part.status, part.body.as_str()), (206, "bytes"));
}

#[test]
fn an_object_store_that_cannot_be_is_refused() {
    let check = |url: &str, expect: &str| {
        let product = Product::new(BINARY);
        let said = product.run(product.folder(), &["server", "--port", "0", "--blobs", url]);
        assert_eq!(said.code, 1, "{url}: {said:?}");
        assert!(said.stderr.contains(expect), "{url}: {}", said.stderr);
    };
    check("gopher://hole", "use a directory, or s3://");
    check("memory:///", "forgets everything when the server ends");
}
