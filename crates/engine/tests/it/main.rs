//! A real replica on a real socket, running real (tiny) ONNX models.
//!
//! The models are written by [`onnx`], a few bytes each. ONNX Runtime is fetched once, with pip, into
//! `target/test-tools`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod answers;
mod batches;
#[expect(dead_code, reason = "tests of the crate use the rest")]
mod ensembles;
mod life;
mod onnx;
mod replica;
mod trees;
