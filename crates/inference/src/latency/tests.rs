//! The buckets tile all times, and a histogram's figures are right within a bucket's width.

use super::*;
use proptest::prelude::*;

#[test]
fn buckets_have_the_documented_bounds() {
    let check = |micros: Micros, index: usize, lower: Micros| {
        assert_eq!(
            (bucket(micros), lower_bound(bucket(micros))),
            (index, lower),
            "{micros} µs"
        );
    };
    check(0, 0, 0);
    check(1, 1, 1);
    check(15, 15, 15);
    check(16, 16, 16);
    check(31, 31, 31);
    check(32, 32, 32);
    check(33, 32, 32);
    check(34, 33, 34);
    check(1_000, 111, 992);
    check(50_000, 200, 49_152);
    check((1 << 26) - 1, BUCKETS - 2, 65_011_712);
    check(1 << 26, BUCKETS - 1, 1 << 26);
    check(u64::MAX, BUCKETS - 1, 1 << 26);
    assert_eq!(BUCKETS, 369);
    assert_eq!(lower_bound(usize::MAX), 1 << 26);
}

#[test]
fn buckets_tile_without_gap_or_overlap() {
    for index in 0..BUCKETS {
        assert_eq!(bucket(lower_bound(index)), index);
        assert_eq!(bucket(upper_bound(index)), index);
    }
}

#[test]
fn figures_of_a_known_histogram() {
    let mut histogram = Histogram::new();
    for micros in 1..=100 {
        histogram.add(micros);
    }
    let check = |q: f64, expect: Option<Micros>| assert_eq!(histogram.quantile(q), expect, "q {q}");
    check(0.0, Some(1));
    check(0.10, Some(10));
    check(0.5, Some(51));
    check(0.99, Some(99));
    check(1.0, Some(103));
    check(1.1, None);
    check(f64::NAN, None);
    assert_eq!(histogram.exceeding(0), 100);
    assert_eq!(histogram.exceeding(20), 80);
    assert_eq!(histogram.exceeding(96), 1);
    assert_eq!(histogram.exceeding(u64::MAX), 0);
    assert_eq!(Histogram::new().quantile(0.5), None);
}

#[test]
fn json_is_the_counts_without_trailing_zeros() {
    let mut histogram = Histogram::new();
    histogram.add_many(2, 5);
    let json = serde_json::to_string(&histogram).unwrap();
    assert_eq!(json, "[0,0,5]");
    assert_eq!(serde_json::from_str::<Histogram>(&json).unwrap(), histogram);
    let long = serde_json::to_string(&vec![1; BUCKETS + 1]).unwrap();
    assert!(serde_json::from_str::<Histogram>(&long).is_err());
}

fn filled(values: &[Micros]) -> Histogram {
    let mut histogram = Histogram::new();
    values.iter().for_each(|micros| histogram.add(*micros));
    histogram
}

proptest! {
    #[test]
    fn a_bucket_is_at_most_a_sixteenth_wide(micros in 0..(1_u64 << 26)) {
        let index = bucket(micros);
        prop_assert!(lower_bound(index) <= micros && micros <= upper_bound(index));
        prop_assert!((upper_bound(index) - lower_bound(index)) * 16 <= micros);
    }

    #[test]
    fn quantiles_are_never_short_nor_a_sixteenth_long(
        values in proptest::collection::vec(1..60_000_000_u64, 1..200),
        q in 0.0..=1.0_f64,
    ) {
        let got = filled(&values).quantile(q).unwrap();
        let mut sorted = values;
        sorted.sort_unstable();
        let rank = ((q * sorted.len() as f64).ceil() as usize).clamp(1, sorted.len());
        let exact = sorted[rank - 1];
        prop_assert!(exact <= got && got - exact <= exact / 16, "{got} for {exact}");
    }

    #[test]
    fn merging_is_counting_together(
        a in proptest::collection::vec(any::<u64>(), 0..50),
        b in proptest::collection::vec(any::<u64>(), 0..50),
        threshold in any::<u64>(),
    ) {
        let mut merged = filled(&a);
        merged.merge(&filled(&b));
        let together = filled(&[a.clone(), b.clone()].concat());
        prop_assert_eq!(&merged, &together);
        prop_assert_eq!(merged.since(&filled(&a)), filled(&b));
        let longer = |values: &[u64]| values.iter().filter(|v| bucket(**v) > bucket(threshold)).count() as u64;
        prop_assert_eq!(together.exceeding(threshold), longer(&a) + longer(&b));
    }
}
