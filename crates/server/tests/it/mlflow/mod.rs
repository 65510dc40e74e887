//! The unmodified MLflow client against a server. Each test runs one Python script, which asserts.

mod asking;
mod doors;
mod files;
mod grants;
mod identity;
mod importing;
mod injection;
mod otlp;
mod paths;
mod workspaces;

use std::{collections::BTreeMap, path::Path};
use testkit::{Outcome, Python, Server};

/// An ONNX model that gives back its input, `x` of shape [N,1].
const ONNX: &[u8] = &[
    8, 9, 18, 0, 58, 59, 10, 16, 10, 1, 120, 18, 1, 121, 34, 8, 73, 100, 101, 110, 116, 105, 116,
    121, 18, 1, 103, 90, 17, 10, 1, 120, 18, 12, 10, 10, 8, 1, 18, 6, 10, 0, 10, 2, 8, 1, 98, 17,
    10, 1, 121, 18, 12, 10, 10, 8, 1, 18, 6, 10, 0, 10, 2, 8, 1, 66, 4, 10, 0, 16, 17,
];

/// Runs a script of this folder against a server, at a base path.
async fn run(server: &Server, script: &str, base: &str, more: &[(&str, &str)]) -> Outcome {
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/it/mlflow")
        .join(script);
    let mut variables = vec![(
        "MLFLOW_TRACKING_URI".to_owned(),
        format!("{}{base}", server.url()),
    )];
    variables.extend(
        more.iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
    );
    tokio::task::spawn_blocking(move || {
        let variables: Vec<(&str, &str)> = variables
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        Python::find().run(&script, &variables)
    })
    .await
    .unwrap()
}

/// A script that must end well.
async fn passes(script: &str, base: &str) {
    let server = Server::start().await;
    let outcome = run(&server, script, base, &[]).await;
    assert!(outcome.succeeded, "{}\n{}", outcome.stdout, outcome.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fluent_api_logs_runs() {
    passes("fluent.py", "/p/flights").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bare_root_is_a_project_too() {
    passes("fluent.py", "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn autolog_needs_nothing_but_the_address() {
    passes("autolog.py", "/p/flights").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn models_are_logged_registered_and_loaded() {
    passes("registry.py", "/p/flights").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_are_told_as_mlflow_tells_them() {
    passes("errors.py", "/p/flights").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_writes_to_its_own_runs_only() {
    let server = Server::start().await;
    let owner = server.owner_token().to_owned();
    let made = run(
        &server,
        "runs_of_a_step.py",
        "/p/flights",
        &[("MLFLOW_TRACKING_TOKEN", &owner)],
    )
    .await;
    assert!(made.succeeded, "{}", made.stderr);
    let ids: BTreeMap<String, String> =
        serde_json::from_str(made.stdout.lines().last().unwrap()).unwrap();
    let token = server.unit_token("flights", "run-1", &ids["attempt"]);
    let mut variables = vec![
        ("MLFLOW_TRACKING_TOKEN".to_owned(), token),
        ("MLFLOW_RUN_ID".to_owned(), ids["attempt"].clone()),
        ("MLFLOW_EXPERIMENT_ID".to_owned(), ids["experiment"].clone()),
    ];
    variables.extend(
        ids.iter()
            .map(|(name, id)| (format!("IDS_{}", name.to_uppercase()), id.clone())),
    );
    let variables: Vec<(&str, &str)> = variables
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let outcome = run(&server, "unit.py", "/p/flights", &variables).await;
    assert!(outcome.succeeded, "{}\n{}", outcome.stdout, outcome.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_and_aliases_of_deployments_are_respected() {
    let server = Server::start_with(|options| options.anonymous_tracking = false).await;
    let owner = server.owner_token().to_owned();
    let onnx: String = ONNX.iter().map(|byte| format!("{byte:02x}")).collect();
    let outcome = run(
        &server,
        "owner.py",
        "/p/flights",
        &[("OWNER", &owner), ("ONNX", &onnx)],
    )
    .await;
    assert!(outcome.succeeded, "{}\n{}", outcome.stdout, outcome.stderr);
}
