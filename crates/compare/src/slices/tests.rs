//! Slices are found where something changes, and hardly ever where nothing does.

use super::*;
use proptest::prelude::*;

fn row(fields: &[(&str, Cell)]) -> Row {
    let fields = fields.iter().cloned();
    fields
        .map(|(name, cell)| (name.to_owned(), vec![cell]))
        .collect()
}

fn seen(changed: bool, shift: f64) -> Seen {
    Seen {
        changed,
        shift: Some(shift),
    }
}

/// Rows of three carriers and a distance; what changes is decided by `change`.
fn of(rows: u32, change: impl Fn(u32, &str, f64) -> (bool, f64)) -> Vec<Slice> {
    let mut slices = Slices::default();
    for n in 0..rows {
        let carrier = ["AA", "DL", "WN"][(n % 3) as usize];
        let distance = f64::from((n * 37) % 1000);
        let (changed, shift) = change(n, carrier, distance);
        let row = row(&[
            ("carrier", Cell::word(carrier)),
            ("distance", Cell::number(distance)),
        ]);
        slices.add(&row, seen(changed, shift));
    }
    slices.report()
}

#[test]
fn the_part_that_changes_is_found_and_counted() {
    // Before and after the bins are made of the first rows.
    for rows in [600, 3000] {
        let found = of(rows, |_, carrier, _| {
            let is = carrier == "WN";
            (is, f64::from(u8::from(is)) * 2.0)
        });
        let first = &found[0];
        assert_eq!(
            (first.column.as_str(), first.value.as_str()),
            ("carrier", "WN")
        );
        assert_eq!(
            (first.sort, first.rows),
            (Sort::Changed, u64::from(rows / 3))
        );
        assert_eq!((first.changed, first.elsewhere), (first.rows, 0.0));
        assert_eq!(
            first.shift,
            Some(Shift {
                inside: 2.0,
                elsewhere: 0.0
            })
        );
    }
}

#[test]
fn numbers_are_parted_by_size() {
    let found = of(3000, |n, _, distance| (distance > 800.0 && n % 2 == 0, 0.0));
    assert_eq!(found[0].column, "distance", "{found:?}");
    assert!(found[0].value.starts_with("above "), "{found:?}");
    assert!(
        found[0].rows > 500 && found[0].elsewhere < 0.02,
        "{found:?}"
    );
}

#[test]
fn a_shift_without_a_change_of_share_is_found() {
    let found = of(900, |n, carrier, _| {
        let noise = f64::from(n % 7) / 10.0;
        (true, if carrier == "DL" { 3.0 + noise } else { noise })
    });
    assert_eq!(
        (found[0].value.as_str(), found[0].sort),
        ("DL", Sort::Shifted)
    );
    assert!(found.iter().all(|slice| slice.column == "carrier"));
}

#[test]
fn few_rows_say_nothing() {
    let mut slices = Slices::default();
    for n in 0..500 {
        let rare = n % 50 == 0;
        let word = Cell::word(if rare { "rare" } else { "usual" });
        slices.add(&row(&[("kind", word)]), seen(rare, 0.0));
    }
    // Ten rows, all changed: too few for a slice, and the rest of them too.
    assert_eq!(slices.report(), []);
    assert_eq!(of(0, |_, _, _| (true, 0.0)), []);
    assert_eq!(of(2000, |_, _, _| (true, 1.0)), []);
}

#[test]
fn wide_inputs_and_missing_ones_are_bounded() {
    let mut slices = Slices::default();
    for n in 0..2000 {
        let wide = vec![Cell::Number(f64::from(n % 13)); 1000];
        let mut row = Row::from([("pixels".to_owned(), wide)]);
        if n % 4 == 0 {
            row.insert("late".to_owned(), vec![Cell::Missing]);
        }
        slices.add(&row, seen(n % 4 == 0, 0.0));
    }
    let parts = slices.parts.as_ref().unwrap();
    assert!(parts.len() <= COLUMNS, "{}", parts.len());
    assert!(slices.waiting.is_empty());
}

proptest! {
    /// Where changes have nothing to do with inputs, slices are rare, whatever their number.
    #[test]
    fn chance_alone_shows_hardly_anything(seed in 0..1000_u64) {
        let mut rng = stats::rng::Rng::new(seed);
        let mut slices = Slices::default();
        for _ in 0..600 {
            let inputs: Vec<(String, Cell)> = (0..10)
                .map(|at| (format!("x{at}"), Cell::number(rng.uniform())))
                .collect();
            let row: Row = inputs.into_iter().map(|(name, cell)| (name, vec![cell])).collect();
            slices.add(&row, Seen { changed: rng.chance(0.3), shift: Some(rng.normal()) });
        }
        prop_assert!(slices.report().len() <= 1, "{:?}", slices.report());
    }

    #[test]
    fn the_order_of_bits_is_that_of_numbers(a in any::<f64>(), b in any::<f64>()) {
        prop_assume!(a.is_finite() && b.is_finite());
        prop_assert_eq!(a.total_cmp(&b), ordered(a).cmp(&ordered(b)));
        prop_assert_eq!(unordered(ordered(a)).to_bits(), a.to_bits());
    }
}
