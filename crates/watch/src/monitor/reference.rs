//! The blocks that a monitor holds as normal, and what they say: mean, spread, and the least spread to believe in.
//!
//! Used by the monitor and its calibration. Pure arithmetic.

use serde::{Deserialize, Serialize};

/// A closed block: the mean loss of an interval of event time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Block {
    /// When it begins, in seconds since 1970.
    pub start: i64,
    /// When it ends.
    pub end: i64,
    /// Labelled answers in it.
    pub rows: u64,
    /// Mean loss, in units of the first version of this reference.
    pub mean: f64,
    /// Variance of that mean if answers within the block were independent.
    pub noise: f64,
}

/// Mean and standard deviation of blocks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    pub(crate) mean: f64,
    pub(crate) sd: f64,
}

/// Mean and standard deviation of `values`, the latter not under `floor`.
pub(crate) fn spread(values: &[f64], floor: f64) -> Spread {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / (n - 1.0).max(1.0);
    Spread {
        mean,
        sd: variance.sqrt().max(floor),
    }
}

/// The least standard deviation to believe in: blocks scatter at least as much as their answers make them, and even
/// a service that was never wrong may be wrong once in a block.
pub(crate) fn floor(blocks: &[Block]) -> f64 {
    let n = blocks.len().max(1) as f64;
    let noise = blocks.iter().map(|b| b.noise).sum::<f64>() / n;
    let rows = blocks.iter().map(|b| b.rows as f64).sum::<f64>() / n;
    if noise > 0.0 {
        noise.sqrt()
    } else {
        1.0 / rows.max(1.0)
    }
}
