//! Whether a program answers what ONNX Runtime answers, on generated inputs.
//!
//! The model's own thresholds and categories decide what is tried ([`inputs`]): values at a
//! threshold, one ulp beside it, between two, missing, infinite, unknown. Batches are of one row, a
//! few, and many, as both sides compute those differently. Floats may differ by one ulp; shapes,
//! labels and classes not at all. A model that is served has passed, each time it is loaded.

mod compare;
mod inputs;

use std::time::{Duration, Instant};

use inference::answer::Output;
use inference::tensor::Tensor;

use super::program::Program;
use super::run::Scratch;
use inputs::Inputs;

/// Rows of the batches, over and over.
const BATCHES: &[usize] = &[1, 9, 1, 32, 1, 17, 1, 3, 64, 1, 8, 2, 1, 100, 1, 5, 1, 33];
/// So many batches are always tried.
const AT_LEAST: usize = 6;
/// So many rows are enough.
const ENOUGH_ROWS: usize = 3000;
/// So much time is enough. Beside a batch that takes longer than all before it, it is the bound.
const ENOUGH_TIME: Duration = Duration::from_millis(60);
/// A model that is not through with the first batches by then is not served without ONNX Runtime.
const TOO_SLOW: Duration = Duration::from_secs(2);

/// What was tried, and came out the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verified {
    pub(crate) rows: usize,
    /// Floats that agree but for one ulp.
    pub(crate) inexact: usize,
    pub(crate) took: Duration,
}

/// Why a program may not serve.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Differs {
    #[error("ONNX Runtime fails on inputs that it would be verified with: {0}")]
    Reference(String),
    #[error("it fails where ONNX Runtime answers: {0}")]
    Failed(String),
    #[error("{0}")]
    Answer(String),
    #[error("ONNX Runtime takes too long for it to be verified")]
    Slow,
}

/// Compares a program with `reference`, which runs the same model. `names` are the outputs'.
pub(crate) fn verify<'n>(
    program: &Program,
    names: &[&'n str],
    mut reference: impl FnMut(&[Tensor]) -> Result<Vec<Output<'n>>, String>,
) -> Result<Verified, Differs> {
    let started = Instant::now();
    let mut inputs = Inputs::new(program);
    let mut scratch = Scratch::default();
    let (mut rows, mut inexact) = (0, 0);
    for (index, batch) in BATCHES.iter().cycle().enumerate() {
        let took = started.elapsed();
        if index < AT_LEAST && took > TOO_SLOW {
            return Err(Differs::Slow);
        }
        if index >= AT_LEAST && (rows >= ENOUGH_ROWS || took > ENOUGH_TIME) {
            break;
        }
        let tensors = inputs.batch(*batch);
        let expect = reference(&tensors).map_err(Differs::Reference)?;
        let got = program.run(&mut scratch, &tensors, names.iter().copied());
        let got = got.map_err(|e| Differs::Failed(e.to_string()))?;
        inexact += compare::outputs(&got, &expect).map_err(Differs::Answer)?;
        rows += batch;
    }
    let took = started.elapsed();
    Ok(Verified {
        rows,
        inexact,
        took,
    })
}
