//! One ensemble: its trees, what their leaves add, and how sums become outputs.
//!
//! Sums are made tree by tree, as a single thread of ONNX Runtime makes them; floating point would
//! give another result in any other order.

use super::masks::Masked;
use super::nodes::{ABREAST, Forest, TOGETHER, key};
use super::ranks::Ranked;
use super::scores::Finish;

/// What leaves add. A leaf is a number that the forest gives.
#[derive(Debug)]
pub(super) enum Leaves {
    /// The leaf is the bits of a value, for the first target.
    First,
    /// The leaf is the bits of a value, for the target of its tree.
    Tree(Vec<u32>),
    /// A value for each target: leaf `n` has those from `n * targets` on.
    Each(Vec<f32>),
}

/// Room to compute a row in.
#[derive(Debug, Default)]
pub(super) struct RowRoom {
    keys: Vec<[u32; 1]>,
    ranks: Vec<usize>,
}

/// An ensemble that reads slots of a row and writes others.
#[derive(Debug)]
pub(super) struct Ensemble {
    pub(super) forest: Forest,
    /// The same without a way down, where that is better for single rows.
    pub(super) ranked: Option<Ranked>,
    /// By tree: the same without a way down, where that is better for blocks.
    pub(super) masked: Vec<Option<Masked>>,
    /// Slots and thresholds of all splits, for choosing inputs to try.
    pub(super) splits: Vec<(usize, f32)>,
    /// Slots from here on are not read; the key of this one is 0.
    pub(super) read: usize,
    pub(super) leaves: Leaves,
    pub(super) finish: Finish,
    /// Targets or classes.
    pub(super) targets: usize,
    /// Where the scores go: this slot and those behind it.
    pub(super) scores: usize,
    /// Where the place of the class goes.
    pub(super) class: Option<usize>,
}

impl Ensemble {
    /// Computes one row.
    pub(super) fn row<const S: usize>(
        &self,
        slots: &mut [[f32; 1]],
        room: &mut RowRoom,
        sums: &mut Vec<f32>,
    ) {
        sums.clear();
        sums.resize(self.targets, 0.0);
        let sums = sums.as_mut_slice();
        match &self.leaves {
            Leaves::First => {
                let mut sum = 0.0;
                self.each::<S>(slots, room, |leaf| sum += f32::from_bits(leaf));
                sums[0] = sum;
            }
            Leaves::Tree(targets) => {
                let mut targets = targets.iter();
                self.each::<S>(slots, room, |leaf| {
                    if let Some(target) = targets.next() {
                        sums[*target as usize] += f32::from_bits(leaf);
                    }
                });
            }
            Leaves::Each(values) => self.each::<S>(slots, room, |leaf| {
                let leaf = &values[leaf as usize * sums.len()..][..sums.len()];
                sums.iter_mut()
                    .zip(leaf)
                    .for_each(|(sum, value)| *sum += value);
            }),
        }
        let class = self.finish.finish(sums);
        for (slot, score) in slots[self.scores..].iter_mut().zip(&*sums) {
            slot[0] = *score;
        }
        if let Some(slot) = self.class {
            slots[slot][0] = class as f32;
        }
    }

    /// Gives each tree's leaf for one row, in the order of the trees.
    #[inline(always)]
    fn each<const S: usize>(
        &self,
        slots: &[[f32; 1]],
        room: &mut RowRoom,
        mut leaf: impl FnMut(u32),
    ) {
        if let Some(ranked) = &self.ranked {
            return ranked.row(|slot| slots[slot][0], &mut room.ranks, leaf);
        }
        let keys = &mut room.keys;
        keys.resize(S, [0]);
        for (key_of, slot) in keys.iter_mut().zip(&slots[..self.read]) {
            *key_of = slot.map(key);
        }
        keys[self.read] = [0];
        let Some(window) = keys.first_chunk::<S>() else {
            return;
        };
        let mut left = self.forest.roots().len();
        for group in self.forest.groups() {
            let leaves = self.forest.row::<S>(group, window);
            if left >= ABREAST {
                leaves.into_iter().for_each(&mut leaf);
                left -= ABREAST;
            } else {
                leaves.into_iter().take(left).for_each(&mut leaf);
            }
        }
    }

    /// Computes blocks of rows; those of a block lie `stride` slots behind those of the block before.
    pub(super) fn rows<const S: usize>(
        &self,
        slots: &mut [[f32; TOGETHER]],
        stride: usize,
        blocks: usize,
        keys: &mut Vec<[u32; TOGETHER]>,
        sums: &mut Vec<[f32; TOGETHER]>,
    ) {
        let width = self.targets;
        if self.masked.iter().any(Option::is_none) {
            self.keys(slots, stride, blocks, S, keys);
        }
        sums.clear();
        sums.resize(width * blocks, [0.0; TOGETHER]);
        let trees = self.forest.roots().iter().zip(&self.masked);
        for (tree, (root, masked)) in trees.enumerate() {
            for (block, sums) in sums.chunks_mut(width).enumerate() {
                let leaves = match masked {
                    Some(masked) => slots[block * stride..]
                        .first_chunk::<S>()
                        .map(|window| masked.rows::<S>(window)),
                    None => keys[block * (self.read + 1)..]
                        .first_chunk::<S>()
                        .map(|window| self.forest.rows::<S>(*root, window)),
                };
                let Some(leaves) = leaves else { continue };
                match &self.leaves {
                    Leaves::First | Leaves::Tree(_) => {
                        let target = match &self.leaves {
                            Leaves::Tree(targets) => targets[tree] as usize,
                            _ => 0,
                        };
                        for (sum, leaf) in sums[target].iter_mut().zip(leaves) {
                            *sum += f32::from_bits(leaf);
                        }
                    }
                    Leaves::Each(values) => {
                        for (lane, leaf) in leaves.iter().enumerate() {
                            let leaf = &values[*leaf as usize * width..][..width];
                            for (sum, value) in sums.iter_mut().zip(leaf) {
                                sum[lane] += value;
                            }
                        }
                    }
                }
            }
        }
        let mut scores = Vec::with_capacity(width);
        for (block, sums) in sums.chunks(width).enumerate() {
            let slots = &mut slots[block * stride..];
            for lane in 0..TOGETHER {
                scores.clear();
                scores.extend(sums.iter().map(|sum| sum[lane]));
                let class = self.finish.finish(&mut scores);
                for (slot, score) in slots[self.scores..].iter_mut().zip(&scores) {
                    slot[lane] = *score;
                }
                if let Some(slot) = self.class {
                    slots[slot][lane] = class as f32;
                }
            }
        }
    }

    /// The keys of what is read, for blocks that go down.
    fn keys(
        &self,
        slots: &[[f32; TOGETHER]],
        stride: usize,
        blocks: usize,
        spare: usize,
        keys: &mut Vec<[u32; TOGETHER]>,
    ) {
        let room = blocks * (self.read + 1) + spare;
        if keys.len() < room {
            keys.resize(room, [0; TOGETHER]);
        }
        for block in 0..blocks {
            let slots = &slots[block * stride..][..self.read];
            let keys = &mut keys[block * (self.read + 1)..];
            for (key_of, slot) in keys.iter_mut().zip(slots) {
                *key_of = slot.map(key);
            }
            keys[self.read] = [0; TOGETHER];
        }
    }
}
