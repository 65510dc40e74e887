//! Graphs that compile, against a walker that knows only the standard, and graphs that do not.

use inference::tensor::{Data, Tensor};
use proptest::prelude::*;

use super::*;
use crate::trees::run::Scratch;

#[path = "../../../tests/it/ensembles.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod ensembles;
#[path = "../../../tests/it/onnx.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
pub(crate) mod onnx;

use ensembles::{Ensemble, Random};
use onnx::{Attribute, FLOAT, INT64, STRING};

/// Compiles a file with the inputs and outputs that it lists.
pub(crate) fn compiled(file: &[u8]) -> Result<Program, String> {
    let summary = inference::onnx::describe(file).unwrap();
    let (inputs, outputs) = (
        summary.input_specs().unwrap(),
        summary.output_specs().unwrap(),
    );
    compile(file, &inputs, &outputs).map_err(|e| e.to_string())
}

fn graph() -> onnx::Graph {
    onnx::Graph::new()
}

/// The attributes of one tree of one split, with some of them replaced.
fn stump(replaced: Vec<(&str, Attribute)>) -> Vec<Attribute> {
    let all = [
        ("n_targets", Attribute::int("n_targets", 1)),
        ("nodes_treeids", Attribute::ints("nodes_treeids", &[0; 3])),
        (
            "nodes_nodeids",
            Attribute::ints("nodes_nodeids", &[0, 1, 2]),
        ),
        (
            "nodes_featureids",
            Attribute::ints("nodes_featureids", &[0; 3]),
        ),
        (
            "nodes_values",
            Attribute::floats("nodes_values", &[0.5, 0.0, 0.0]),
        ),
        (
            "nodes_modes",
            Attribute::strings("nodes_modes", &["BRANCH_LEQ", "LEAF", "LEAF"]),
        ),
        (
            "nodes_truenodeids",
            Attribute::ints("nodes_truenodeids", &[1, 0, 0]),
        ),
        (
            "nodes_falsenodeids",
            Attribute::ints("nodes_falsenodeids", &[2, 0, 0]),
        ),
        ("target_treeids", Attribute::ints("target_treeids", &[0; 2])),
        ("target_nodeids", Attribute::ints("target_nodeids", &[1, 2])),
        ("target_ids", Attribute::ints("target_ids", &[0; 2])),
        (
            "target_weights",
            Attribute::floats("target_weights", &[1.0, 2.0]),
        ),
    ];
    let kept = all
        .into_iter()
        .filter(|(name, _)| replaced.iter().all(|(other, _)| other != name));
    let kept: Vec<_> = kept.map(|(_, attribute)| attribute).collect();
    kept.into_iter()
        .chain(replaced.into_iter().map(|(_, attribute)| attribute))
        .collect()
}

fn regressor(attributes: &[Attribute]) -> Vec<u8> {
    graph()
        .input("x", FLOAT, &[-1, 1])
        .ml_node("TreeEnsembleRegressor", &["x"], &["y"], attributes)
        .output("y", FLOAT, &[-1, 1])
        .model()
}

#[test]
fn what_is_not_understood_is_said() {
    let ints = |name, values: &[i64]| vec![(name, Attribute::ints(name, values))];
    let words = |name, values: &[&str]| vec![(name, Attribute::strings(name, values))];
    let word = |name, value| vec![(name, Attribute::string(name, value))];
    assert!(compiled(&regressor(&stump(vec![]))).is_ok());
    for (replaced, expect) in [
        (
            ints("nodes_truenodeids", &[0, 0, 0]),
            "a tree of the ensemble is none, or is too large",
        ),
        (
            ints("nodes_falsenodeids", &[9, 0, 0]),
            "a node of the ensemble leads nowhere",
        ),
        (
            ints("nodes_featureids", &[1, 0, 0]),
            "a node of the ensemble leads nowhere",
        ),
        (
            ints("nodes_featureids", &[-1, 0, 0]),
            "a node of the ensemble leads nowhere",
        ),
        (
            ints("nodes_nodeids", &[0, 1, 1]),
            "a node of the ensemble is there twice",
        ),
        (
            ints("nodes_treeids", &[0, 1, 0]),
            "the nodes of a tree do not lie together",
        ),
        (
            ints("nodes_treeids", &[0]),
            "the ensemble's lists differ in length",
        ),
        (
            ints("target_ids", &[0, 1]),
            "a weight of the ensemble belongs to nothing",
        ),
        (
            ints("target_nodeids", &[1, 1]),
            "leaves for some of the targets are not compiled",
        ),
        (
            ints("target_ids", &[0]),
            "the ensemble's lists of weights differ in length",
        ),
        (
            words("nodes_modes", &["BRANCH_LEG", "LEAF", "LEAF"]),
            "splits by BRANCH_LEG are not compiled",
        ),
        (
            word("aggregate_function", "MIN"),
            "the aggregate MIN is not compiled",
        ),
        (
            word("post_transform", "PROBIT"),
            "a regressor's transform is not compiled",
        ),
        (
            vec![(
                "nodes_values",
                Attribute::floats("nodes_values", &[f32::NAN, 0.0, 0.0]),
            )],
            "a split of the ensemble has no threshold",
        ),
        (
            vec![("base_values", Attribute::floats("base_values", &[1.0, 2.0]))],
            "the ensemble has not one base value for each target",
        ),
    ] {
        let error = compiled(&regressor(&stump(replaced))).unwrap_err();
        assert_eq!(error, expect);
    }
}

#[test]
fn graphs_around_trees_are_followed_or_refused() {
    let tree = |graph: onnx::Graph, from: &str| {
        let attributes = stump(vec![]);
        let graph = graph.ml_node("TreeEnsembleRegressor", &[from], &["y"], &attributes);
        compiled(&graph.output("y", FLOAT, &[-1, 1]).model()).map(drop)
    };
    let input = |element| graph().input("x", element, &[-1, 1]);
    let refused = |why: &str| Err(why.to_owned());
    assert_eq!(tree(input(INT64), "x"), Ok(()));
    assert_eq!(
        tree(input(STRING), "x"),
        refused("TreeEnsembleRegressor of BYTES is not compiled")
    );
    assert_eq!(
        tree(graph().input("x", FLOAT, &[-1]), "x"),
        refused("TreeEnsembleRegressor reads something that is no table")
    );
    assert_eq!(
        tree(graph().input("x", FLOAT, &[-1, -1]), "x"),
        refused("input `x` has no row of a fixed width")
    );
    assert_eq!(
        tree(input(FLOAT).node("Exp", &["x"], &["e"], &[]), "e"),
        refused("operator Exp is not compiled")
    );
    let wide = input(FLOAT).constant("c", &[1, 1, 1], &[2.0]);
    assert_eq!(
        tree(wide.node("Mul", &["x", "c"], &["m"], &[]), "m"),
        refused("Mul of such shapes is not compiled")
    );
    let fails = [
        Attribute::ints("cats_int64s", &[1, 2]),
        Attribute::int("zeros", 0),
    ];
    assert_eq!(
        tree(
            input(INT64).ml_node("OneHotEncoder", &["x"], &["o"], &fails),
            "o"
        ),
        refused("OneHotEncoder that fails on unknown categories is not compiled")
    );
    let twice = [Attribute::ints("cats_int64s", &[1, 1])];
    assert_eq!(
        tree(
            input(INT64).ml_node("OneHotEncoder", &["x"], &["o"], &twice),
            "o"
        ),
        refused("a category is there twice")
    );
    let many = [Attribute::ints(
        "cats_int64s",
        &(0..5000).collect::<Vec<_>>(),
    )];
    assert_eq!(
        tree(
            input(INT64).ml_node("OneHotEncoder", &["x"], &["o"], &many),
            "o"
        ),
        refused("a row has more than 4096 values")
    );
}

proptest! {
    /// Every mode of split, with missing values, in batches and alone.
    #[test]
    fn sums_are_those_of_a_walk(seed: u64, targets in 1_usize..4, each: bool) {
        let mut random = Random(seed);
        let ensemble = Ensemble::random(&mut random, targets, each);
        let program = compiled(&ensemble.regressor(&[])).unwrap();
        let rows: Vec<Vec<f32>> = (0..11)
            .map(|_| {
                let value = |random: &mut Random| if random.below(8) == 0 { f32::NAN } else { random.number() };
                (0..ensemble.features).map(|_| value(&mut random)).collect()
            })
            .collect();
        let expect: Vec<f32> = rows.iter().flat_map(|row| ensemble.walk(row)).collect();
        let tensor = Tensor {
            shape: vec![rows.len(), ensemble.features],
            data: Data::Fp32(rows.concat()),
        };
        let outputs = program.run(&mut Scratch::default(), &[tensor], ["y"].into_iter()).unwrap();
        prop_assert_eq!(&outputs[0].data, &Data::Fp32(expect));
    }

    /// Whatever is made of a sound file, it is answered, and so are inputs to what compiles.
    #[test]
    fn broken_files_are_answered(seed: u64, at: usize, byte: u8) {
        let mut random = Random(seed);
        let mut file = Ensemble::random(&mut random, 2, false).classifier(2, &[]);
        let at = at % file.len();
        file[at] = byte;
        let Ok(summary) = inference::onnx::describe(&file) else { return Ok(()) };
        let (Ok(inputs), Ok(outputs)) = (summary.input_specs(), summary.output_specs()) else {
            return Ok(());
        };
        if let Ok(program) = compile(&file, &inputs, &outputs) {
            let width = program.inputs[0].width;
            let tensor = Tensor { shape: vec![9, width], data: Data::Fp32(vec![0.25; 9 * width]) };
            let names = ["label", "scores"].into_iter();
            prop_assert!(program.run(&mut Scratch::default(), &[tensor], names).is_ok());
        }
    }
}
