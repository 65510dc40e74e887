//! What the unmodified MLflow client gets of a version that a pipeline registered, however its step wrote the model.

use crate::world::World;
use serde_json::json;
use std::path::Path;
use testkit::Python;

/// Three ways to write a model: the bare file, an MLflow folder, and a file that was logged with MLflow, too.
const STEPS: &str = include_str!("registered/steps.py");

fn file() -> String {
    let python = Python::find();
    let pipeline = |name: &str| {
        let run = format!("{} steps.py {name}", python.interpreter().display());
        format!(
            "  {name}:\n    steps:\n      fit: {{ run: '{run}', writes: [model] }}\n    register: {{ model: {name}, from: fit.model }}\n"
        )
    };
    let pipelines = ["bare", "folder", "logged"].map(pipeline).concat();
    format!("mainspan: 1\nproject: tiny\nenvironments: [staging, prod]\npipelines:\n{pipelines}")
}

#[test]
fn every_registered_version_is_downloaded_and_loaded() {
    let world = World::new(&file());
    world.project.write("steps.py", STEPS);
    world.project.commit("Add steps");
    world.apply();
    let mut digests = serde_json::Map::new();
    for pipeline in ["bare", "folder", "logged"] {
        let run = world.run(pipeline, &[]);
        let log = world.say(&["logs", run["id"].as_str().unwrap()]);
        assert_eq!(run["state"], "succeeded", "{}", log.stdout);
        let model = world.say(&["models", pipeline, "-o", "json"]).json();
        let version = &model["versions"][0];
        digests.insert(pipeline.to_owned(), version["artifact"].clone());
    }
    let uri = format!("http://{}/p/tiny", world.product.control().unwrap());
    let outcome = Python::find().run(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/registered/client.py"),
        &[
            ("MLFLOW_TRACKING_URI", &uri),
            ("MLFLOW_TRACKING_TOKEN", &world.product.token()),
            ("DIGESTS", &json!(digests).to_string()),
        ],
    );
    assert!(outcome.succeeded, "{}\n{}", outcome.stdout, outcome.stderr);
}
