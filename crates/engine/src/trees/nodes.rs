//! Flat nodes of many trees, and the way down them.
//!
//! A node is eight bytes. Every split asks `x <= threshold`; the child for "no" (which is also NaN's)
//! lies right behind the child for "yes", so the next node is an addition, not a branch. Floats are
//! compared as integers of the same order ([`key`]), which takes less time. A leaf leads to itself,
//! as it reads a slot whose key is below all: a descent may take more steps than a path is long, and
//! all paths of a group take the same number. So a leaf needs no threshold, and has its name there.
//! Several paths go down together, as each step waits
//! for memory.

/// Bits of a node that name the slot; the rest is the distance to the child for "yes".
const SLOT_BITS: u32 = 12;
/// The most slots that nodes can name.
pub(super) const MAX_SLOTS: usize = 1 << SLOT_BITS;
/// The most nodes of one tree.
pub(super) const MAX_TREE: usize = 1 << 18;
/// Rows that go down a tree together.
pub(super) const TOGETHER: usize = 8;
/// Trees that a row goes down side by side.
pub(super) const ABREAST: usize = 10;
/// After this many steps it is looked at for the first time whether all paths have ended; before, a
/// branch that cannot be predicted would cost more than the steps it saves.
const FIRST_STRETCH: u32 = 8;
/// After this many more it is looked at again.
const STRETCH: u32 = 3;

/// A node of a tree that is yet to be laid out; children are places in the same list.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Branch {
    /// `slot <= threshold` goes to `yes`, everything else to `no`.
    Split {
        slot: usize,
        threshold: f32,
        yes: usize,
        no: usize,
    },
    /// The end, and what it is called outside.
    Leaf(u32),
}

/// An integer for a float, in the same order. Both zeros are one; NaN is above everything.
#[inline(always)]
pub(super) fn key(x: f32) -> u32 {
    // Adding zero makes a zero of minus zero.
    let bits = (x + 0.0).to_bits();
    let flip = (bits.cast_signed() >> 31).cast_unsigned() | 1 << 31;
    if x.is_nan() { u32::MAX } else { bits ^ flip }
}

#[derive(Debug, Clone, Copy)]
struct Node {
    /// The key of the threshold, or the leaf's name.
    threshold: u32,
    /// The slot, and the distance to the child for "yes", which is 0 for a leaf.
    step: u32,
}

impl Node {
    /// Slots are below [`MAX_SLOTS`], and distances below [`MAX_TREE`].
    fn new(threshold: u32, slot: usize, distance: usize) -> Self {
        let step = (distance << SLOT_BITS | slot & (MAX_SLOTS - 1)) as u32;
        Self { threshold, step }
    }

    fn is_leaf(self) -> bool {
        self.step >> SLOT_BITS == 0
    }

    #[inline(always)]
    fn slot(self) -> usize {
        self.step as usize & (MAX_SLOTS - 1)
    }

    /// The node after the one at `at`.
    #[inline(always)]
    fn next(self, at: usize, key: u32) -> usize {
        let no = usize::from(self.threshold < key);
        at.wrapping_add((self.step >> SLOT_BITS) as usize)
            .wrapping_add(no)
    }
}

/// Where a tree begins, and how many steps its longest path has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Root {
    start: usize,
    depth: u32,
}

/// [`ABREAST`] trees that a single row goes down side by side. What is missing in the last group is
/// filled with a leaf.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group {
    starts: [usize; ABREAST],
    depth: u32,
}

/// All trees of an ensemble.
#[derive(Debug)]
pub(super) struct Forest {
    nodes: Vec<Node>,
    /// The slot whose key is 0.
    zero: usize,
    roots: Vec<Root>,
    groups: Vec<Group>,
}

impl Forest {
    /// No trees. `zero` is the slot whose key is always 0.
    pub(super) fn new(zero: usize) -> Self {
        // The first node is a leaf that adds zero: it fills the last group.
        Self {
            nodes: vec![Node::new(0, zero, 0)],
            zero,
            roots: Vec::new(),
            groups: Vec::new(),
        }
    }

    /// Adds a tree whose root comes first, and gives the length of its longest path. `None` if a
    /// node has several parents, or it is too large; nodes without a parent are left out.
    pub(super) fn add(&mut self, tree: &[Branch]) -> Option<usize> {
        if tree.is_empty() || tree.len() > MAX_TREE {
            return None;
        }
        let start = self.nodes.len();
        // Level by level, siblings side by side: the first levels of a tree share a cache line.
        let mut order = vec![0];
        let mut depths = vec![0];
        let mut place = 0;
        while let Some(branch) = order.get(place).map(|index| tree.get(*index)) {
            let node = match *branch? {
                Branch::Leaf(name) => Node::new(name, self.zero, 0),
                Branch::Split {
                    slot,
                    threshold,
                    yes,
                    no,
                } => {
                    let distance = order.len() - place;
                    order.extend([yes, no]);
                    depths.extend([depths[place] + 1; 2]);
                    Node::new(key(threshold), slot, distance)
                }
            };
            self.nodes.push(node);
            place += 1;
            if order.len() > tree.len() {
                return None;
            }
        }
        let depth = depths.iter().copied().max().unwrap_or(0);
        self.roots.push(Root { start, depth });
        Some(depth as usize)
    }

    /// Groups the trees, once all are there.
    pub(super) fn finish(&mut self) {
        self.groups = self
            .roots
            .chunks(ABREAST)
            .map(|roots| {
                let mut starts = [0; ABREAST];
                for (start, root) in starts.iter_mut().zip(roots) {
                    *start = root.start;
                }
                let depth = roots.iter().map(|root| root.depth).max().unwrap_or(0);
                Group { starts, depth }
            })
            .collect();
        // Going down equally far everywhere takes more steps, but ends where the processor expects it,
        // which is worth more unless it is much too far.
        let depths = || self.groups.iter().map(|group| group.depth as usize);
        let deepest = depths().max().unwrap_or(0);
        if deepest * self.groups.len() * 10 <= depths().sum::<usize>() * 11 {
            self.groups
                .iter_mut()
                .for_each(|group| group.depth = deepest as u32);
        }
        self.nodes.shrink_to_fit();
    }

    pub(super) fn nodes(&self) -> usize {
        self.nodes.len() - 1
    }

    /// The most steps that a single row takes.
    pub(super) fn steps(&self) -> usize {
        let steps = |group: &Group| group.depth as usize * ABREAST;
        self.groups.iter().map(steps).sum()
    }

    pub(super) fn roots(&self) -> &[Root] {
        &self.roots
    }

    pub(super) fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// One tree for [`TOGETHER`] rows. `S` is a power of two above every slot.
    #[inline(always)]
    pub(super) fn rows<const S: usize>(
        &self,
        root: Root,
        window: &[[u32; TOGETHER]; S],
    ) -> [u32; TOGETHER] {
        self.descend([root.start; TOGETHER], root.depth, |lane, slot| {
            window[slot & (S - 1)][lane]
        })
    }

    /// A group of trees for one row.
    #[inline(always)]
    pub(super) fn row<const S: usize>(
        &self,
        group: &Group,
        window: &[[u32; 1]; S],
    ) -> [u32; ABREAST] {
        self.descend(group.starts, group.depth, |_, slot| {
            window[slot & (S - 1)][0]
        })
    }

    /// Gives the leaves' names.
    #[inline(always)]
    fn descend<const PATHS: usize>(
        &self,
        mut at: [usize; PATHS],
        mut depth: u32,
        key: impl Fn(usize, usize) -> u32,
    ) -> [u32; PATHS] {
        let nodes = self.nodes.as_slice();
        let mut most = FIRST_STRETCH;
        while depth > 0 {
            let stretch = depth.min(most);
            most = STRETCH;
            depth -= stretch;
            for _ in 0..stretch {
                for (lane, at) in at.iter_mut().enumerate() {
                    let node = nodes[*at];
                    *at = node.next(*at, key(lane, node.slot()));
                }
            }
            if depth > 0 && at.iter().all(|at| nodes[*at].is_leaf()) {
                break;
            }
        }
        // Not `map`, which the compiler may call.
        let mut names = [0; PATHS];
        for (name, at) in names.iter_mut().zip(at) {
            *name = nodes[at].threshold;
        }
        names
    }
}

#[cfg(test)]
pub(super) mod tests;
