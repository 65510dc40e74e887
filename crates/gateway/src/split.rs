//! Which arm of a split takes a request.
//!
//! Called once for each request. Pure: the same salt, value and weights give the
//! same arm in every thread, process and release, so anybody can recompute an assignment:
//! `u = xxh64(value, seed = xxh64(salt, seed = 0)) / 2^64`. The last arm (the candidate) takes
//! `u < weight`, the one before it the next stretch, and so on; so as the candidate's weight grows,
//! those who had it keep it (nested stages). Must never look at anything but its arguments.

use twox_hash::XxHash64;

/// The seed that a salt stands for. Another salt assigns anew, independently.
#[must_use]
pub fn seed(salt: &str) -> u64 {
    XxHash64::oneshot(0, salt.as_bytes())
}

/// Where a value falls in `[0, 1)`, uniformly.
#[must_use]
pub fn unit(seed: u64, value: &[u8]) -> f64 {
    fraction(XxHash64::oneshot(seed, value))
}

/// The top 53 bits of a hash or a random number as a number in `[0, 1)`.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "53 bits fit an f64 exactly")]
pub fn fraction(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

/// The index of the arm that `u` falls into, given the arms' weights in order. An arm without
/// weight is never chosen, unless no arm has any (then the first is).
#[must_use]
pub fn choose(weights: impl DoubleEndedIterator<Item = f64> + ExactSizeIterator, u: f64) -> usize {
    let mut chosen = 0;
    let mut end = 0.0;
    for (index, weight) in weights.enumerate().rev() {
        if weight <= 0.0 {
            continue;
        }
        // Rounding may leave the sum just under one: the first arm with weight takes the rest.
        chosen = index;
        end += weight;
        if u < end {
            break;
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arm(weights: &[f64], u: f64) -> usize {
        choose(weights.iter().copied(), u)
    }

    #[test]
    fn the_last_arm_takes_the_low_end() {
        let cases: &[(&[f64], f64, usize)] = &[
            (&[1.0], 0.0, 0),
            (&[1.0], 0.999_999, 0),
            (&[0.95, 0.05], 0.0, 1),
            (&[0.95, 0.05], 0.049_999, 1),
            (&[0.95, 0.05], 0.05, 0),
            (&[1.0, 0.0], 0.0, 0),
            (&[0.0, 1.0], 0.999_999, 1),
            (&[0.5, 0.3, 0.2], 0.19, 2),
            (&[0.5, 0.3, 0.2], 0.21, 1),
            (&[0.5, 0.3, 0.2], 0.51, 0),
            (&[0.0, 0.999_999_9, 0.0], 0.999_999_99, 1),
            (&[0.0, 0.0], 0.5, 0),
        ];
        for (weights, u, expect) in cases {
            assert_eq!(arm(weights, *u), *expect, "{weights:?} at {u}");
        }
    }

    #[test]
    fn the_assignment_is_the_published_formula() {
        // xxhsum -H64 of "" is the reference value of the algorithm.
        assert_eq!(seed(""), 0xef46_db37_51d8_e999);
        let u = unit(seed("rollout-1"), b"user-17");
        let by_hand = XxHash64::oneshot(XxHash64::oneshot(0, b"rollout-1"), b"user-17");
        assert!((u - fraction(by_hand)).abs() < f64::EPSILON);
    }

    #[test]
    fn shares_are_proportional_nested_and_independent_of_other_salts() {
        let (seed_a, seed_b) = (seed("rollout-a"), seed("rollout-b"));
        let stages = [0.05, 0.25, 0.5, 1.0];
        let total = 40_000_u32;
        let mut taken = [0_u32; 4];
        let mut both = 0_u32;
        for user in 0..total {
            let value = format!("req-{user}");
            let u = unit(seed_a, value.as_bytes());
            let mut had_it = false;
            for (stage, weight) in stages.iter().enumerate() {
                let candidate = arm(&[1.0 - weight, *weight], u) == 1;
                assert!(
                    candidate || !had_it,
                    "{value} lost the candidate as the stage grew"
                );
                had_it = candidate;
                taken[stage] += u32::from(candidate);
            }
            let quarter_a = arm(&[0.75, 0.25], u) == 1;
            let quarter_b = arm(&[0.75, 0.25], unit(seed_b, value.as_bytes())) == 1;
            both += u32::from(quarter_a && quarter_b);
        }
        let near = |count: u32, share: f64| {
            let (n, count) = (f64::from(total), f64::from(count));
            // Five standard deviations: the values are fixed, so this passes for ever or never.
            (count - n * share).abs() <= 5.0 * (n * share * (1.0 - share)).sqrt()
        };
        for (count, share) in taken.iter().zip(stages) {
            assert!(near(*count, share), "{count} of {total} at {share}");
        }
        assert!(near(both, 0.0625), "{both} of {total} in both quarters");
    }
}
