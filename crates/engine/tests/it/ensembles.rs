//! Random ensembles as ONNX, with a walker that knows only what the standard says.
//!
//! Every mode of split, missing values, ids that are not in order, classes and targets. The same seed
//! gives the same ensemble.

use super::onnx::{Attribute, FLOAT, Graph, INT64};

/// Numbers that look random.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }

    /// A number with few digits, so that rows meet thresholds.
    pub(crate) fn number(&mut self) -> f32 {
        self.below(41) as f32 / 4.0 - 5.0
    }

    pub(crate) fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

/// One node: mode, feature, threshold, children, where a missing value goes, and what a leaf adds.
struct Node {
    mode: &'static str,
    feature: usize,
    threshold: f32,
    yes: usize,
    no: usize,
    missing_yes: bool,
    added: Vec<(usize, f32)>,
}

/// An ensemble.
pub(crate) struct Ensemble {
    trees: Vec<Vec<Node>>,
    pub(crate) features: usize,
    pub(crate) targets: usize,
}

const MODES: [&str; 6] = [
    "BRANCH_LEQ",
    "BRANCH_LT",
    "BRANCH_GTE",
    "BRANCH_GT",
    "BRANCH_EQ",
    "BRANCH_NEQ",
];

impl Ensemble {
    /// `each`: leaves add to every target, else each tree to one.
    pub(crate) fn random(random: &mut Random, targets: usize, each: bool) -> Self {
        let features = 1 + random.below(6);
        let kinds = 1 + random.below(MODES.len());
        let missing = random.below(2) == 0;
        let trees = (0..1 + random.below(30))
            .map(|tree| {
                let splits = random.below(40);
                let target = tree % targets;
                let mut nodes = vec![leaf(random, targets, target, each)];
                for _ in 0..splits {
                    let place = random.below(nodes.len());
                    if nodes[place].mode != "LEAF" {
                        continue;
                    }
                    let children = nodes.len();
                    nodes.push(leaf(random, targets, target, each));
                    nodes.push(leaf(random, targets, target, each));
                    nodes[place] = Node {
                        mode: MODES[random.below(kinds)],
                        feature: random.below(features),
                        threshold: random.number(),
                        yes: children,
                        no: children + 1,
                        missing_yes: missing && random.below(2) == 0,
                        added: Vec::new(),
                    };
                }
                nodes
            })
            .collect();
        Self {
            trees,
            features,
            targets,
        }
    }

    /// Sums of the leaves that a row reaches, in 32-bit floats, tree by tree.
    pub(crate) fn walk(&self, row: &[f32]) -> Vec<f32> {
        let mut sums = vec![0.0; self.targets];
        for tree in &self.trees {
            let mut at = &tree[0];
            while at.mode != "LEAF" {
                let (x, t) = (row[at.feature], at.threshold);
                let yes = match at.mode {
                    "BRANCH_LEQ" => x <= t,
                    "BRANCH_LT" => x < t,
                    "BRANCH_GTE" => x >= t,
                    "BRANCH_GT" => x > t,
                    "BRANCH_EQ" => x == t,
                    _ => x != t,
                };
                let yes = yes || (x.is_nan() && at.missing_yes);
                at = &tree[if yes { at.yes } else { at.no }];
            }
            for (target, value) in &at.added {
                sums[*target] += value;
            }
        }
        sums
    }

    /// The attributes of a node; those of weights begin with `prefix`.
    fn attributes(&self, prefix: &str) -> Vec<Attribute> {
        let all = || {
            let trees = self.trees.iter().enumerate();
            trees.flat_map(|(tree, nodes)| {
                nodes
                    .iter()
                    .enumerate()
                    .map(move |(id, node)| (tree, id, node))
            })
        };
        let ints = |name: &str, f: &dyn Fn(usize, usize, &Node) -> usize| {
            let values: Vec<i64> = all()
                .map(|(tree, id, node)| f(tree, id, node) as i64)
                .collect();
            Attribute::ints(name, &values)
        };
        let added = || {
            all().flat_map(|(tree, id, node)| {
                node.added
                    .iter()
                    .map(move |(to, value)| (tree, id, *to, *value))
            })
        };
        let weights = |name: &str, f: &dyn Fn((usize, usize, usize, f32)) -> usize| {
            let values: Vec<i64> = added().map(|entry| f(entry) as i64).collect();
            Attribute::ints(&format!("{prefix}_{name}"), &values)
        };
        vec![
            ints("nodes_treeids", &|tree, _, _| tree),
            ints("nodes_nodeids", &|_, id, _| id),
            ints("nodes_featureids", &|_, _, node| node.feature),
            ints("nodes_truenodeids", &|_, _, node| node.yes),
            ints("nodes_falsenodeids", &|_, _, node| node.no),
            ints("nodes_missing_value_tracks_true", &|_, _, node| {
                usize::from(node.missing_yes)
            }),
            Attribute::floats(
                "nodes_values",
                &all().map(|(_, _, node)| node.threshold).collect::<Vec<_>>(),
            ),
            Attribute::strings(
                "nodes_modes",
                &all().map(|(_, _, node)| node.mode).collect::<Vec<_>>(),
            ),
            weights("treeids", &|(tree, _, _, _)| tree),
            weights("nodeids", &|(_, id, _, _)| id),
            weights("ids", &|(_, _, to, _)| to),
            Attribute::floats(
                &format!("{prefix}_weights"),
                &added().map(|(_, _, _, value)| value).collect::<Vec<_>>(),
            ),
        ]
    }

    /// A model that gives the sums, from an input `x`.
    pub(crate) fn regressor(&self, more: &[Attribute]) -> Vec<u8> {
        let mut attributes = self.attributes("target");
        attributes.push(Attribute::int("n_targets", self.targets as i64));
        attributes.extend_from_slice(more);
        Graph::new()
            .input("x", FLOAT, &[-1, self.features as i64])
            .ml_node("TreeEnsembleRegressor", &["x"], &["y"], &attributes)
            .output("y", FLOAT, &[-1, self.targets as i64])
            .model()
    }

    /// A model that gives classes, which are called 10, 11, …, and their scores.
    pub(crate) fn classifier(&self, classes: usize, more: &[Attribute]) -> Vec<u8> {
        let names: Vec<i64> = (0..classes as i64).map(|class| 10 + class).collect();
        let mut attributes = self.attributes("class");
        attributes.push(Attribute::ints("classlabels_int64s", &names));
        attributes.extend_from_slice(more);
        Graph::new()
            .input("x", FLOAT, &[-1, self.features as i64])
            .ml_node(
                "TreeEnsembleClassifier",
                &["x"],
                &["label", "scores"],
                &attributes,
            )
            .output("label", INT64, &[-1])
            .output("scores", FLOAT, &[-1, classes as i64])
            .model()
    }
}

fn leaf(random: &mut Random, targets: usize, target: usize, each: bool) -> Node {
    let added = if each {
        (0..targets)
            .map(|target| (target, random.number() / 3.0))
            .collect()
    } else {
        vec![(target, random.number() / 3.0)]
    };
    Node {
        mode: "LEAF",
        feature: 0,
        threshold: 0.0,
        yes: 0,
        no: 0,
        missing_yes: false,
        added,
    }
}
