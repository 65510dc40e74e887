//! What leaves add: from a list of weights by tree and node to a number per leaf.

use std::collections::HashMap;

use super::{Unsupported, unsupported};
use crate::trees::ensemble::Leaves;

/// The list of weights.
pub(super) struct Added<'n> {
    pub(super) trees: &'n [i64],
    pub(super) nodes: &'n [i64],
    pub(super) targets: &'n [i64],
    pub(super) weights: &'n [f32],
}

/// Where the node of a tree is in the lists.
pub(super) struct Places {
    trees: HashMap<i64, usize>,
    nodes: Vec<Tree>,
}

/// One tree in the lists.
struct Tree {
    start: usize,
    len: usize,
    /// Its nodes by id, unless they are numbered 0, 1, …
    by_id: Option<HashMap<i64, usize>>,
}

impl Places {
    pub(super) fn new(
        ranges: &[(usize, usize)],
        trees: &[i64],
        ids: &[i64],
    ) -> Result<Self, Unsupported> {
        let mut places = Self {
            trees: HashMap::new(),
            nodes: Vec::new(),
        };
        for (tree, (start, end)) in ranges.iter().copied().enumerate() {
            places.trees.insert(trees[start], tree);
            let ids = &ids[start..end];
            let by_id = if ids.iter().copied().eq(0..ids.len() as i64) {
                None
            } else {
                let by_id: HashMap<_, _> = ids.iter().copied().zip(start..).collect();
                if by_id.len() != ids.len() {
                    return unsupported("a node of the ensemble is there twice");
                }
                Some(by_id)
            };
            let len = ids.len();
            places.nodes.push(Tree { start, len, by_id });
        }
        Ok(places)
    }

    /// The place of a node, by the tree's number in the lists and the node's id.
    pub(super) fn find(&self, tree: usize, id: i64) -> Option<usize> {
        let tree = self.nodes.get(tree)?;
        if let Some(by_id) = &tree.by_id {
            return by_id.get(&id).copied();
        }
        let id = usize::try_from(id).ok().filter(|id| *id < tree.len)?;
        Some(tree.start + id)
    }
}

/// Gives what leaves add and, by node, the leaf's name in it.
pub(super) fn read(
    added: &Added<'_>,
    places: &Places,
    ranges: &[(usize, usize)],
    is_leaf: &[bool],
    targets: usize,
) -> Result<(Leaves, Vec<u32>), Unsupported> {
    let count = added.targets.len();
    let lengths = [added.trees.len(), added.nodes.len(), added.weights.len()];
    if targets == 0 || lengths.iter().any(|length| *length != count) {
        return unsupported("the ensemble's lists of weights differ in length");
    }
    let mut entries: Vec<(usize, usize, f32)> = Vec::with_capacity(count);
    for index in 0..count {
        let tree = places.trees.get(&added.trees[index]);
        let place = tree.and_then(|tree| places.find(*tree, added.nodes[index]));
        let target = usize::try_from(added.targets[index]).ok();
        let target = target.filter(|target| *target < targets);
        let (Some(place), Some(target)) = (place, target) else {
            return unsupported("a weight of the ensemble belongs to nothing");
        };
        // Old converters gave weights to inner nodes, too; they count for nothing.
        if is_leaf[place] {
            entries.push((place, target, added.weights[index]));
        }
    }
    entries.sort_by_key(|(place, target, _)| (*place, *target));
    let leaves = is_leaf.iter().filter(|leaf| **leaf).count();
    let each = entries.chunk_by(|a, b| a.0 == b.0);
    let mut names = vec![0; is_leaf.len()];
    if entries.len() == leaves && each.clone().count() == leaves {
        for (place, _, weight) in &entries {
            names[*place] = weight.to_bits();
        }
        return Ok((by_tree(&entries, ranges)?, names));
    }
    let all = |leaf: &[(usize, usize, f32)]| leaf.iter().map(|entry| entry.1).eq(0..targets);
    if each.clone().count() != leaves || !each.clone().all(all) {
        return unsupported("leaves for some of the targets are not compiled");
    }
    for (name, leaf) in each.enumerate() {
        names[leaf[0].0] = u32::try_from(name).unwrap_or(u32::MAX);
    }
    let values = entries.iter().map(|(_, _, weight)| *weight).collect();
    Ok((Leaves::Each(values), names))
}

/// One value per leaf: which target each tree adds to.
fn by_tree(
    entries: &[(usize, usize, f32)],
    ranges: &[(usize, usize)],
) -> Result<Leaves, Unsupported> {
    let mut targets = Vec::with_capacity(ranges.len());
    let mut rest = entries;
    for (_, end) in ranges {
        let split = rest.partition_point(|(place, _, _)| place < end);
        let (tree, later) = rest.split_at(split);
        rest = later;
        let Some((_, target, _)) = tree.first() else {
            return unsupported("a tree of the ensemble has no leaf");
        };
        if tree.iter().any(|(_, other, _)| other != target) {
            return unsupported("leaves of one tree for several targets are not compiled");
        }
        targets.push(*target as u32);
    }
    if targets.iter().all(|target| *target == 0) {
        Ok(Leaves::First)
    } else {
        Ok(Leaves::Tree(targets))
    }
}
