//! Blobs in an object store: the whole way of a model through a server that speaks S3.

use crate::world::{BINARY, PROJECT, World};
use std::path::Path;
use testkit::{Product, Python};

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
    product.start_in(&environment, &["--blobs", "s3://bucket/some/prefix"]);
    let world = World::on(product, PROJECT);
    world.apply();
    world.ship(3.0);
    // Two environments, each of whose replicas gets the model from the object store.
    assert_eq!(world.answers("/tiny/staging/delay", 1), 4.0);
    assert_eq!(world.answers("/delay", 1), 4.0);
    let blobs = world.product.state().join("blobs");
    let here = std::fs::read_dir(blobs).map_or(0, Iterator::count);
    assert_eq!(here, 0, "blobs are in the state directory");
    drop(server.stdin.take());
    server.wait().unwrap();
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
