//! What an ONNX file says about itself, read without running any of it.
//!
//! A small reader of the protobuf wire format, bounded in depth and counts, that walks the whole
//! file once, copies only names, and never follows a reference out of it. The engine refuses with
//! it what ONNX Runtime must not see: no model, truncated files, tensors that live in other files,
//! sizes that nothing backs. `server` describes registered models with it. Field numbers are those
//! of onnx/onnx.proto3.

mod graph;
mod model;
pub mod nodes;
mod wire;

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Dim, ModelDescription, TensorSpec};
use crate::tensor::Datatype;

/// The most inputs, outputs, operator sets or metadata entries.
pub const MAX_ENTRIES: usize = 4096;
/// The most nodes, in all graphs together.
pub const MAX_NODES: usize = 1 << 20;
/// The longest name.
pub const MAX_NAME: usize = 4096;
/// The longest metadata value kept; longer ones are left out.
pub const MAX_METADATA: usize = 1 << 16;
/// The deepest nesting of graphs.
pub const MAX_DEPTH: usize = 32;
/// The most dimensions of a tensor.
pub const MAX_RANK: usize = 16;
/// The largest fixed dimension, and the largest product of fixed dimensions.
pub const MAX_LENGTH: usize = 1 << 40;

/// A file that is no ONNX model, or none that may be loaded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OnnxError {
    /// Not a model at all.
    #[error("the file is not an ONNX model ({0}); export the model to ONNX and register that file")]
    NotOnnx(&'static str),
    /// It ends or breaks in the middle.
    #[error(
        "the ONNX model is damaged at byte {at} ({what}); it was probably cut short, write it again"
    )]
    Damaged {
        /// Offset in the file.
        at: usize,
        /// What was being read.
        what: &'static str,
    },
    /// Something is larger than any sound model's.
    #[error("the ONNX model has {what} above the limit of {limit}")]
    TooLarge {
        /// What.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// Weights in another file.
    #[error(
        "tensor `{0}` keeps its data in another file; save the model as one file (`onnx.save(model, path, save_as_external_data=False)`)"
    )]
    External(String),
    /// A tensor that claims more elements than the file holds.
    #[error("tensor `{name}` claims {claimed} elements, but the file holds at most {held}")]
    Absurd {
        /// The tensor.
        name: String,
        /// Elements claimed.
        claimed: usize,
        /// Elements that its bytes could be.
        held: usize,
    },
    /// An input or output that cannot be served.
    #[error(
        "`{name}` is {kind}, which cannot be served; only tensors, and maps from a class as an output, can"
    )]
    Unfit {
        /// The input or output.
        name: String,
        /// What it is.
        kind: String,
    },
}

/// The type of an input or output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValueType {
    /// A tensor. Without dimensions when the file does not say.
    Tensor {
        /// `TensorProto.DataType`.
        element: i32,
        /// Its dimensions.
        dims: Option<Vec<Dim>>,
    },
    /// A list with one map from class to probability per row, as scikit-learn's converter gives.
    ClassMaps {
        /// `TensorProto.DataType` of the class.
        key: i32,
        /// `TensorProto.DataType` of the probability.
        value: i32,
    },
    /// Anything else, in words.
    Other(&'static str),
}

/// An input or output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: ValueType,
}

/// What a model says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ModelSummary {
    /// Version of the file format.
    pub ir_version: i64,
    /// The tool that wrote it.
    pub producer: String,
    /// That tool's version.
    pub producer_version: String,
    /// Operator sets by domain; the empty one is ONNX's own.
    pub opsets: BTreeMap<String, i64>,
    /// Inputs that a request must carry: initializers are left out.
    pub inputs: Vec<Value>,
    /// Outputs.
    pub outputs: Vec<Value>,
    /// Key-value notes of whoever made it.
    pub metadata: BTreeMap<String, String>,
    /// Nodes, in all graphs together.
    pub nodes: usize,
    /// Nodes by operator, `domain.Operator`, or only the operator for ONNX's own domain.
    pub operators: BTreeMap<String, usize>,
    /// Tensors stored in the file.
    pub initializers: usize,
    /// Bytes of those tensors.
    pub initializer_bytes: usize,
}

/// Reads a whole ONNX file. Takes time and memory linear in its size, at most.
pub fn describe(file: &[u8]) -> Result<ModelSummary, OnnxError> {
    model::read(file)
}

impl ModelSummary {
    /// The inputs, if all of them can be served.
    pub fn input_specs(&self) -> Result<Vec<TensorSpec>, OnnxError> {
        self.inputs.iter().map(tensor).collect()
    }

    /// The outputs, if all of them can be served. A list of class maps is described as the table of
    /// probabilities that it is answered as.
    pub fn output_specs(&self) -> Result<Vec<TensorSpec>, OnnxError> {
        self.outputs.iter().map(output).collect()
    }

    /// Inputs and outputs in the words of the Open Inference Protocol.
    pub fn description(&self) -> Result<ModelDescription, OnnxError> {
        let words = |specs: Vec<TensorSpec>| specs.iter().map(TensorSpec::description).collect();
        Ok(ModelDescription {
            inputs: words(self.input_specs()?),
            outputs: words(self.output_specs()?),
        })
    }
}

fn unfit(value: &Value, kind: impl Into<String>) -> OnnxError {
    OnnxError::Unfit {
        name: value.name.clone(),
        kind: kind.into(),
    }
}

fn tensor(value: &Value) -> Result<TensorSpec, OnnxError> {
    match &value.kind {
        ValueType::Tensor { element, dims } => {
            let datatype = Datatype::from_onnx(*element)
                .ok_or_else(|| unfit(value, format!("a tensor of ONNX element type {element}")))?;
            let dims = dims
                .clone()
                .ok_or_else(|| unfit(value, "a tensor without a rank"))?;
            Ok(TensorSpec {
                name: value.name.clone(),
                datatype,
                dims,
            })
        }
        ValueType::ClassMaps { .. } => Err(unfit(value, "a list of maps")),
        ValueType::Other(kind) => Err(unfit(value, *kind)),
    }
}

fn output(value: &Value) -> Result<TensorSpec, OnnxError> {
    match &value.kind {
        ValueType::ClassMaps { value: element, .. } => {
            let dims = Some(vec![Dim::Free(None), Dim::Free(None)]);
            let kind = ValueType::Tensor {
                element: *element,
                dims,
            };
            tensor(&Value {
                name: value.name.clone(),
                kind,
            })
        }
        // Converters leave out an output's shape now and then; what comes says its own.
        ValueType::Tensor {
            element,
            dims: None,
        } => {
            let kind = ValueType::Tensor {
                element: *element,
                dims: Some(vec![Dim::Free(None)]),
            };
            tensor(&Value {
                name: value.name.clone(),
                kind,
            })
        }
        _ => tensor(value),
    }
}

/// What the walk through a file has gathered so far.
#[derive(Debug, Default)]
struct Walk {
    summary: ModelSummary,
    names_of_initializers: BTreeSet<String>,
}

#[cfg(test)]
mod tests;
