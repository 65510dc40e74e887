//! Rows one by one through many small trees at a time, without a way down.
//!
//! Which leaves the splits on one slot leave to a row (see [`super::flat`]) depends on a single number: how many of their
//! thresholds, those of all trees in order, the value is above, which is its rank. So they are found beforehand, for each
//! rank, all trees side by side: a row needs a search in a short list for each slot that is read, and an "and" of the lines
//! that it finds. There is no latency to wait for, and nothing to mispredict. The price is memory, which grows with the
//! thresholds times the trees.

use std::ops::BitAnd;

use super::flat::{Flat, MOST_LEAVES};

/// The most bytes that lines may take: they should stay in a core's second cache, beside all else.
const MOST_BYTES: usize = 640 << 10;
/// Thresholds that are compared with at a time.
const WIDTH: usize = 16;
/// Bytes of a cache's line.
const LINE: usize = 64;

/// About what things take, in quarters of a nanosecond: a step down, of which many are under way, a comparison with
/// [`WIDTH`] thresholds, a line, a tree's leaf.
mod cost {
    pub(super) const STEP: usize = 3;
    pub(super) const SEARCH: usize = 20;
    pub(super) const LINE: usize = 3;
    pub(super) const LEAF: usize = 4;
}

/// An ensemble as lines by rank.
#[derive(Debug)]
pub(super) struct Ranked {
    columns: Vec<Column>,
    lines: Lines,
}

/// Trees of at most 32 leaves, or of at most 64.
#[derive(Debug)]
enum Lines {
    Narrow(Table<u32, { LINE / 4 }, 32>),
    Wide(Table<u64, { LINE / 8 }, MOST_LEAVES>),
}

/// A slot that splits read.
#[derive(Debug)]
struct Column {
    slot: usize,
    /// In order, filled up with infinity.
    thresholds: Vec<[f32; WIDTH]>,
    /// The last of each that is full, filled up with infinity.
    last: [f32; WIDTH],
    /// How many there are.
    count: usize,
    /// The lowest rank's place among the ranks of all columns.
    first: usize,
}

/// What splits leave.
#[derive(Debug)]
struct Table<M, const N: usize, const LEAVES: usize> {
    /// By rank of each column, and then `N` trees after the other.
    lines: Vec<Line<M, N>>,
    /// What the leaves of each tree are called.
    names: Vec<[u32; LEAVES]>,
}

#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
struct Line<M, const N: usize>([M; N]);

impl Ranked {
    /// `None` if it would be too large, or going down is better, which takes so many `steps`.
    pub(super) fn new(trees: &[Flat], steps: usize) -> Option<Self> {
        Self::of(trees).filter(|ranked| ranked.cost() <= steps * cost::STEP)
    }

    /// `None` if it would be too large, or there is no split.
    fn of(trees: &[Flat]) -> Option<Self> {
        let columns = columns(trees).filter(|columns| !columns.is_empty())?;
        let leaves = trees.iter().map(|tree| tree.leaves.len()).max()?;
        let lines = if leaves <= 32 {
            Lines::Narrow(Table::new(trees, &columns)?)
        } else {
            Lines::Wide(Table::new(trees, &columns)?)
        };
        Some(Self { columns, lines })
    }

    fn cost(&self) -> usize {
        let searches = self.columns.iter().map(Column::searches).sum::<usize>();
        let (trees, groups) = match &self.lines {
            Lines::Narrow(table) => (table.names.len(), table.groups()),
            Lines::Wide(table) => (table.names.len(), table.groups()),
        };
        searches * cost::SEARCH + self.columns.len() * groups * cost::LINE + trees * cost::LEAF
    }

    /// Gives each tree's leaf, in the order of the trees. `ranks` is room to compute in.
    #[inline(always)]
    pub(super) fn row(
        &self,
        value: impl Fn(usize) -> f32,
        ranks: &mut Vec<usize>,
        leaf: impl FnMut(u32),
    ) {
        ranks.clear();
        let columns = self.columns.iter();
        ranks.extend(columns.map(|column| column.first + column.rank(value(column.slot))));
        match &self.lines {
            Lines::Narrow(table) => table.leaves(ranks, leaf),
            Lines::Wide(table) => table.leaves(ranks, leaf),
        }
    }
}

/// The slots that trees read. `None` if one has too many thresholds, or a threshold is no number.
fn columns(trees: &[Flat]) -> Option<Vec<Column>> {
    let tests = trees.iter().flat_map(|tree| &tree.tests);
    let mut splits: Vec<(usize, f32)> = tests.map(|test| (test.slot, test.threshold)).collect();
    if splits.iter().any(|(_, threshold)| threshold.is_nan()) {
        return None;
    }
    splits.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    // Both zeros are one threshold.
    splits.dedup_by(|a, b| a.0 == b.0 && a.1 == b.1);
    let mut first = 0;
    let column = |splits: &[(usize, f32)]| {
        let thresholds: Vec<f32> = splits.iter().map(|(_, threshold)| *threshold).collect();
        let column = Column::new(splits[0].0, &thresholds, first)?;
        first += column.count + 1;
        Some(column)
    };
    splits.chunk_by(|a, b| a.0 == b.0).map(column).collect()
}

impl Column {
    /// `None` if there are too many thresholds, which are in order.
    fn new(slot: usize, thresholds: &[f32], first: usize) -> Option<Self> {
        let block = |values: &[f32]| {
            let mut block = [f32::INFINITY; WIDTH];
            block.get_mut(..values.len())?.copy_from_slice(values);
            Some(block)
        };
        let full = thresholds.chunks_exact(WIDTH);
        let last: Vec<f32> = full.map(|block| block[WIDTH - 1]).collect();
        Some(Self {
            slot,
            thresholds: thresholds.chunks(WIDTH).map(block).collect::<Option<_>>()?,
            last: block(&last)?,
            count: thresholds.len(),
            first,
        })
    }

    /// How many thresholds a value is above. NaN is above all.
    #[inline(always)]
    fn rank(&self, x: f32) -> usize {
        let rank = match self.thresholds.as_slice() {
            [only] => above(x, only),
            blocks => {
                let block = above(x, &self.last).min(blocks.len() - 1);
                block * WIDTH + above(x, &blocks[block])
            }
        };
        // Without those that fill up.
        rank.min(self.count)
    }

    /// How often that compares.
    fn searches(&self) -> usize {
        self.thresholds.len().min(2)
    }

    /// The places of the ranks whose values are above a threshold.
    fn ranks_above(&self, threshold: f32) -> std::ops::RangeInclusive<usize> {
        let sorted = self.thresholds.as_flattened();
        let below = sorted.partition_point(|other| *other < threshold);
        self.first + below + 1..=self.first + self.count
    }
}

/// How many thresholds say "no" to a value.
#[inline(always)]
fn above(x: f32, thresholds: &[f32; WIDTH]) -> usize {
    // In four sums, which the compiler keeps side by side.
    let mut yes = [0_u32; 4];
    for four in thresholds.as_chunks::<4>().0 {
        for (yes, threshold) in yes.iter_mut().zip(four) {
            *yes += u32::from(x <= *threshold);
        }
    }
    WIDTH - yes.iter().sum::<u32>() as usize
}

/// The bits of a tree's leaves.
trait Bits: Copy + BitAnd<Output = Self> {
    const ALL: Self;

    /// The first bits of more.
    fn of(bits: u64) -> Self;

    /// The first that is left; the last if none is.
    fn first(self) -> usize;
}

impl Bits for u32 {
    const ALL: Self = Self::MAX;

    fn of(bits: u64) -> Self {
        bits as Self
    }

    #[inline(always)]
    fn first(self) -> usize {
        (self | 1 << (Self::BITS - 1)).trailing_zeros() as usize
    }
}

impl Bits for u64 {
    const ALL: Self = Self::MAX;

    fn of(bits: u64) -> Self {
        bits
    }

    #[inline(always)]
    fn first(self) -> usize {
        (self | 1 << (Self::BITS - 1)).trailing_zeros() as usize
    }
}

impl<M: Bits, const N: usize, const LEAVES: usize> Table<M, N, LEAVES> {
    /// `None` if it is too large.
    fn new(trees: &[Flat], columns: &[Column]) -> Option<Self> {
        let ranks: usize = columns.iter().map(|column| column.count + 1).sum();
        let groups = trees.len().div_ceil(N);
        if ranks * groups * LINE > MOST_BYTES {
            return None;
        }
        let mut lines = vec![Line([M::ALL; N]); ranks * groups];
        for (place, tree) in trees.iter().enumerate() {
            for test in &tree.tests {
                let column = columns.iter().find(|column| column.slot == test.slot)?;
                for rank in column.ranks_above(test.threshold) {
                    let mask = &mut lines[rank * groups + place / N].0[place % N];
                    *mask = *mask & M::of(test.keep);
                }
            }
        }
        let names = |tree: &Flat| {
            let mut names = [0; LEAVES];
            names[..tree.leaves.len()].copy_from_slice(&tree.leaves);
            names
        };
        let names = trees.iter().map(names).collect();
        Some(Self { lines, names })
    }

    /// Lines of a rank.
    fn groups(&self) -> usize {
        self.names.len().div_ceil(N)
    }

    #[inline(always)]
    fn leaves(&self, ranks: &[usize], mut leaf: impl FnMut(u32)) {
        let groups = self.groups();
        for (group, names) in self.names.chunks(N).enumerate() {
            let mut left = Line([M::ALL; N]);
            meet(&self.lines[group..], ranks, groups, &mut left);
            for (names, left) in names.iter().zip(left.0) {
                leaf(names[left.first() & (LEAVES - 1)]);
            }
        }
    }
}

/// What is left by all of some ranks, of those trees whose lines begin `lines`. Not in line with what looks at the bits one
/// by one, for whose sake the compiler would take them one by one here, too.
#[inline(never)]
fn meet<M: Bits, const N: usize>(
    lines: &[Line<M, N>],
    ranks: &[usize],
    groups: usize,
    left: &mut Line<M, N>,
) {
    let mut all = [M::ALL; N];
    for rank in ranks {
        for (all, mask) in all.iter_mut().zip(&lines[*rank * groups].0) {
            *all = *all & *mask;
        }
    }
    left.0 = all;
}

#[cfg(test)]
mod tests;
