//! The unmodified MLflow client against a server. Each test runs one Python script, which asserts.

use std::path::Path;
use testkit::{Outcome, Python, Server};

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
