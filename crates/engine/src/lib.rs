//! A replica of a model behind one Unix socket: an ONNX file, or an MLflow model in a Python of its own.
//!
//! The role `mainspan engine` calls [`run`]; the gateway speaks to the socket in the frames of
//! [`inference::frame`]. A replica knows nothing of versions, routes or the store, and must never
//! load a file that [`inference::onnx`] has not read first. ONNX Runtime is a shared library, found
//! or fetched by [`library`]; without it everything compiles and [`run`] says what to do.

pub mod command;
mod compute;
pub mod library;
pub mod model;
mod options;
mod pool;
mod pyfunc;
mod queue;
mod replica;
mod runtime;
mod trees;

pub use inference::frame::Wire;
pub use options::{Batching, EngineOptions, Evaluator, WarmUp};
pub use pyfunc::WorkerError;
pub use replica::{EngineError, run};
