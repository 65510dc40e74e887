//! The statistics that Mainspan decides with: e-processes and confidence sequences that stay valid however often
//! one looks, drift distances and sketches, and resampling in blocks.
//!
//! `rollout` judges canaries with it, `watch` builds alarms and drift reports on it, `pipeline` profiles data sets
//! with it. Nothing here knows what a model is, reads a clock or draws its own randomness: whoever needs random
//! numbers passes a seeded [`rng::Rng`] in, so that every decision replays.
//!
//! An **e-process** is a non-negative quantity whose expectation stays at or under 1, at every stopping time, while
//! the null hypothesis is true. By Ville's inequality the chance that it *ever* reaches 1/α is at most α, so acting
//! at 1/α is safe whenever and however often one looks (Ramdas, Grünwald, Vovk, Shafer: "Game-theoretic statistics
//! and safe anytime-valid inference", Statistical Science 2023). All evidence is kept as natural logarithms.

pub mod arms;
pub mod belief;
pub mod beta;
pub mod betting;
pub mod blocks;
pub mod coin;
pub mod conformal;
pub mod confseq;
pub mod contrast;
pub mod difference;
pub mod distance;
pub mod edetector;
pub mod level;
pub mod noise;
pub mod ratio;
pub mod rng;
pub mod sketch;
pub mod spread;

/// `ln(Σ exp(x))` without overflow; `-inf` for nothing.
pub fn log_sum_exp(values: impl IntoIterator<Item = f64> + Clone) -> f64 {
    let top = values.clone().into_iter().fold(f64::NEG_INFINITY, f64::max);
    if top.is_infinite() {
        return top;
    }
    top + values
        .into_iter()
        .map(|v| (v - top).exp())
        .sum::<f64>()
        .ln()
}
