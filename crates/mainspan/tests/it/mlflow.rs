//! Beside a real MLflow: the same calls to both servers, the same filters, its own client, and copies in and out. Each test
//! runs one program of `tests/mlflow`, which says what it found.

use std::path::{Path, PathBuf};
use testkit::{Product, Python};

const BINARY: &str = env!("CARGO_BIN_EXE_mainspan");

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/mlflow")
        .join(name)
}

/// A program that must end well and say so.
#[track_caller]
fn passes(name: &str, words: &[&str], says: &str) {
    passes_with(name, words, &[], says);
}

/// The same with variables of its environment.
#[track_caller]
fn passes_with(name: &str, words: &[&str], variables: &[(&str, &str)], says: &str) {
    let outcome = Python::find().run_with(&script(name), words, variables);
    assert!(
        outcome.succeeded && outcome.stdout.contains(says),
        "{name}: {}\n{}",
        outcome.stdout,
        outcome.stderr
    );
}

#[test]
fn calls_are_answered_as_mlflow_answers_them() {
    passes("compare.py", &[BINARY], " 0 answered differently");
}

/// Always the same filters; `make test-long` draws others each time.
#[test]
fn filters_find_what_mlflow_finds() {
    let words = [BINARY, "--cases", "80", "--seed", "11"];
    passes("filters.py", &words, " 0 answered differently");
}

#[test]
fn everything_moves_in_and_out() {
    passes("moving.py", &[BINARY, "--traces"], "ok");
}

#[test]
fn every_endpoint_of_mlflow_is_listed() {
    passes("endpoints.py", &[], " 0 missing");
}

/// The unmodified client, at a project's own address, and at the bare root with workspaces.
#[test]
fn flows_of_the_client() {
    let product = Product::up(BINARY);
    let control = product.control().unwrap();
    for flow in [
        "core",
        "training",
        "genai",
        "prompts_and_datasets",
        "reviews",
    ] {
        let uri = format!("http://{control}/p/flow-{}", flow.replace('_', "-"));
        passes(&format!("flows/{flow}.py"), &[&uri], "ok");
    }
    let uri = format!("http://{control}");
    let token = product.token();
    let admin = [("MLFLOW_TRACKING_TOKEN", token.as_str())];
    passes_with("flows/workspaces.py", &[&uri], &admin, "ok own address");
}
