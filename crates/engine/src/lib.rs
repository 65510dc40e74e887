//! A replica of the built-in model engine: one ONNX model behind one Unix socket.
//!
//! The role `mainspan engine` calls [`run`]; the gateway speaks to the socket in the frames of
//! [`inference::frame`]. A replica knows nothing of versions, routes or the store, and must never
//! load a file that [`inference::onnx`] has not read first. ONNX Runtime is a shared library, found
//! or fetched by [`library`]; without it everything compiles and [`run`] says what to do.

pub mod library;
pub mod model;
mod options;
mod pool;
mod queue;
mod replica;
mod runtime;
mod trees;

pub use options::{EngineOptions, Evaluator};
pub use replica::{EngineError, run};
