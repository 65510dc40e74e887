//! The file `MLmodel`, by which clients know how to load the files beside it.
//!
//! Written for an ONNX file that was never logged with `mlflow.onnx`, so that `mlflow.onnx.load_model` and
//! `mlflow.pyfunc.load_model` take it all the same. The format is YAML, of which JSON is a part.

use serde_json::json;

/// Its name in a model's folder.
pub const NAME: &str = "MLmodel";

/// What it says of a folder in which `data` is the ONNX file, made by `run_id`.
pub fn onnx(data: &str, run_id: &str) -> String {
    let file = json!({
        "artifact_path": "model",
        "flavors": {
            "onnx": { "data": data },
            "python_function": { "loader_module": "mlflow.onnx", "data": data },
        },
        "mlflow_version": crate::VERSION,
        "run_id": run_id,
    });
    format!("{file:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_flavors_name_the_file() {
        let file: serde_json::Value = serde_json::from_str(&onnx("a/b.onnx", "r")).unwrap();
        for flavor in ["onnx", "python_function"] {
            assert_eq!(file["flavors"][flavor]["data"], "a/b.onnx");
        }
        assert_eq!(file["run_id"], "r");
    }
}
