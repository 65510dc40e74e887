//! How much two filters go together: normalised pointwise mutual information, G. Bouma, "Normalized (Pointwise) Mutual
//! Information in Collocation Extraction" (2009); smoothed with Jeffreys' prior of one half.

use serde::{Deserialize, Serialize};

/// `POST traces/calculate-filter-correlation`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Correlation {
    /// In which experiments.
    pub experiment_ids: Option<Vec<String>>,
    /// One filter.
    pub filter_string1: String,
    /// The other.
    pub filter_string2: String,
    /// What both are looked for in.
    pub base_filter: Option<String>,
}

/// How many traces match.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Counts {
    /// The first filter.
    pub filter1_count: u64,
    /// The second.
    pub filter2_count: u64,
    /// Both.
    pub joint_count: u64,
    /// All there are.
    pub total_count: u64,
}

const PRIOR: f64 = 0.5;

impl Counts {
    /// The measure, from -1 (never together) to 1 (always), as counted and smoothed; none when a filter matches nothing.
    pub fn npmi(&self) -> Option<(f64, f64)> {
        let Counts {
            filter1_count: one,
            filter2_count: two,
            joint_count: both,
            total_count: all,
        } = *self;
        if one == 0 || two == 0 || both > one.min(two) || one + two > all + both {
            return None;
        }
        let cells = [both, one - both, two - both, all + both - one - two].map(|n| n as f64);
        if cells[1..] == [0.0; 3] {
            return Some((1.0, 1.0));
        }
        let counted = if both == 0 { -1.0 } else { core(cells) };
        Some((counted, core(cells.map(|n| n + PRIOR))))
    }
}

/// Of a table of counts: both, only one, only the other, none. Sums of logarithms of counts, which is steadier than
/// logarithms of quotients.
fn core([n11, n10, n01, n00]: [f64; 4]) -> f64 {
    let (both, all) = (n11.ln(), (n11 + n10 + n01 + n00).ln());
    let mutual = (both + all) - ((n11 + n10).ln() + (n11 + n01).ln());
    (mutual / -(both - all)).clamp(-1.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_never_to_always() {
        let check = |counts: [u64; 4], expect: Option<f64>| {
            let [filter1_count, filter2_count, joint_count, total_count] = counts;
            let counts = Counts {
                filter1_count,
                filter2_count,
                joint_count,
                total_count,
            };
            let got = counts.npmi().map(|(counted, _)| counted);
            assert_eq!(
                got.map(|n| (n * 1e6).round()),
                expect.map(|n| (n * 1e6).round()),
                "{counts:?}"
            );
        };
        check([0, 1, 0, 5], None);
        check([2, 2, 0, 5], Some(-1.0));
        check([5, 5, 5, 5], Some(1.0));
        check([2, 2, 2, 4], Some(1.0));
        check([2, 2, 1, 4], Some(0.0));
    }
}
