//! Distances against scipy, and what every distance must obey.

use super::*;
use proptest::prelude::*;

const REFERENCE: [f64; 5] = [0.1, 0.2, 0.3, 0.4, 0.0];
const CURRENT: [f64; 5] = [0.2, 0.2, 0.25, 0.25, 0.1];

#[test]
fn agree_with_scipy() {
    for (what, actual, expected) in [
        ("psi", psi(&REFERENCE, &CURRENT), 0.8390160926528681),
        ("kl", kl(&REFERENCE, &CURRENT), 0.17269242515258793),
        (
            "js",
            jensen_shannon(&REFERENCE, &CURRENT),
            0.23026633457343149,
        ),
        (
            "hellinger",
            hellinger(&REFERENCE, &CURRENT),
            0.26170517570974694,
        ),
        ("tv", total_variation(&REFERENCE, &CURRENT), 0.2),
        ("l-infinity", l_infinity(&REFERENCE, &CURRENT), 0.15),
        (
            "ks of bins",
            kolmogorov_smirnov_binned(&REFERENCE, &CURRENT),
            0.1,
        ),
    ] {
        assert!(
            (actual - expected).abs() < 1e-12,
            "{what}: {actual} {expected}"
        );
    }
    let (a, b) = (
        [1.0, 2.0, 2.0, 3.0, 5.0, 8.0, 8.0, 9.5],
        [0.0, 2.0, 3.0, 3.0, 4.0, 4.5, 11.0],
    );
    assert!((kolmogorov_smirnov(&a, &b) - 0.3571428571428571).abs() < 1e-12);
    assert!((wasserstein(&a, &b) - 1.5446428571428572).abs() < 1e-12);
    assert_eq!(
        (kolmogorov_smirnov(&a, &[]), wasserstein(&[], &b)),
        (0.0, 0.0)
    );
    for (d, n, m, p) in [
        (0.1, 400, 300, 0.06062617214065506),
        (0.05, 1000, 1000, 0.15955408974378785),
    ] {
        assert!((kolmogorov_smirnov_p(d, n, m) - p).abs() < 1e-9);
    }
    assert_eq!(kolmogorov_smirnov_p(0.0, 10, 10), 1.0);
}

proptest! {
    #[test]
    fn are_zero_for_the_same_and_within_their_bounds(
        counts in prop::collection::vec((0_u64..50, 0_u64..50), 1..12),
    ) {
        let (r, c): (Vec<u64>, Vec<u64>) = counts.into_iter().unzip();
        prop_assume!(r.iter().sum::<u64>() > 0 && c.iter().sum::<u64>() > 0);
        let (r, c) = (shares(&r), shares(&c));
        for (distance, bound) in [
            (jensen_shannon as fn(&[f64], &[f64]) -> f64, 2_f64.ln().sqrt()),
            (hellinger, 1.0),
            (total_variation, 1.0),
            (l_infinity, 1.0),
            (kolmogorov_smirnov_binned, 1.0),
            (psi, f64::INFINITY),
        ] {
            prop_assert_eq!(distance(&r, &r), 0.0);
            let there = distance(&r, &c);
            prop_assert!((0.0..=bound + 1e-12).contains(&there));
            prop_assert!((there - distance(&c, &r)).abs() < 1e-9);
        }
    }

    #[test]
    fn a_shift_by_s_is_s_away(mut sample in prop::collection::vec(-50.0..50.0_f64, 1..40), shift in 0.0..10.0_f64) {
        sample.sort_by(f64::total_cmp);
        let shifted: Vec<f64> = sample.iter().map(|x| x + shift).collect();
        prop_assert!((wasserstein(&sample, &shifted) - shift).abs() < 1e-9);
    }
}
