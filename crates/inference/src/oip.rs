//! The Open Inference Protocol v2, REST: what its bodies hold.
//!
//! Source: kserve/open-inference-protocol, specification/protocol. The gateway answers metadata and
//! readiness with the types of [`metadata`], the engine reads infer requests with [`request`].
//! Answers to infer requests are written by [`crate::answer`].

pub mod metadata;
pub mod request;

pub use metadata::{ErrorBody, ModelMetadata, ModelReady, ServerLive, ServerMetadata, ServerReady};
pub use request::{InferRequest, RequestError};
