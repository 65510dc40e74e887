//! Small trees for blocks of rows: every split is tried on every row, without a way down.
//!
//! Of each split, every row of a block takes the leaves that its answer leaves (see [`flat`]), so the
//! compiler makes a few wide instructions of each split, and there is no latency to wait for. For
//! more than a few rows this beats descending, unless a tree has many splits on few levels. It is done
//! tree by tree, as sums must be made in their order.

use super::flat::{self, Flat};
use super::nodes::TOGETHER;

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
    /// `None` if the tree is too large, or descending it is better.
    pub(super) fn new(tree: &Flat, depth: usize) -> Option<Self> {
        if tree.tests.len() > depth * STEP {
            return None;
        }
        let mut leaves = [0; MOST_LEAVES];
        leaves
            .get_mut(..tree.leaves.len())?
            .copy_from_slice(&tree.leaves);
        let test = |test: &flat::Test| {
            Some(Test {
                threshold: test.threshold,
                slot: u32::try_from(test.slot).ok()?,
                keep: test.keep as u32,
            })
        };
        let tests = tree.tests.iter().map(test).collect::<Option<_>>()?;
        Some(Self { tests, leaves })
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
