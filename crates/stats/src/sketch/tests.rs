//! Sketches against the columns they stand for.

use super::*;
use crate::rng::Rng;

fn normals(n: usize, mean: f64, seed: u64) -> Vec<f64> {
    let mut rng = Rng::new(seed);
    (0..n).map(|_| mean + rng.normal()).collect()
}

fn filled(reference: &ColumnSketch, numbers: &[f64]) -> ColumnSketch {
    let mut sketch = reference.empty();
    numbers.iter().for_each(|&x| sketch.add_number(x));
    sketch
}

fn numbers(sketch: &ColumnSketch) -> &NumberSketch {
    match &sketch.values {
        Values::Numbers(n) => n,
        Values::Categories(_) => panic!("a column of words"),
    }
}

#[test]
fn bins_of_a_smooth_column_are_even_and_its_figures_are_right() {
    let column = normals(10_000, 5.0, 1);
    let sketch = ColumnSketch::of_numbers(
        column
            .iter()
            .map(|&x| Some(x))
            .chain([None, Some(f64::NAN)]),
        20,
    );
    assert_eq!((sketch.rows, sketch.missing), (10_002, 2));
    let n = numbers(&sketch);
    assert_eq!(n.counts(), vec![500; 20]);
    let mut sorted = column.clone();
    sorted.sort_by(f64::total_cmp);
    assert_eq!(
        (n.min(), n.max()),
        (sorted.first().copied(), sorted.last().copied())
    );
    assert!((n.mean().unwrap() - 5.0).abs() < 0.05 && (n.sd().unwrap() - 1.0).abs() < 0.05);
    for q in [0.06, 0.25, 0.5, 0.9, 0.94] {
        let exact = sorted[(q * 9_999.0) as usize];
        assert!(
            (n.quantile(q).unwrap() - exact).abs() < 0.12,
            "{q}: {:?} {exact}",
            n.quantile(q)
        );
    }
}

#[test]
fn a_value_that_many_rows_share_has_a_bin_of_its_own() {
    let column = (0..100).map(|i| Some(if i < 60 { 0.0 } else { f64::from(i - 79) }));
    let sketch = ColumnSketch::of_numbers(column, 10);
    let n = numbers(&sketch);
    let zero = n.edges().iter().position(|&e| e == 0.0).unwrap();
    assert_eq!(n.counts()[zero], 61, "{n:?}");
    assert_eq!(n.count(), 100);
}

#[test]
fn distances_follow_the_exact_ones() {
    let column = normals(20_000, 0.0, 2);
    let reference = ColumnSketch::of_numbers(column.iter().map(|&x| Some(x)), 50);
    for shift in [0.0, 0.1, 0.5, 1.5] {
        let mut current = normals(20_000, shift, 3);
        let distances = reference.distances(&filled(&reference, &current)).unwrap();
        let mut sorted = column.clone();
        sorted.sort_by(f64::total_cmp);
        current.sort_by(f64::total_cmp);
        let exact = crate::distance::kolmogorov_smirnov(&sorted, &current);
        assert!(
            (distances.kolmogorov_smirnov.unwrap() - exact).abs() < 0.01,
            "{shift}: {distances:?} {exact}"
        );
        let exact = crate::distance::wasserstein(&sorted, &current);
        assert!(
            (distances.wasserstein.unwrap() - exact).abs() < 0.05,
            "{shift}: {distances:?} {exact}"
        );
        assert!(
            (distances.psi > 0.1) == (shift >= 0.5),
            "{shift}: {distances:?}"
        );
    }
}

#[test]
fn merging_is_counting_together() {
    let reference = ColumnSketch::of_numbers(normals(1_000, 0.0, 4).into_iter().map(Some), 16);
    let (a, b) = (normals(300, 0.2, 5), normals(200, 1.0, 6));
    let mut merged = filled(&reference, &a);
    merged.merge(&filled(&reference, &b)).unwrap();
    let together = filled(&reference, &[a, b].concat());
    assert_eq!(merged.shares(), together.shares());
    assert_eq!(numbers(&merged).max(), numbers(&together).max());
    let unlike = ColumnSketch::of_numbers(normals(50, 9.0, 7).into_iter().map(Some), 16);
    assert_eq!(merged.clone().merge(&unlike), Err(Unlike));
    assert_eq!(merged.distances(&unlike), Err(Unlike));
}

#[test]
fn words_are_counted_by_name_and_the_rare_ones_together() {
    let column = [("UA", 50), ("AA", 30), ("DL", 15), ("HA", 4), ("YV", 1)];
    let words = column
        .iter()
        .flat_map(|&(word, n)| (0..n).map(move |_| Some(word)))
        .chain([None]);
    let reference = ColumnSketch::of_categories(words, 3);
    let Values::Categories(c) = &reference.values else {
        panic!("a column of numbers")
    };
    let listed: Vec<_> = c.words().collect();
    assert_eq!(listed, [("AA", 30), ("DL", 15), ("UA", 50), (OTHER, 5)]);
    assert_eq!((c.distinct(), reference.missing), (5, 1));
    let mut current = reference.empty();
    for word in ["UA", "new", "AA", "HA"] {
        current.add_word(word);
    }
    assert_eq!(current.shares(), [0.25, 0.0, 0.25, 0.5, 0.0]);
    let distances = reference.distances(&current).unwrap();
    assert!(
        distances.total_variation > 0.4 && distances.wasserstein.is_none(),
        "{distances:?}"
    );
}

#[test]
fn odd_columns_do_no_harm() {
    for column in [
        vec![],
        vec![None; 3],
        vec![Some(7.0); 5],
        vec![Some(f64::INFINITY), Some(1.0)],
    ] {
        let sketch = ColumnSketch::of_numbers(column.clone(), 10);
        let mut current = sketch.empty();
        current.add_word("12.5");
        current.add_word("twelve");
        current.add_missing();
        assert_eq!((current.rows, current.missing), (3, 2), "{column:?}");
        sketch.distances(&current).unwrap();
        assert_eq!(
            numbers(&sketch).quantile(0.5).is_none(),
            numbers(&sketch).count() == 0
        );
    }
}
