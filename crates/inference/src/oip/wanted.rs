//! Which outputs a request asks for, and how each is to be written.

use crate::model::TensorSpec;
use crate::values::excerpt;

use super::request::RequestError;

/// What a request says about its answer. The default is all outputs as JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// In the order asked for; `None` for all, in the model's order.
    pub outputs: Option<Vec<WantedOutput>>,
    /// Whether outputs come as raw bytes that do not say otherwise.
    pub binary: bool,
}

/// One output that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedOutput {
    /// One of the model's outputs.
    pub name: String,
    /// As raw bytes, or not; `None` as the request says for all.
    pub binary: Option<bool>,
    /// As so many classes with the highest scores; 0 for the scores themselves.
    pub classes: usize,
}

impl WantedOutput {
    /// An output that the model has.
    pub(super) fn known(
        name: &str,
        outputs: &[TensorSpec],
        binary: Option<bool>,
        classes: Option<u64>,
    ) -> Result<Self, RequestError> {
        if !outputs.iter().any(|output| output.name == name) {
            let known = outputs.iter().take(10).map(|o| format!("`{}`", o.name));
            let known: Vec<_> = known.collect();
            let name = excerpt(name).to_owned();
            return Err(RequestError::UnknownOutput(name, known.join(", ")));
        }
        Ok(Self::any(name, binary, classes))
    }

    /// An output that the model may have.
    pub(super) fn any(name: &str, binary: Option<bool>, classes: Option<u64>) -> Self {
        Self {
            name: name.to_owned(),
            binary,
            classes: classes.map_or(0, |k| usize::try_from(k).unwrap_or(usize::MAX)),
        }
    }
}
