//! Flat nodes against a walker that takes one step at a time.

use proptest::prelude::*;

use super::*;
use crate::trees::flat::Flat;
use crate::trees::masks::Masked;

/// A tree of up to `splits` splits, leaves named in order, over four slots.
pub(in crate::trees) fn tree(mut seed: u64, splits: usize) -> Vec<Branch> {
    let mut next = move |end: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) as usize % end
    };
    let mut tree = vec![Branch::Leaf(0)];
    for name in 0..splits {
        let place = next(tree.len());
        if let Branch::Leaf(old) = tree[place] {
            let (yes, no) = (tree.len(), tree.len() + 1);
            tree[place] = Branch::Split {
                slot: next(4),
                threshold: VALUES[next(VALUES.len() - 1)],
                yes,
                no,
            };
            tree.extend([Branch::Leaf(old), Branch::Leaf(name as u32 + 1)]);
        }
    }
    tree
}

/// What thresholds and rows are made of; the last is no threshold.
pub(in crate::trees) const VALUES: [f32; 9] = [
    -1.0,
    0.0,
    -0.0,
    1.0,
    1.000_000_1,
    f32::MAX,
    f32::INFINITY,
    f32::NEG_INFINITY,
    f32::NAN,
];

pub(in crate::trees) fn walk(tree: &[Branch], row: &[f32]) -> u32 {
    let mut at = 0;
    loop {
        match tree[at] {
            Branch::Leaf(name) => return name,
            Branch::Split {
                slot,
                threshold,
                yes,
                no,
            } => at = if row[slot] <= threshold { yes } else { no },
        }
    }
}

#[test]
fn keys_are_in_the_order_of_floats() {
    for a in VALUES {
        for b in VALUES {
            if !a.is_nan() && !b.is_nan() {
                assert_eq!(key(a).cmp(&key(b)), a.partial_cmp(&b).unwrap(), "{a} {b}");
            }
        }
        assert!(key(a) <= key(f32::NAN) && key(a) > 0);
    }
    assert_eq!(key(-f32::NAN), key(f32::NAN));
}

#[test]
fn what_is_no_tree_is_refused() {
    let split = |yes, no| Branch::Split {
        slot: 0,
        threshold: 0.0,
        yes,
        no,
    };
    for (tree, expect) in [
        (vec![], None),
        (vec![Branch::Leaf(1)], Some(0)),
        (vec![split(1, 2), Branch::Leaf(0), Branch::Leaf(1)], Some(1)),
        // Itself, another's child, and what is not there.
        (vec![split(0, 1), Branch::Leaf(0)], None),
        (vec![split(1, 1), Branch::Leaf(0)], None),
        (vec![split(1, 7), Branch::Leaf(0)], None),
    ] {
        assert_eq!(Forest::new(4).add(&tree), expect, "{tree:?}");
    }
}

proptest! {
    #[test]
    fn all_ways_lead_to_the_same_leaves(
        seeds in proptest::collection::vec((any::<u64>(), 0_usize..60), 1..25),
        rows in proptest::array::uniform8(proptest::array::uniform4(0_usize..9)),
    ) {
        let rows = rows.map(|row| row.map(|value| VALUES[value]));
        let trees: Vec<_> = seeds.iter().map(|(seed, splits)| tree(*seed, *splits)).collect();
        let mut forest = Forest::new(4);
        let depths: Vec<_> = trees.iter().map(|tree| forest.add(tree).unwrap()).collect();
        forest.finish();
        let (mut slots, mut keys) = ([[0.0; TOGETHER]; 8], [[0; TOGETHER]; 8]);
        for (lane, row) in rows.iter().enumerate() {
            for (slot, x) in row.iter().enumerate() {
                slots[slot][lane] = *x;
                keys[slot][lane] = key(*x);
            }
        }
        for ((tree, root), depth) in trees.iter().zip(forest.roots()).zip(depths) {
            let expect = rows.map(|row| walk(tree, &row));
            prop_assert_eq!(forest.rows::<8>(*root, &keys), expect);
            if let Some(masked) = Flat::new(tree).and_then(|tree| Masked::new(&tree, depth)) {
                prop_assert_eq!(masked.rows::<8>(&slots), expect);
            }
        }
        let mut single = [[0]; 8];
        for (slot, x) in rows[0].iter().enumerate() {
            single[slot] = [key(*x)];
        }
        let expect: Vec<_> = trees.iter().map(|tree| walk(tree, &rows[0])).collect();
        let got = forest.groups().iter().flat_map(|group| forest.row::<8>(group, &single));
        prop_assert_eq!(got.take(trees.len()).collect::<Vec<_>>(), expect);
    }
}
