//! Which trees are masked; that they lead to the right leaves is tested beside the flat nodes.

use super::*;
use crate::trees::nodes::Branch;

/// A tree of `splits` splits in a row, or as wide as can be.
fn tree(splits: usize, chain: bool) -> Vec<Branch> {
    let mut tree = Vec::new();
    for split in 0..splits {
        let (yes, no) = if chain {
            (2 * split + 2, 2 * split + 1)
        } else {
            (2 * split + 1, 2 * split + 2)
        };
        let branch = Branch::Split {
            slot: 0,
            threshold: split as f32,
            yes,
            no,
        };
        if chain {
            tree.extend([branch, Branch::Leaf(split as u32)]);
        } else {
            tree.push(branch);
        }
    }
    let leaves = if chain { 1 } else { splits + 1 };
    tree.extend((0..leaves).map(|leaf| Branch::Leaf(leaf as u32)));
    tree
}

#[test]
fn only_small_trees_that_are_not_flat_are_masked() {
    for (tree, depth, expect) in [
        (tree(0, false), 0, true),
        (tree(15, false), 4, true),
        // As many leaves as there are bits, and one more.
        (tree(31, true), 31, true),
        (tree(32, true), 32, false),
        // Cheaper to go down five levels than to try 31 splits.
        (tree(31, false), 5, false),
    ] {
        let masked = Flat::new(&tree).and_then(|tree| Masked::new(&tree, depth));
        assert_eq!(masked.is_some(), expect, "{} nodes", tree.len());
    }
}
