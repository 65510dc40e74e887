//! `TreeEnsembleClassifier` and `TreeEnsembleRegressor`: from attributes to an operation.

use std::collections::HashSet;

use inference::onnx::nodes::{Attribute, Node, Values};
use inference::tensor::Datatype;

use super::leaves::{self, Added};
use super::splits::{Derived, Lists, branches, settle};
use super::{Compiler, Symbol, Unsupported, floats, int, ints, texts, unsupported, word};
use crate::trees::ensemble::{Ensemble, Leaves};
use crate::trees::flat::Flat;
use crate::trees::masks::Masked;
use crate::trees::nodes::{Branch, Forest};
use crate::trees::program::{Labels, Op, Place};
use crate::trees::ranks::Ranked;
use crate::trees::scores::{Finish, Transform};

/// A list of floats, which may come as a tensor.
pub(super) fn numbers<'n>(node: &'n Node<'_>, name: &str) -> Result<&'n [f32], Unsupported> {
    match node.attributes.get(format!("{name}_as_tensor").as_str()) {
        None => Ok(floats(node, name)),
        Some(Attribute::Tensor(tensor)) => match &tensor.values {
            Values::Fp32(values) => Ok(values),
            _ => unsupported("ensembles of 64-bit floats are not compiled"),
        },
        Some(_) => unsupported("an attribute of the ensemble is of another type"),
    }
}

impl Compiler<'_> {
    pub(super) fn ensemble(&mut self, node: &Node<'_>) -> Result<Vec<Symbol>, Unsupported> {
        let table = self.table(node, 0)?.clone();
        let slots = self.numbers(node, &table)?;
        let lists = Lists::new(node)?;
        let ranges = lists.ranges()?;
        let classes = node.operator == "TreeEnsembleClassifier";
        let labels = classes.then(|| labels(node)).transpose()?;
        let targets = match &labels {
            Some(Labels::Int(labels)) => labels.len(),
            Some(Labels::Text(labels)) => labels.len(),
            None => int(node, "n_targets")
                .and_then(|n| usize::try_from(n).ok())
                .unwrap_or(0),
        };
        let prefix = if classes { "class" } else { "target" };
        let weights = numbers(node, &format!("{prefix}_weights"))?;
        let added = Added {
            trees: ints(node, &format!("{prefix}_treeids")),
            nodes: ints(node, &format!("{prefix}_nodeids")),
            targets: ints(node, &format!("{prefix}_ids")),
            weights,
        };
        let (mut splits, mut masked) = (Vec::new(), Vec::new());
        let (leaves, mut forest, flat) = {
            let ids = leaves::Places::new(&ranges, lists.trees, lists.ids)?;
            let is_leaf: Vec<bool> = lists.modes.iter().map(|mode| *mode == "LEAF").collect();
            let (leaves, names) = leaves::read(&added, &ids, &ranges, &is_leaf, targets)?;
            let mut derived = Derived::default();
            let branches = branches(&lists, &ids, &ranges, &slots, &names, &mut derived)?;
            let first = self.change(derived.from, derived.changes)?;
            let mut forest = Forest::new(self.slots);
            let mut flat = Vec::with_capacity(branches.len());
            for tree in &branches {
                let tree: Vec<Branch> = tree.iter().map(|branch| settle(*branch, first)).collect();
                splits.extend(tree.iter().filter_map(|branch| match branch {
                    Branch::Split {
                        slot, threshold, ..
                    } => Some((*slot, *threshold)),
                    Branch::Leaf(_) => None,
                }));
                let Some(depth) = forest.add(&tree) else {
                    return unsupported("a tree of the ensemble is none, or is too large");
                };
                let small = Flat::new(&tree);
                masked.push(small.as_ref().and_then(|tree| Masked::new(tree, depth)));
                flat.push(small);
            }
            (leaves, forest, flat)
        };
        forest.finish();
        let flat: Option<Vec<Flat>> = flat.into_iter().collect();
        let ranked = flat.and_then(|trees| Ranked::new(&trees, forest.steps()));
        let finish = match &labels {
            Some(_) => classify(node, targets, &leaves, &added)?,
            None => regress(node, targets, ranges.len())?,
        };
        let read = self.slots;
        let scores = self.allocate(targets)?;
        let class = labels.is_some().then(|| self.allocate(1)).transpose()?;
        let binary = matches!(finish, Finish::Classify { binary: true, .. });
        self.ops.push(Op::Trees(Box::new(Ensemble {
            forest,
            ranked,
            masked,
            splits,
            read,
            leaves,
            finish,
            targets,
            scores,
            class,
        })));
        let table = Symbol::floats(vec![targets], scores, targets);
        let (Some(labels), Some(class)) = (labels, class) else {
            return Ok(vec![table]);
        };
        let labels = match labels {
            // With weights for both of two classes, ONNX Runtime answers 0 and 1 whatever they are
            // called, if they are called by numbers.
            Labels::Int(_) if targets == 2 && !binary => Labels::Int(vec![0, 1]),
            labels => labels,
        };
        let datatype = match labels {
            Labels::Int(_) => Datatype::Int64,
            Labels::Text(_) => Datatype::Bytes,
        };
        let mut label = Symbol::new(datatype, Vec::new(), vec![Place::Slot(class)]);
        label.labels = Some(labels);
        Ok(vec![label, table])
    }
}

fn labels(node: &Node<'_>) -> Result<Labels, Unsupported> {
    let (words, numbers) = (
        texts(node, "classlabels_strings"),
        ints(node, "classlabels_int64s"),
    );
    if words.is_empty() && numbers.len() >= 2 {
        Ok(Labels::Int(numbers.to_vec()))
    } else if words.len() >= 2 {
        Ok(Labels::Text(
            words.iter().map(|word| (*word).to_owned()).collect(),
        ))
    } else {
        unsupported("a classifier of fewer than two classes is not compiled")
    }
}

fn classify(
    node: &Node<'_>,
    targets: usize,
    leaves: &Leaves,
    added: &Added<'_>,
) -> Result<Finish, Unsupported> {
    let transform = match word(node, "post_transform") {
        None | Some("NONE") => Transform::None,
        Some("LOGISTIC") => Transform::Logistic,
        Some("SOFTMAX") => Transform::Softmax,
        Some("SOFTMAX_ZERO") => Transform::SoftmaxZero,
        Some(other) => return unsupported(format!("the transform {other} is not compiled")),
    };
    let base = numbers(node, "base_values")?.to_vec();
    if !(base.is_empty() || base.len() == targets || (base.len() == 1 && targets == 2)) {
        return unsupported("the ensemble has not one base value for each class");
    }
    let scored = (0..targets).map(|target| match leaves {
        Leaves::First => target == 0,
        Leaves::Tree(targets) => targets.contains(&(target as u32)),
        Leaves::Each(_) => true,
    });
    let distinct: HashSet<_> = added.targets.iter().collect();
    Ok(Finish::Classify {
        base,
        scored: scored.collect(),
        binary: targets == 2 && distinct.len() == 1,
        positive: !added.weights.iter().any(|weight| *weight < 0.0),
        transform,
    })
}

fn regress(node: &Node<'_>, targets: usize, trees: usize) -> Result<Finish, Unsupported> {
    let divisor = match word(node, "aggregate_function") {
        None | Some("SUM") => None,
        Some("AVERAGE") => Some(trees as f32),
        Some(other) => return unsupported(format!("the aggregate {other} is not compiled")),
    };
    if !matches!(word(node, "post_transform"), None | Some("NONE")) {
        return unsupported("a regressor's transform is not compiled");
    }
    let base = numbers(node, "base_values")?;
    let base = match base.len() {
        // A single target's origin of zero is added all the same: it makes 0 of -0.
        0 if targets == 1 => Some(vec![0.0]),
        0 => None,
        count if count == targets => Some(base.to_vec()),
        _ => return unsupported("the ensemble has not one base value for each target"),
    };
    Ok(Finish::Regress { divisor, base })
}
