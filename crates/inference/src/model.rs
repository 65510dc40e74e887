//! What a model takes and gives: names, datatypes and shapes.
//!
//! The engine makes these from an ONNX file, the request parsers check against them, the gateway
//! serves them as metadata, the roll-out compares them between versions.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::tensor::Datatype;

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

/// What a replica says besides: which frames it understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Understands {
    /// See [`crate::frame::EDITION`]; the first when nothing is said.
    #[serde(default)]
    pub frames: u32,
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

    /// The shape of so many elements; `None` if more than one dimension is open, or what is fixed
    /// does not allow it.
    #[must_use]
    pub fn shape_of(&self, elements: usize) -> Option<Vec<usize>> {
        let mut fixed = 1_usize;
        let mut open = 0;
        for dim in &self.dims {
            match dim {
                Dim::Fixed(length) => fixed = fixed.checked_mul(*length)?,
                Dim::Free(_) => open += 1,
            }
        }
        let rest = elements.checked_div(fixed)?;
        let fits = fixed.checked_mul(if open == 0 { 1 } else { rest }) == Some(elements);
        (open <= 1 && fits).then(|| {
            let length = |dim: &Dim| match dim {
                Dim::Fixed(length) => *length,
                Dim::Free(_) => rest,
            };
            self.dims.iter().map(length).collect()
        })
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
    any: bool,
}

/// A model whose inputs cannot be served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnfitInputs {
    /// Two inputs of one name.
    #[error("two inputs are named `{0}`")]
    Twice(String),
}

impl Inputs {
    /// Takes the inputs in the order of the graph.
    pub fn new(specs: Vec<TensorSpec>) -> Result<Self, UnfitInputs> {
        let mut places = HashMap::with_capacity(specs.len());
        for (place, spec) in specs.iter().enumerate() {
            if places.insert(spec.name.clone(), place).is_some() {
                return Err(UnfitInputs::Twice(spec.name.clone()));
            }
        }
        Ok(Self {
            specs,
            places,
            any: false,
        })
    }

    /// Whatever a request brings: the model itself says what it takes.
    #[must_use]
    pub fn any() -> Self {
        Self {
            specs: Vec::new(),
            places: HashMap::new(),
            any: true,
        }
    }

    /// Whether requests may bring what they like.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.any
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
