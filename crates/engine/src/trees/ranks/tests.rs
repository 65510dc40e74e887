//! Ranks against counting, leaves against a walker that takes one step at a time, and what is not ranked.

use proptest::prelude::*;

use super::*;
use crate::trees::nodes::Branch;
use crate::trees::nodes::tests::{VALUES, tree, walk};

/// Every number of thresholds up to a few blocks, and the most that there may be.
#[test]
fn a_rank_is_the_number_of_thresholds_that_say_no() {
    for count in (1..70).chain([WIDTH * WIDTH]) {
        let thresholds: Vec<f32> = (0..count).map(|n| n as f32 * 0.5 - 8.0).collect();
        let column = Column::new(0, &thresholds, 0).unwrap();
        let between = (0..4 * count + 8).map(|n| n as f32 * 0.125 - 8.5);
        for x in between.chain(VALUES) {
            let yes = thresholds.iter().filter(|threshold| x <= **threshold);
            assert_eq!(column.rank(x), count - yes.count(), "{x} of {count}");
        }
    }
    let many: Vec<f32> = (0..=WIDTH * (WIDTH + 1)).map(|n| n as f32).collect();
    assert!(Column::new(0, &many, 0).is_none());
}

/// Infinity is a threshold like another, though it fills up, too.
#[test]
fn infinity_may_be_a_threshold() {
    let column = Column::new(0, &[f32::NEG_INFINITY, 0.0, f32::INFINITY], 0).unwrap();
    let values = [f32::NEG_INFINITY, -1.0, -0.0, 1.0, f32::INFINITY, f32::NAN];
    assert_eq!(values.map(|x| column.rank(x)), [0, 1, 1, 2, 2, 3]);
}

fn flat(trees: &[Vec<Branch>]) -> Option<Vec<Flat>> {
    trees.iter().map(|tree| Flat::new(tree)).collect()
}

/// A tree of `splits` splits in a row, with the thresholds from `first` on.
fn chain(splits: usize, slots: usize, first: usize) -> Vec<Branch> {
    let split = |split: usize| {
        let branch = Branch::Split {
            slot: split % slots,
            threshold: (first + split) as f32,
            yes: 2 * split + 1,
            no: 2 * split + 2,
        };
        [branch, Branch::Leaf(split as u32)]
    };
    let mut tree: Vec<_> = (0..splits).flat_map(split).collect();
    tree.push(Branch::Leaf(splits as u32));
    tree
}

#[test]
fn only_what_is_small_enough_is_ranked() {
    let ranked = |trees: &[Vec<Branch>]| {
        let trees = flat(trees);
        trees.and_then(|trees| Ranked::of(&trees)).is_some()
    };
    assert!(ranked(&[chain(31, 2, 0)]) && ranked(&[chain(63, 2, 0)]));
    // More leaves than there are bits.
    assert!(!ranked(&[chain(64, 2, 0)]));
    let chains = |count: usize, slots: usize| {
        let chain = |n: usize| chain(31, slots, 31 * n);
        (0..count).map(chain).collect::<Vec<_>>()
    };
    // More thresholds on one slot than a search is made for.
    assert!(ranked(&chains(8, 1)) && !ranked(&chains(9, 1)));
    // More lines than a cache holds.
    assert!(ranked(&chains(64, 31)) && !ranked(&chains(80, 31)));
    // Nothing to search.
    assert!(!ranked(&[vec![Branch::Leaf(1)]]));
}

#[test]
fn going_down_is_left_to_those_that_it_is_better_for() {
    let trees: Vec<_> = (0..100).map(|n| chain(6, 6, 6 * (n % 4))).collect();
    let trees = flat(&trees).unwrap();
    // Six columns of 4 thresholds: 6 searches, 6 times 7 lines, 100 leaves.
    let cost = 6 * cost::SEARCH + 42 * cost::LINE + 100 * cost::LEAF;
    assert!(Ranked::new(&trees, (cost - 1) / cost::STEP).is_none());
    assert!(Ranked::new(&trees, cost.div_ceil(cost::STEP)).is_some());
}

proptest! {
    #[test]
    fn ranks_lead_to_the_leaves_that_the_way_down_leads_to(
        seeds in proptest::collection::vec((any::<u64>(), 0_usize..30), 1..40),
        wide in proptest::option::of((any::<u64>(), 32_usize..60)),
        row in proptest::array::uniform4(0_usize..9),
    ) {
        let row = row.map(|value| VALUES[value]);
        let seeds = seeds.into_iter().chain(wide);
        let trees: Vec<_> = seeds.map(|(seed, splits)| tree(seed, splits)).collect();
        let expect: Vec<_> = trees.iter().map(|tree| walk(tree, &row)).collect();
        let Some(ranked) = Ranked::of(&flat(&trees).unwrap()) else {
            // Leaves alone.
            prop_assert!(trees.iter().all(|tree| tree.len() == 1));
            return Ok(());
        };
        let mut got = Vec::new();
        ranked.row(|slot| row[slot], &mut vec![7], |leaf| got.push(leaf));
        prop_assert_eq!(got, expect);
    }
}
