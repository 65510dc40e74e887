//! `register` of a pipeline: which output becomes a version of which model, behind what gate.
//!
//! The executor reads it when the steps are done.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::names::NameKind;
use crate::quantity::{QuantityError, as_text};
use crate::read::{Node, Read, Reader, Section};

/// How a run becomes a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Register {
    /// The model that gets a new version.
    pub model: String,
    /// The output that holds it, `STEP.OUTPUT`: an ONNX file or an MLflow model directory.
    pub from: OutputRef,
    /// A condition in CEL over the steps' metrics and `champion`; without one, a version is
    /// registered but deployed only by a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<String>,
}

/// An output of a step: `fit.model`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct OutputRef {
    /// The step.
    pub step: String,
    /// One of its `writes`.
    pub output: String,
}

impl FromStr for OutputRef {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('.') {
            Some((step, output)) if !step.is_empty() && !output.is_empty() => Ok(Self {
                step: step.to_owned(),
                output: output.to_owned(),
            }),
            _ => Err(QuantityError::new(
                text,
                "an output of a step",
                "`fit.model`",
            )),
        }
    }
}

impl fmt::Display for OutputRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.step, self.output)
    }
}

as_text!(OutputRef, "^[^.]+\\.[^.]+$");

impl Register {
    pub(crate) const KEYS: &[&str] = &["model", "from", "gate"];
}

impl Read for Register {
    fn read(reader: &mut Reader, node: &Node, path: &str) -> Option<Self> {
        let section = Section::open(reader, node, path, Self::KEYS)?;
        let model = section.required_name(reader, "model", NameKind::Word);
        let from = section.required(reader, "from");
        let gate = section.optional(reader, "gate");
        Some(Self {
            model: model?,
            from: from?,
            gate,
        })
    }
}
