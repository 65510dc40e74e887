//! What a prediction looks like on every wire: the frames between gateway and engine, the Open
//! Inference Protocol, plain rows, and what an ONNX file says about itself.
//!
//! Called by `gateway`, `engine`, `rollout` and `server`. Everything here is pure: bytes in, values
//! out. It must never do I/O, read a clock, or panic on bytes that somebody else wrote.

pub mod answer;
pub mod frame;
pub mod latency;
pub mod model;
pub mod oip;
pub mod onnx;
pub mod question;
pub mod raw;
pub mod rows;
pub mod scoring;
pub mod signature;
mod table;
pub mod tensor;
pub mod v1;
mod values;
