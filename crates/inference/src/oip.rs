//! The Open Inference Protocol v2: what its bodies and messages hold.
//!
//! Source: kserve/open-inference-protocol, specification/protocol. The gateway answers metadata and
//! readiness with the types of [`metadata`], the engine reads infer requests with [`request`] and
//! [`grpc`]. Answers to infer requests are written by [`crate::answer`].

pub mod exchange;
pub mod grpc;
pub mod metadata;
pub mod request;
pub mod scan;
mod wanted;

pub use metadata::{ErrorBody, ModelMetadata, ModelReady, ServerLive, ServerMetadata, ServerReady};
pub use request::{InferRequest, RequestError};
pub use wanted::{Wanted, WantedOutput};
