//! What a model takes and gives: names, datatypes and shapes.
//!
//! The engine makes these from an ONNX file, the request parsers check against them, the gateway
//! serves them as metadata, the roll-out compares them between versions.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::tensor::{Data, Datatype};

/// A tensor as the Open Inference Protocol describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TensorDescription {
    /// Its name in the graph.
    pub name: String,
    /// What its elements are.
    pub datatype: Datatype,
    /// Length of each dimension; -1 where the request decides.
    pub shape: Vec<i64>,
}

/// What a model takes and gives, as sent in a Description frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelDescription {
    /// The tensors that a request must carry.
    pub inputs: Vec<TensorDescription>,
    /// The tensors that an answer carries.
    pub outputs: Vec<TensorDescription>,
}

/// One dimension of an input or output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dim {
    /// Always this long.
    Fixed(usize),
    /// As long as the request says. Dimensions of one name must be of one length.
    Free(Option<String>),
}

/// An input or output of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorSpec {
    /// Its name in the graph.
    pub name: String,
    /// What its elements are.
    pub datatype: Datatype,
    /// Its dimensions, outermost first.
    pub dims: Vec<Dim>,
}

impl TensorSpec {
    /// The same in the protocol's words.
    #[must_use]
    pub fn description(&self) -> TensorDescription {
        let shape = self.dims.iter().map(|dim| match dim {
            Dim::Fixed(n) => i64::try_from(*n).unwrap_or(i64::MAX),
            Dim::Free(_) => -1,
        });
        TensorDescription {
            name: self.name.clone(),
            datatype: self.datatype,
            shape: shape.collect(),
        }
    }

    /// Whether one row of it is one value: shape `[N]` or `[N, 1]`.
    #[must_use]
    pub fn is_column(&self) -> bool {
        matches!(self.dims.as_slice(), [_] | [_, Dim::Fixed(1)])
    }
}

/// The inputs of a model, with a quick way from a name to its place.
#[derive(Debug, Clone)]
pub struct Inputs {
    specs: Vec<TensorSpec>,
    places: HashMap<String, usize>,
}

/// A model whose inputs cannot be served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnfitInputs {
    /// Two inputs of one name.
    #[error("two inputs are named `{0}`")]
    Twice(String),
    /// A datatype without support.
    #[error(
        "input `{name}` is {datatype}, which is not supported yet; put a Cast from FP32 in front of it"
    )]
    Datatype {
        /// The input.
        name: String,
        /// Its datatype.
        datatype: Datatype,
    },
}

impl Inputs {
    /// Takes the inputs in the order of the graph.
    pub fn new(specs: Vec<TensorSpec>) -> Result<Self, UnfitInputs> {
        let mut places = HashMap::with_capacity(specs.len());
        for (place, spec) in specs.iter().enumerate() {
            if Data::empty(spec.datatype).is_none() {
                return Err(UnfitInputs::Datatype {
                    name: spec.name.clone(),
                    datatype: spec.datatype,
                });
            }
            if places.insert(spec.name.clone(), place).is_some() {
                return Err(UnfitInputs::Twice(spec.name.clone()));
            }
        }
        Ok(Self { specs, places })
    }

    /// The inputs in the order of the graph.
    #[must_use]
    pub fn specs(&self) -> &[TensorSpec] {
        &self.specs
    }

    /// The place of the input of this name. `guess` is tried first: fields mostly come in the
    /// same order.
    #[must_use]
    pub fn place(&self, name: &str, guess: usize) -> Option<usize> {
        if self.specs.get(guess).is_some_and(|spec| spec.name == name) {
            return Some(guess);
        }
        self.places.get(name).copied()
    }

    /// The names, for messages: `a`, `b`, and at most ten of them.
    #[must_use]
    pub fn names(&self) -> String {
        let mut names: Vec<_> = self
            .specs
            .iter()
            .take(10)
            .map(|s| format!("`{}`", s.name))
            .collect();
        if self.specs.len() > names.len() {
            names.push(format!("and {} more", self.specs.len() - names.len()));
        }
        names.join(", ")
    }
}
