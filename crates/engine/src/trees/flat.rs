//! A small tree as a list of its splits, each with the leaves that are left where its answer is "no".
//!
//! A row starts with a bit for each leaf, in order; the first that all its splits leave is its leaf. [`super::masks`] and
//! [`super::ranks`] do that in two ways.
//!
//! Source: Lucchese et al., "QuickScorer: a fast algorithm to rank documents with additive ensembles
//! of regression trees", SIGIR 2015.

use super::nodes::Branch;

/// The most leaves of a tree.
pub(super) const MOST_LEAVES: usize = 64;

/// A tree.
#[derive(Debug, Default)]
pub(super) struct Flat {
    pub(super) tests: Vec<Test>,
    /// What its leaves are called.
    pub(super) leaves: Vec<u32>,
}

/// A split.
#[derive(Debug)]
pub(super) struct Test {
    pub(super) slot: usize,
    pub(super) threshold: f32,
    /// The leaves that "no" leaves.
    pub(super) keep: u64,
}

impl Flat {
    /// `None` if there are too many leaves, or it is no tree. Its root comes first.
    pub(super) fn new(tree: &[Branch]) -> Option<Self> {
        let mut flat = Self::default();
        flat.add(tree, 0)?;
        Some(flat)
    }

    /// Adds what is below `place`.
    fn add(&mut self, tree: &[Branch], place: usize) -> Option<()> {
        match *tree.get(place)? {
            Branch::Leaf(name) => self.leaves.push(name),
            Branch::Split {
                slot,
                threshold,
                yes,
                no,
            } => {
                let (test, first) = (self.tests.len(), self.leaves.len());
                self.tests.push(Test {
                    slot,
                    threshold,
                    keep: 0,
                });
                // There is one leaf more than splits. What is no tree ends here, too.
                if self.tests.len() >= MOST_LEAVES {
                    return None;
                }
                self.add(tree, yes)?;
                let middle = self.leaves.len();
                self.tests[test].keep = !(below(middle) ^ below(first));
                self.add(tree, no)?;
            }
        }
        Some(())
    }
}

/// The bits of the leaves before this one.
fn below(leaf: usize) -> u64 {
    1_u64.checked_shl(leaf as u32).unwrap_or(0).wrapping_sub(1)
}
