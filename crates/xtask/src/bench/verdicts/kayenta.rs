//! Kayenta's rule, asked every minute: what others do with the same numbers.
//!
//! A metric is "High" if the lower end of the 98% interval of the shift between the arms (Mann and Whitney's test,
//! Hodges and Lehmann's estimate) is above a quarter of the estimated shift (MannWhitneyClassifier.scala of Spinnaker's
//! Kayenta, whose defaults are these).

/// The first minute that is judged.
const FIRST: usize = 5;
/// The 99th percentile of the standard normal distribution: 98% between both ends.
const QUANTILE: f64 = 2.326_347_874;
const TOLERANCE: f64 = 0.25;

/// The minute in which the rule fails the candidate, if it does.
pub(super) fn fails(events: &[[u64; 2]]) -> Option<usize> {
    // Counts go with rates, since both arms get the same traffic; differences of counts are whole numbers.
    let mut differences: Vec<i64> = Vec::new();
    let signed = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    for (before, &[champion, candidate]) in events.iter().enumerate() {
        let (champion, candidate) = (signed(champion), signed(candidate));
        differences.push(candidate - champion);
        for &[other_champion, other_candidate] in &events[..before] {
            differences.push(candidate - signed(other_champion));
            differences.push(signed(other_candidate) - champion);
        }
        let minutes = before + 1;
        if minutes >= FIRST && is_high(&mut differences, minutes) {
            return Some(minutes);
        }
    }
    None
}

/// Whether `minutes` × `minutes` differences, candidate less champion, are high.
fn is_high(differences: &mut [i64], minutes: usize) -> bool {
    let n = minutes as f64;
    let deviation = (n * n * (2.0 * n + 1.0) / 12.0).sqrt();
    let rank = (n * n / 2.0 - QUANTILE * deviation).floor().max(0.0) as usize;
    let middle = differences.len() / 2;
    let (_, &mut lower, _) = differences.select_nth_unstable(rank);
    let (_, &mut estimate, _) = differences.select_nth_unstable(middle);
    lower as f64 > TOLERANCE * estimate as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clear_difference_fails_and_a_small_one_does_not() {
        let series = |candidate: [u64; 3]| -> Vec<[u64; 2]> {
            let champion = [9, 10, 11];
            (0..60)
                .map(|minute| [champion[minute % 3], candidate[minute % 3]])
                .collect()
        };
        assert_eq!(fails(&series([9, 10, 11])), None);
        assert_eq!(fails(&series([29, 30, 31])), Some(5));
        assert_eq!(fails(&series([0, 1, 2])), None);
    }
}
