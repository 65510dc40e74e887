//! Ensembles of trees, computed without ONNX Runtime.
//!
//! A graph that is one or more ensembles with simple pre- and post-processing, as scikit-learn,
//! XGBoost and LightGBM export, is [compiled](compile) into a [`Program`]: a list of operations over
//! a row of 32-bit floats, with the trees as flat nodes that are descended without a branch that
//! could be mispredicted, or as lists of their splits where that is quicker. [`crate::model`]
//! compiles at load, [verifies](verify) the program against ONNX Runtime on generated inputs, and
//! serves with it only if every answer agrees; else ONNX Runtime serves. Sums are made in ONNX
//! Runtime's order and precision, so answers agree bit for bit wherever the platform's `exp` is the
//! same. Nothing here may guess: what is not understood is [`compile::Unsupported`].

mod arithmetic;
mod compile;
mod ensemble;
mod flat;
mod lookup;
mod masks;
mod nodes;
mod program;
mod ranks;
mod run;
mod scores;
pub(crate) mod verify;

pub(crate) use compile::compile;
pub(crate) use program::Program;
pub(crate) use run::Scratch;
