//! Small trees for blocks of rows: every split is tried on every row, without a way down.
//!
//! A row starts with a bit for each leaf, in order. A split whose answer is "no" takes away those
//! below its "yes"; the first that is left is the row's leaf. All rows of a block do the same, so the
//! compiler makes a few wide instructions of each split, and there is no latency to wait for. For
//! more than a few rows this beats descending, unless a tree has many splits on few levels.
//!
//! Source: Lucchese et al., "QuickScorer: a fast algorithm to rank documents with additive ensembles
//! of regression trees", SIGIR 2015; here tree by tree, as sums must be made in their order.

use super::nodes::{Branch, TOGETHER};

/// The most leaves of a tree that is masked.
const MOST_LEAVES: usize = 32;
/// About what a step down costs for a block, in splits tried.
const STEP: usize = 5;

/// A split.
#[derive(Debug, Clone, Copy)]
struct Test {
    threshold: f32,
    slot: u32,
    /// The leaves that "no" leaves.
    keep: u32,
}

/// A tree as a list of splits.
#[derive(Debug)]
pub(super) struct Masked {
    tests: Vec<Test>,
    leaves: [u32; MOST_LEAVES],
}

impl Masked {
    /// `None` if the tree is too large, or descending it is better. It is one, with its root first.
    pub(super) fn new(tree: &[Branch], depth: usize) -> Option<Self> {
        let mut masked = Self {
            tests: Vec::new(),
            leaves: [0; MOST_LEAVES],
        };
        masked.add(tree, 0, 0)?;
        masked.tests.shrink_to_fit();
        (masked.tests.len() <= depth * STEP).then_some(masked)
    }

    /// Adds what is below `place`, with `first` leaves before it; gives how many there are then.
    fn add(&mut self, tree: &[Branch], place: usize, first: usize) -> Option<usize> {
        match *tree.get(place)? {
            Branch::Leaf(leaf) => {
                *self.leaves.get_mut(first)? = leaf;
                Some(first + 1)
            }
            Branch::Split {
                slot,
                threshold,
                yes,
                no,
            } => {
                let test = self.tests.len();
                if test >= MOST_LEAVES {
                    return None;
                }
                self.tests.push(Test {
                    threshold,
                    slot: u32::try_from(slot).ok()?,
                    keep: 0,
                });
                let middle = self.add(tree, yes, first)?;
                let below = |leaf: usize| 1_u64.checked_shl(leaf as u32).unwrap_or(0) - 1;
                self.tests[test].keep = !((below(middle) ^ below(first)) as u32);
                self.add(tree, no, middle)
            }
        }
    }

    /// The leaves of a block of rows. `S` is a power of two above every slot.
    #[inline(always)]
    pub(super) fn rows<const S: usize>(&self, window: &[[f32; TOGETHER]; S]) -> [u32; TOGETHER] {
        let mut left = [u32::MAX; TOGETHER];
        for test in &self.tests {
            let row = &window[test.slot as usize & (S - 1)];
            for (left, x) in left.iter_mut().zip(row) {
                let yes = if *x <= test.threshold { u32::MAX } else { 0 };
                *left &= test.keep | yes;
            }
        }
        left.map(|left| {
            let leaf = (left | 1 << (MOST_LEAVES - 1)).trailing_zeros();
            self.leaves[leaf as usize & (MOST_LEAVES - 1)]
        })
    }
}

#[cfg(test)]
mod tests;
