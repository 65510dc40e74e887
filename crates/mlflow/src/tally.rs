//! The points of a run in one short value, by which two servers can tell that they hold the same ones.
//!
//! The order in which points come makes no difference: each is hashed by itself, and the hashes are added up. What a
//! point was measured on (model, dataset) is not part of it.

use crate::{runs::Metric, tag::Double};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// How many points there are, and their sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    count: u64,
    sum: u128,
}

/// A [`Tally`] as it is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// How many points.
    pub points: u64,
    /// Their sum, in hex digits.
    pub digest: String,
}

impl Tally {
    /// Counts a point in. The same point twice counts twice.
    pub fn add(&mut self, point: &Metric) {
        let mut hasher = Sha256::new();
        hasher.update((point.key.len() as u64).to_be_bytes());
        hasher.update(point.key.as_bytes());
        hasher.update(bits(point.value).to_be_bytes());
        hasher.update(point.timestamp.to_be_bytes());
        hasher.update(point.step.to_be_bytes());
        let mut half = [0; 16];
        half.copy_from_slice(&hasher.finalize()[..16]);
        self.sum = self.sum.wrapping_add(u128::from_be_bytes(half));
        self.count += 1;
    }

    /// As it is sent.
    pub fn shown(&self) -> Shown {
        Shown {
            points: self.count,
            digest: format!("{:032x}", self.sum),
        }
    }
}

/// One pattern for all NaNs, and one for both zeros.
fn bits(Double(value): Double) -> u64 {
    if value.is_nan() {
        f64::NAN.to_bits()
    } else if value == 0.0 {
        0
    } else {
        value.to_bits()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(key: &str, value: f64, timestamp: i64, step: i64) -> Metric {
        Metric {
            key: key.into(),
            value: Double(value),
            timestamp,
            step,
            dataset_name: None,
            dataset_digest: None,
            model_id: None,
            run_id: None,
        }
    }

    fn tally(points: &[Metric]) -> Shown {
        let mut tally = Tally::default();
        points.iter().for_each(|point| tally.add(point));
        tally.shown()
    }

    #[test]
    fn order_makes_no_difference_and_everything_else_does() {
        let (a, b) = (point("a", 1.0, 2, 3), point("b", f64::NAN, 2, 3));
        let both = tally(&[a.clone(), b.clone()]);
        assert_eq!(tally(&[b.clone(), a.clone()]), both);
        let labelled = Metric {
            model_id: Some("m-1".into()),
            ..a.clone()
        };
        assert_eq!(tally(&[labelled, b.clone()]), both);
        assert_eq!(
            tally(&[point("a", 0.0, 0, 0)]),
            tally(&[point("a", -0.0, 0, 0)])
        );
        for other in [
            point("c", 1.0, 2, 3),
            point("a", 1.5, 2, 3),
            point("a", 1.0, 3, 3),
            point("a", 1.0, 2, 4),
            point("a", f64::NAN, 2, 3),
        ] {
            assert_ne!(tally(&[other, b.clone()]), both);
        }
        assert_ne!(
            tally(std::slice::from_ref(&a)),
            tally(&[a.clone(), a.clone(), a])
        );
        assert_eq!(tally(&[]).points, 0);
    }
}
