//! Unmodified clients of the data plane's protocols, each a program of `tests/clients` that starts a gateway and engines of
//! its own. They do not share a process: two of them bring the same messages.

use std::path::Path;
use testkit::Python;

#[track_caller]
fn passes(program: &str) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/clients")
        .join(program);
    let variables = [("MAINSPAN_BINARY", env!("CARGO_BIN_EXE_mainspan"))];
    let outcome = Python::find().run_with(&script, &[], &variables);
    let ran = outcome.stderr.contains("\nOK") && !outcome.stderr.contains("Ran 0 tests");
    assert!(
        outcome.succeeded && ran,
        "{program}: {}\n{}",
        outcome.stdout,
        outcome.stderr
    );
}

#[test]
fn triton() {
    passes("test_triton.py");
}

#[test]
fn kserve() {
    passes("test_kserve.py");
}

#[test]
fn mlflow_scoring() {
    passes("test_scoring.py");
}

#[test]
fn curl() {
    passes("test_curl.py");
}

#[test]
fn mlflow_models() {
    passes("test_pyfunc.py");
}

#[test]
fn openai() {
    passes("test_openai.py");
}

#[test]
fn onnxruntime() {
    passes("test_exact.py");
}
