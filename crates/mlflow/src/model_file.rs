//! The file `MLmodel`, by which clients know how to load the files beside it.
//!
//! Written for an ONNX file that was never logged with `mlflow.onnx`, so that `mlflow.onnx.load_model` and
//! `mlflow.pyfunc.load_model` take it all the same. Read for what a model takes and gives. The format is YAML, of which
//! JSON is a part.

use granit_parser::{Event, Parser};
use serde::Deserialize;
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

/// A column or tensor of a signature.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Field {
    /// Its name, if it has one.
    #[serde(default)]
    pub name: Option<String>,
    /// `double`, `long`, `string` … of a column; `tensor`.
    #[serde(rename = "type")]
    pub kind: serde_json::Value,
    /// What a tensor is of.
    #[serde(default, rename = "tensor-spec")]
    pub tensor: Option<Tensor>,
}

/// What a tensor of a signature is.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Tensor {
    /// numpy's name of its elements, like `float32`.
    pub dtype: String,
    /// Its lengths; -1 where they are open.
    pub shape: Vec<i64>,
}

/// What a model takes and gives.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Signature {
    /// Inputs.
    pub inputs: Vec<Field>,
    /// Outputs.
    pub outputs: Vec<Field>,
}

/// Deepest nesting that is read.
const MAX_DEPTH: usize = 64;

/// The signature that a file states; none for a model without one, or a file that is no such file.
pub fn signature(text: &str) -> Option<Signature> {
    let fields = |side| serde_json::from_str(&scalar(text, ["signature", side])?).ok();
    Some(Signature {
        inputs: fields("inputs")?,
        outputs: fields("outputs").unwrap_or_default(),
    })
}

/// The scalar under two keys.
fn scalar(text: &str, path: [&str; 2]) -> Option<String> {
    // For each mapping that is open: its key that is being read, if it is.
    let mut open: Vec<Option<String>> = Vec::new();
    for next in Parser::new_from_str(text) {
        let (event, _) = next.ok()?;
        let is_value = open.last().is_some_and(Option::is_some);
        match event {
            Event::Scalar(text, ..) if is_value => {
                if let [Some(one), Some(two)] = open.as_slice()
                    && [one.as_str(), two.as_str()] == path
                {
                    return Some(text.into_owned());
                }
                ended(&mut open);
            }
            Event::Scalar(text, ..) => {
                if let Some(key) = open.last_mut() {
                    *key = Some(text.into_owned());
                }
            }
            Event::MappingStart(..) | Event::SequenceStart(..) if open.len() >= MAX_DEPTH => {
                return None;
            }
            Event::MappingStart(..) => open.push(None),
            // A list counts as a mapping whose key never matches.
            Event::SequenceStart(..) => open.push(Some(String::new())),
            Event::MappingEnd | Event::SequenceEnd => {
                open.pop();
                ended(&mut open);
            }
            _ => {}
        }
    }
    None
}

/// A value has been read: the next scalar of its mapping is a key. Lists have none.
fn ended(open: &mut [Option<String>]) {
    if let Some(key) = open.last_mut()
        && key.as_ref().is_some_and(|key| !key.is_empty())
    {
        *key = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_read_where_there_is_one() {
        // As MLflow writes it: long texts are folded.
        let text = "flavors:\n  python_function:\n    env: {conda: conda.yaml}\n    list: [a, b]\nmodel_id: null\nsignature:\n  inputs: '[{\"type\": \"double\", \"name\": \"a\", \"required\": true}, {\"type\":\n    \"tensor\", \"tensor-spec\": {\"dtype\": \"float32\", \"shape\": [-1, 3]}}]'\n  outputs: '[{\"type\": \"string\"}]'\n  params: null\ntype_hint: null\n";
        let signature = signature(text).unwrap();
        let [a, tensor] = signature.inputs.as_slice() else {
            panic!("two inputs: {signature:?}")
        };
        assert_eq!(
            (a.name.as_deref(), a.kind.as_str()),
            (Some("a"), Some("double"))
        );
        assert_eq!(tensor.tensor.as_ref().unwrap().shape, [-1, 3]);
        assert_eq!(signature.outputs[0].name, None);
        for none in [
            "",
            "a: b",
            "signature: null",
            "signature: {inputs: 'x'}",
            "- a\n- [",
            "signature: [inputs, x]",
        ] {
            assert_eq!(super::signature(none), None, "{none}");
        }
        assert_eq!(super::signature(&"[".repeat(1000)), None);
    }

    #[test]
    fn both_flavors_name_the_file() {
        let file: serde_json::Value = serde_json::from_str(&onnx("a/b.onnx", "r")).unwrap();
        for flavor in ["onnx", "python_function"] {
            assert_eq!(file["flavors"][flavor]["data"], "a/b.onnx");
        }
        assert_eq!(file["run_id"], "r");
    }
}
