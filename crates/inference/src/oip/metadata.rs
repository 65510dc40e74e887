//! Bodies about the server and its models. Serialised by the gateway.

use serde::{Deserialize, Serialize};

use crate::model::{ModelDescription, TensorDescription};

/// Answers `GET /v2`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerMetadata {
    /// Name of the server.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Extensions of the protocol that it speaks.
    pub extensions: Vec<String>,
}

/// Answers `GET /v2/health/live`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerLive {
    /// Whether the server is up.
    pub live: bool,
}

/// Answers `GET /v2/health/ready`. The specification's text calls the key `live` here too, clients
/// look for `ready`: both are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerReady {
    /// Whether the server can take inference requests.
    pub ready: bool,
    /// The same under the specification's name.
    pub live: bool,
}

impl ServerReady {
    /// Both keys from one fact.
    #[must_use]
    pub fn new(ready: bool) -> Self {
        Self { ready, live: ready }
    }
}

/// Answers `GET /v2/models/{name}/ready`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelReady {
    /// Name of the model.
    pub name: String,
    /// Whether it can take inference requests.
    pub ready: bool,
}

/// Answers `GET /v2/models/{name}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelMetadata {
    /// Name of the model.
    pub name: String,
    /// Versions that can be asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<String>,
    /// Framework and format, `onnx_onnxv1` for ONNX.
    pub platform: String,
    /// The tensors that a request must carry.
    pub inputs: Vec<TensorDescription>,
    /// The tensors that an answer carries.
    pub outputs: Vec<TensorDescription>,
}

impl ModelMetadata {
    /// The metadata of an ONNX model.
    #[must_use]
    pub fn onnx(name: String, versions: Vec<String>, description: ModelDescription) -> Self {
        let ModelDescription { inputs, outputs } = description;
        Self {
            name,
            versions,
            platform: "onnx_onnxv1".into(),
            inputs,
            outputs,
        }
    }
}

/// The body of every answer that is no success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// What went wrong and what to do.
    pub error: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::Datatype;

    #[test]
    fn bodies_are_the_protocols() {
        let check = |body: serde_json::Value, expect: &str| assert_eq!(body.to_string(), expect);
        let json = |value: &dyn erased::Json| value.json();
        check(
            json(&ServerReady::new(true)),
            r#"{"live":true,"ready":true}"#,
        );
        check(json(&ServerLive { live: true }), r#"{"live":true}"#);
        check(json(&ErrorBody { error: "no".into() }), r#"{"error":"no"}"#);
        let x = TensorDescription {
            name: "x".into(),
            datatype: Datatype::Fp32,
            shape: vec![-1, 3],
        };
        let description = ModelDescription {
            inputs: vec![x],
            outputs: vec![],
        };
        check(
            json(&ModelMetadata::onnx(
                "delay".into(),
                vec!["3".into()],
                description,
            )),
            r#"{"inputs":[{"datatype":"FP32","name":"x","shape":[-1,3]}],"name":"delay","outputs":[],"platform":"onnx_onnxv1","versions":["3"]}"#,
        );
    }

    /// Serialisation of any body, so that one check takes them all.
    mod erased {
        pub(super) trait Json {
            fn json(&self) -> serde_json::Value;
        }

        impl<T: serde::Serialize> Json for T {
            fn json(&self) -> serde_json::Value {
                serde_json::to_value(self).unwrap()
            }
        }
    }
}
