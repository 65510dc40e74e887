//! MLflow models of three kinds on the whole way: trained with MLflow against this server in a Python of their own,
//! registered, served by it, and asked by MLflow's own client, which knows what they should answer.

use crate::world::{BINARY, World};
use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};
use testkit::{Product, Python};

/// The models, as the tests of the protocols have them.
const MODELS: &str = include_str!("../../../../tests/clients/pyfunc_models.py");
const TRAIN: &str = include_str!("pyfunc/train.py");
const LOCK: &str = include_str!("../../../../tests/python/requirements.lock");
const KINDS: [&str; 3] = ["flowers", "boosted", "greeter"];

/// Stands where `uv` is looked for. What the lock names is in the Python of the tests already: the environment that this
/// makes finds it there, and nothing is fetched.
fn installer(folder: &Path, python: &Path) {
    let script = format!(
        r#"#!/bin/sh
set -e
for last in "$@"; do :; done
[ "$1" = venv ] || exit 0
"{python}" -m venv --without-pip "$last"
"{python}" -c "import sysconfig; print(sysconfig.get_paths()['purelib'])" > "$(echo "$last"/lib/python*/site-packages)"/tests.pth
"#,
        python = python.display()
    );
    fs::create_dir_all(folder).unwrap();
    let uv = folder.join("uv");
    fs::write(&uv, script).unwrap();
    fs::set_permissions(&uv, fs::Permissions::from_mode(0o755)).unwrap();
    std::os::unix::fs::symlink(python, folder.join("python3")).unwrap();
}

fn file() -> String {
    let pipeline = |name: &str| {
        format!(
            "  {name}:\n    python: {{ lock: requirements.lock }}\n    steps:\n      fit: {{ run: python train.py {name}, writes: [model] }}\n    register: {{ model: {name}, from: fit.model }}\n"
        )
    };
    let warmup = r#"{"dataframe_records": [{"name": "Ann", "age": 7}]}"#;
    let service = |name: &str| {
        let more = match name {
            "greeter" => {
                format!("    warmup: {{ body: '{warmup}', protocol: scoring, requests: 2 }}\n")
            }
            _ => String::new(),
        };
        format!(
            "  {name}:\n    model: {name}\n    engine: pyfunc\n    resources: {{ cpu: 0.1, memory: 1GiB }}\n{more}"
        )
    };
    let (pipelines, services) = (KINDS.map(pipeline).concat(), KINDS.map(service).concat());
    format!(
        "mainspan: 1\nproject: tiny\nenvironments: [prod]\npipelines:\n{pipelines}services:\n{services}"
    )
}

#[test]
fn models_of_mlflow_are_trained_registered_served_and_asked() {
    let python = Python::find();
    let product = Product::new(BINARY);
    let tools = product.folder().join("tools");
    installer(&tools, python.interpreter());
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", tools.display());
    product.start_in(&[("PATH", &path)], &[]);
    let world = World::on(product, &file());
    for (name, text) in [
        ("pyfunc_models.py", MODELS),
        ("train.py", TRAIN),
        ("requirements.lock", LOCK),
    ] {
        world.project.write(name, text);
    }
    world.project.commit("Add models");
    world.apply();
    for kind in KINDS {
        let run = world.run(kind, &[]);
        let log = world.say(&["logs", run["id"].as_str().unwrap()]);
        assert_eq!(run["state"], "succeeded", "{run}\n{}", log.stdout);
        // No gate was asked.
        let promote = ["promote", kind, "--version", "1", "--reason", "the first"];
        let said = world.say(&promote);
        assert_eq!(said.code, 0, "{said:?}");
    }
    for kind in KINDS {
        let rollout = testkit::until_or(
            || format!("{kind} serves: {}", world.product.log()),
            || {
                let all = world.product.read("projects/tiny/rollouts?limit=100");
                let mut all = all.as_array()?.iter();
                let found = all.find(|rollout| rollout["service"] == kind)?;
                (!found["ended_at"].is_null()).then(|| found.clone())
            },
        );
        assert_eq!(rollout["state"], "promoted", "{rollout}");
    }
    let tracking = format!("http://{}/p/tiny", world.product.control().unwrap());
    let data = world.product.data().unwrap().to_string();
    let outcome = python.run(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/pyfunc/client.py"),
        &[
            ("MLFLOW_TRACKING_URI", &tracking),
            ("MLFLOW_TRACKING_TOKEN", &world.product.token()),
            ("DATA", &data),
            ("PYTHONPATH", &world.project.folder().display().to_string()),
        ],
    );
    assert!(outcome.succeeded, "{}\n{}", outcome.stdout, outcome.stderr);
}
