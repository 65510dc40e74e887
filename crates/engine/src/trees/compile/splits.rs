//! The splits of an ensemble: from lists of attributes to trees of one kind of comparison.
//!
//! All comparisons become `x <= threshold`, with children swapped or the threshold moved by one ulp
//! where needed. Where a missing value must go with the smaller ones, the split reads a copy of its
//! slot in which NaN is negative infinity; splits on equality read a slot that says whether.

use std::collections::{HashMap, HashSet};

use inference::onnx::nodes::Node;

use super::ensemble::numbers;
use super::leaves::Places;
use super::{Unsupported, ints, texts, unsupported};
use crate::trees::arithmetic::Change;
use crate::trees::nodes::{Branch, MAX_SLOTS};

/// The most categories that one split asks for.
const MAX_CATEGORIES: usize = 1024;
/// Takes the place of a node that is one with another: whoever leads here is refused.
const NOWHERE: Branch = Branch::Split {
    slot: 0,
    threshold: 0.0,
    yes: usize::MAX,
    no: usize::MAX,
};

/// The lists that describe nodes, all of one length.
pub(super) struct Lists<'n> {
    pub(super) modes: &'n [&'n str],
    pub(super) trees: &'n [i64],
    pub(super) ids: &'n [i64],
    features: &'n [i64],
    values: &'n [f32],
    yes: &'n [i64],
    no: &'n [i64],
    missing_yes: &'n [i64],
}

impl<'n> Lists<'n> {
    pub(super) fn new(node: &'n Node<'n>) -> Result<Self, Unsupported> {
        let lists = Self {
            modes: texts(node, "nodes_modes"),
            trees: ints(node, "nodes_treeids"),
            ids: ints(node, "nodes_nodeids"),
            features: ints(node, "nodes_featureids"),
            values: numbers(node, "nodes_values")?,
            yes: ints(node, "nodes_truenodeids"),
            no: ints(node, "nodes_falsenodeids"),
            missing_yes: ints(node, "nodes_missing_value_tracks_true"),
        };
        let count = lists.modes.len();
        let lengths = [
            lists.trees.len(),
            lists.ids.len(),
            lists.features.len(),
            lists.values.len(),
            lists.yes.len(),
            lists.no.len(),
        ];
        if count == 0 || lengths.iter().any(|length| *length != count) {
            return unsupported("the ensemble's lists differ in length");
        }
        Ok(lists)
    }

    /// Whether a missing value goes to "yes".
    fn missing_yes(&self, index: usize) -> bool {
        self.missing_yes.get(index) == Some(&1)
    }

    /// What a node compares with, and the nodes that are one with it. A split by a set of categories
    /// is exported as a chain of nodes that each compare with one of them and share their "yes".
    fn equal(&self, first: usize, find: impl Fn(i64) -> Option<usize>) -> (Vec<f32>, Vec<usize>) {
        let mut values = vec![self.values[first]];
        let mut chain = Vec::new();
        let mut last = first;
        while self.modes[first] == "BRANCH_EQ" && values.len() < MAX_CATEGORIES {
            let Some(next) = find(self.no[last]) else {
                break;
            };
            let same = self.modes[next] == "BRANCH_EQ"
                && self.features[next] == self.features[first]
                && self.yes[next] == self.yes[first]
                && self.missing_yes(next) == self.missing_yes(first);
            if !same {
                break;
            }
            values.push(self.values[next]);
            chain.push(next);
            last = next;
        }
        (values, chain)
    }

    /// Where each tree begins and ends.
    pub(super) fn ranges(&self) -> Result<Vec<(usize, usize)>, Unsupported> {
        let mut ranges = Vec::new();
        let mut seen = HashSet::new();
        for tree in self.trees.chunk_by(|a, b| a == b) {
            let start = ranges.last().map_or(0, |(_, end)| *end);
            ranges.push((start, start + tree.len()));
            if !seen.insert(tree[0]) {
                return unsupported("the nodes of a tree do not lie together");
            }
        }
        Ok(ranges)
    }
}

/// Slots that splits read instead of their own, by what is done to it.
#[derive(Default)]
pub(super) struct Derived {
    places: HashMap<(usize, Option<Equal>), usize>,
    pub(super) from: Vec<usize>,
    pub(super) changes: Vec<Change>,
}

/// The values, as bits, that a split compares with, and whether a missing value counts as one.
type Equal = (Vec<u32>, bool);

impl Derived {
    /// The place among the derived slots of a copy that has negative infinity for NaN.
    fn missing_below(&mut self, slot: usize) -> usize {
        self.place((slot, None), || Change::MissingBelow)
    }

    /// The place of a slot that says whether this one is none of `values`.
    fn differs(&mut self, slot: usize, values: Vec<f32>, missing: bool) -> usize {
        let bits = values.iter().map(|value| value.to_bits()).collect();
        let change = || Change::Differs { values, missing };
        self.place((slot, Some((bits, missing))), change)
    }

    fn place(&mut self, key: (usize, Option<Equal>), change: impl FnOnce() -> Change) -> usize {
        let slot = key.0;
        *self.places.entry(key).or_insert_with(|| {
            self.from.push(slot);
            self.changes.push(change());
            self.from.len() - 1
        })
    }
}

/// A derived slot is yet without its final number: it is marked by this bit.
const DERIVED: usize = 1 << 40;

pub(super) fn settle(branch: Branch, first_derived: usize) -> Branch {
    match branch {
        Branch::Split {
            slot,
            threshold,
            yes,
            no,
        } if slot >= DERIVED => Branch::Split {
            slot: slot - DERIVED + first_derived,
            threshold,
            yes,
            no,
        },
        other => other,
    }
}

pub(super) fn branches(
    lists: &Lists<'_>,
    ids: &Places,
    ranges: &[(usize, usize)],
    slots: &[usize],
    names: &[u32],
    derived: &mut Derived,
) -> Result<Vec<Vec<Branch>>, Unsupported> {
    let mut trees = Vec::with_capacity(ranges.len());
    for (tree, (start, end)) in ranges.iter().copied().enumerate() {
        let mut branches = Vec::with_capacity(end - start);
        let mut merged = HashSet::new();
        for (index, name) in names.iter().enumerate().take(end).skip(start) {
            if lists.modes[index] == "LEAF" {
                branches.push(Branch::Leaf(*name));
                continue;
            }
            if merged.contains(&index) {
                branches.push(NOWHERE);
                continue;
            }
            let child = |id: i64| ids.find(tree, id);
            let (values, chain) = lists.equal(index, child);
            let last = chain.last().copied().unwrap_or(index);
            merged.extend(chain);
            let slot = usize::try_from(lists.features[index]);
            let slot = slot.ok().and_then(|feature| slots.get(feature)).copied();
            let (Some(yes), Some(no), Some(slot)) =
                (child(lists.yes[index]), child(lists.no[last]), slot)
            else {
                return unsupported("a node of the ensemble leads nowhere");
            };
            let (yes, no) = (yes - start, no - start);
            let missing_yes = lists.missing_yes(index);
            let (slot, threshold, swapped) =
                split(lists.modes[index], slot, values, missing_yes, derived)?;
            if derived.from.len() > MAX_SLOTS {
                return unsupported("the ensemble has too many splits by category");
            }
            let (yes, no) = if swapped { (no, yes) } else { (yes, no) };
            branches.push(Branch::Split {
                slot,
                threshold,
                yes,
                no,
            });
        }
        trees.push(branches);
    }
    Ok(trees)
}

/// Slot, threshold, and whether the children change places, of a comparison.
fn split(
    mode: &str,
    slot: usize,
    values: Vec<f32>,
    missing_yes: bool,
    derived: &mut Derived,
) -> Result<(usize, f32, bool), Unsupported> {
    let value = values[0];
    let (threshold, swapped) = match mode {
        "BRANCH_LEQ" => (value, false),
        "BRANCH_LT" => (value.next_down(), false),
        "BRANCH_GTE" => (value.next_down(), true),
        "BRANCH_GT" => (value, true),
        "BRANCH_EQ" | "BRANCH_NEQ" => {
            let swapped = mode == "BRANCH_NEQ";
            let missing = missing_yes && !swapped;
            let place = derived.differs(slot, values, missing);
            return Ok((DERIVED + place, 0.5, swapped));
        }
        other => return unsupported(format!("splits by {other} are not compiled")),
    };
    let below = matches!(mode, "BRANCH_LT" | "BRANCH_GTE");
    if value.is_nan() || (below && value == f32::NEG_INFINITY) {
        return unsupported("a split of the ensemble has no threshold");
    }
    // Before children change places, a missing value goes to `no` unless the node says otherwise.
    let slot = if missing_yes == swapped {
        slot
    } else {
        DERIVED + derived.missing_below(slot)
    };
    Ok((slot, threshold, swapped))
}
