//! Quantiles are as near as promised, whatever the numbers and their order.

use super::*;
use proptest::prelude::*;

fn of(numbers: &[f64]) -> Spread {
    let mut spread = Spread::default();
    for x in numbers {
        spread.add(*x);
    }
    spread
}

#[test]
fn what_there_is_and_what_there_is_not() {
    let none = Spread::default();
    assert_eq!(
        (none.count(), none.mean(), none.quantile(0.5)),
        (0, None, None)
    );
    assert!(none.decades().is_empty() && none.sizes().range().is_none());
    let spread = of(&[-20.0, 0.0, 0.0, 5.0, f64::NAN, f64::INFINITY]);
    assert_eq!((spread.count(), spread.mean()), (4, Some(-3.75)));
    assert_eq!(spread.range(), Some((-20.0, 5.0)));
    assert_eq!(spread.sizes().range(), Some((0.0, 20.0)));
    assert_eq!(
        spread.decades(),
        [(-100.0, -10.0, 1), (0.0, 0.0, 2), (1.0, 10.0, 1)]
    );
    assert_eq!(of(&[-3.0, -2.0]).sizes().range(), Some((2.0, 3.0)));
}

#[test]
fn memory_is_bounded_and_the_large_ones_stay_known() {
    let mut spread = Spread::default();
    for power in -300..300 {
        for part in 1..20 {
            spread.add(f64::from(part) / 20.0 * 10_f64.powi(power));
        }
    }
    assert!(spread.positive.len() <= BUCKETS);
    assert_eq!(spread.count(), 600 * 19);
    let top = spread.quantile(0.99).unwrap();
    assert!((1e292..1e294).contains(&top), "{top}");
}

proptest! {
    #[test]
    fn quantiles_are_as_near_as_promised(
        mut numbers in proptest::collection::vec(prop_oneof![Just(0.0), -1e6..1e6_f64, -1e-3..1e-3_f64], 1..400),
        q in 0.0..=1.0_f64,
    ) {
        let spread = of(&numbers);
        numbers.sort_by(f64::total_cmp);
        let near = |found: f64, truth: f64| (found - truth).abs() <= truth.abs() * ACCURACY * 1.0001;
        let place = (q * (numbers.len() - 1) as f64).floor() as usize;
        prop_assert!(near(spread.quantile(q).unwrap(), numbers[place]));
        let mut sizes: Vec<f64> = numbers.iter().map(|x| x.abs()).collect();
        sizes.sort_by(f64::total_cmp);
        prop_assert!(near(spread.sizes().quantile(q).unwrap(), sizes[place]));
        prop_assert_eq!(spread.count(), numbers.len() as u64);
        prop_assert_eq!(spread.decades().iter().map(|bar| bar.2).sum::<u64>(), spread.count());
        numbers.reverse();
        prop_assert_eq!(of(&numbers).decades(), spread.decades());
    }
}
