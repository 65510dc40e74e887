//! Figures of a version on live traffic: counts and moments of its errors since it first answered.
//!
//! Kept by the reconciler, shown by `status`, read by people. It decides nothing.

use serde::{Deserialize, Serialize};
use spec::LiveMetric;

/// Sums over the joined answers of one version. Two of them add up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Errors {
    /// Joined answers.
    pub n: u64,
    /// Sum of prediction − label.
    pub sum: f64,
    /// Sum of |prediction − label|.
    pub sum_abs: f64,
    /// Sum of (prediction − label)².
    pub sum_sq: f64,
    /// Answers that name another class than the label.
    pub wrong: u64,
}

impl Errors {
    /// Takes one joined answer; what is not finite is left out, and said so.
    pub fn add(&mut self, prediction: f64, label: f64) -> bool {
        let error = prediction - label;
        if !error.is_finite() {
            return false;
        }
        self.n += 1;
        self.sum += error;
        self.sum_abs += error.abs();
        self.sum_sq += error * error;
        self.wrong += u64::from(LiveMetric::ErrorRate.loss(prediction, label) > 0.0);
        true
    }

    /// Adds the sums of another stretch of the same version.
    pub fn merge(&mut self, other: &Self) {
        self.n += other.n;
        self.sum += other.sum;
        self.sum_abs += other.sum_abs;
        self.sum_sq += other.sum_sq;
        self.wrong += other.wrong;
    }

    /// Mean of prediction − label; none without answers.
    #[must_use]
    pub fn bias(&self) -> Option<f64> {
        (self.n > 0).then(|| self.sum / self.n as f64)
    }

    /// The figure of a metric; none without answers.
    #[must_use]
    pub fn figure(&self, metric: LiveMetric) -> Option<f64> {
        let sum = match metric {
            LiveMetric::Mae => self.sum_abs,
            LiveMetric::Mse => self.sum_sq,
            LiveMetric::ErrorRate => self.wrong as f64,
        };
        (self.n > 0).then(|| sum / self.n as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_come_from_sums_and_sums_add_up() {
        let mut a = Errors::default();
        assert_eq!(a.figure(LiveMetric::Mae), None);
        assert!(
            a.add(3.0, 1.0)
                && a.add(1.0, 1.0)
                && !a.add(f64::NAN, 1.0)
                && !a.add(1.0, f64::INFINITY)
        );
        let mut b = Errors::default();
        b.add(0.0, 4.0);
        a.merge(&b);
        assert_eq!(a.n, 3);
        assert_eq!(a.figure(LiveMetric::Mae), Some(2.0));
        assert_eq!(a.figure(LiveMetric::Mse), Some(20.0 / 3.0));
        assert_eq!(a.figure(LiveMetric::ErrorRate), Some(2.0 / 3.0));
        assert_eq!(a.bias(), Some(-2.0 / 3.0));
    }
}
