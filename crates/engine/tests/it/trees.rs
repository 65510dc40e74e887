//! Trees without ONNX Runtime: which exported graphs compile, and that their answers are ONNX
//! Runtime's.
//!
//! The files under `fixtures` are what converters make of real models (tests/trees/fixtures.py).

use std::num::NonZeroUsize;
use std::path::Path;

use engine::Evaluator;
use engine::model::{Model, Runner};
use inference::answer::Output;
use inference::model::Dim;
use inference::tensor::{Data, Datatype, Tensor};

use crate::ensembles::{Ensemble, Random};
use crate::onnx::Attribute;
use crate::replica::{Replica, library, said};

/// Loads a model for one thread.
fn load(file: &[u8], evaluator: Evaluator) -> Runner {
    let model = Model::check(file.to_vec(), 1 << 16).unwrap();
    let (_, mut runners) = model
        .load(&library(), NonZeroUsize::MIN, evaluator)
        .unwrap();
    runners.remove(0)
}

/// What is said about a fixture: nothing if it is compiled.
fn fixture(name: &str) -> (Vec<u8>, Runner) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let file = std::fs::read(folder.join(name).with_extension("onnx")).unwrap();
    let runner = load(&file, Evaluator::Automatic);
    (file, runner)
}

/// Every fixture, and why it is not compiled, or nothing.
const FIXTURES: &[(&str, &str)] = &[
    ("columns-one-hot", ""),
    ("columns-one-hot-classes", ""),
    ("columns-ordinal", ""),
    (
        "columns-text-imputer",
        "LabelEncoder reads `zero`, which is not followed",
    ),
    ("lightgbm", ""),
    ("lightgbm-3", ""),
    ("lightgbm-categories", ""),
    ("lightgbm-poisson", "operator Exp is not compiled"),
    ("lightgbm-regressor", ""),
    ("lightgbm-rf", "operator ArgMax is not compiled"),
    ("lightgbm-split", "Cast from FP32 to FP64 is not compiled"),
    ("pipeline-imputer-scaler", ""),
    ("pipeline-polynomial", "operator ReduceProd is not compiled"),
    ("pipeline-scalers", ""),
    ("sklearn-et", ""),
    ("sklearn-et-regressor", ""),
    ("sklearn-gbt", ""),
    ("sklearn-gbt-3", ""),
    ("sklearn-gbt-regressor", ""),
    ("sklearn-gbt-zipmap", ""),
    ("sklearn-hgb", ""),
    ("sklearn-hgb-3", ""),
    ("sklearn-hgb-regressor", ""),
    ("sklearn-rf", ""),
    ("sklearn-rf-3", ""),
    (
        "sklearn-rf-double",
        "TreeEnsembleClassifier of FP64 is not compiled",
    ),
    ("sklearn-rf-regressor", ""),
    ("sklearn-rf-two-targets", ""),
    ("sklearn-rf-zipmap", ""),
    ("xgboost", ""),
    ("xgboost-3", ""),
    ("xgboost-regressor", ""),
];

#[test]
fn exported_models_are_compiled_and_the_others_say_why_not() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            entry
                .unwrap()
                .path()
                .file_stem()
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    files.sort();
    assert_eq!(
        files,
        FIXTURES.iter().map(|(name, _)| *name).collect::<Vec<_>>()
    );
    let said: Vec<_> = FIXTURES
        .iter()
        .map(|(name, _)| {
            (
                *name,
                fixture(name).1.compiled().err().unwrap_or("").to_owned(),
            )
        })
        .collect();
    let expect: Vec<_> = FIXTURES
        .iter()
        .map(|(name, why)| (*name, (*why).to_owned()))
        .collect();
    assert_eq!(said, expect);
}

/// Rows that no verification has made: numbers about the model's own and missing ones, the words of
/// the fixtures, small integers.
fn rows(model: &Model, count: usize, random: &mut Random) -> Vec<Tensor> {
    let specs = model.summary().input_specs().unwrap();
    let tensor = |spec: &inference::model::TensorSpec| {
        let width = match spec.dims.as_slice() {
            [_, Dim::Fixed(width)] => *width,
            _ => 1,
        };
        let cells = 0..count * width;
        let data = match spec.datatype {
            Datatype::Fp32 => Data::Fp32(
                cells
                    .map(|_| match random.below(12) {
                        0 => f32::NAN,
                        1 => random.number() * 100.0,
                        2..6 => random.number() / 20.0,
                        _ => random.number(),
                    })
                    .collect(),
            ),
            Datatype::Int64 => Data::Int64(cells.map(|_| random.below(7) as i64 - 1).collect()),
            Datatype::Bytes => {
                let words = ["Ulm", "Köln", "Bonn", "c3", "c11", "", "nowhere"];
                Data::Bytes(cells.map(|_| random.pick(&words).to_owned()).collect())
            }
            other => panic!("no fixture takes {other}"),
        };
        Tensor {
            shape: vec![count, width],
            data,
        }
    };
    specs.iter().map(tensor).collect()
}

/// Equal, but for one ulp of floats.
fn assert_same(got: &[Output<'_>], expect: &[Output<'_>], about: &str) {
    assert_eq!(got.len(), expect.len(), "{about}");
    for (got, expect) in got.iter().zip(expect) {
        let head = |output: &Output<'_>| {
            (
                output.name.to_owned(),
                output.shape.clone(),
                output.classes.clone(),
            )
        };
        assert_eq!(head(got), head(expect), "{about}");
        match (&got.data, &expect.data) {
            (Data::Fp32(got), Data::Fp32(expect)) => {
                for (got, expect) in got.iter().zip(expect) {
                    let near = [got.next_down(), *got, got.next_up()];
                    let same = near.contains(expect) || (got.is_nan() && expect.is_nan());
                    assert!(same, "{about}: {got:?} instead of {expect:?}");
                }
            }
            (got, expect) => assert_eq!(got, expect, "{about}"),
        }
    }
}

/// Compares both evaluators of a model that must compile, on batches of several sizes.
fn assert_both_agree(file: &[u8], random: &mut Random, about: &str) {
    let mut trees = load(file, Evaluator::Automatic);
    assert_eq!(trees.compiled(), Ok(()), "{about}");
    let mut session = load(file, Evaluator::OnnxRuntime);
    assert!(session.compiled().is_err());
    let model = Model::check(file.to_vec(), 1 << 16).unwrap();
    for count in [1, 2, 8, 30, 1, 67] {
        let inputs = rows(&model, count, random);
        let (got, expect) = (
            trees.infer(&inputs).unwrap(),
            session.infer(&inputs).unwrap(),
        );
        assert_same(&got, &expect, about);
    }
}

#[test]
fn compiled_models_answer_as_onnx_runtime_does() {
    for (name, why) in FIXTURES {
        if why.is_empty() {
            assert_both_agree(&fixture(name).0, &mut Random(7), name);
        }
    }
}

#[test]
fn random_ensembles_answer_as_onnx_runtime_does() {
    let mut random = Random(11);
    for round in 0..40 {
        let targets = 1 + random.below(4);
        let each = random.below(2) == 0;
        let ensemble = Ensemble::random(&mut random, targets, each);
        let base: Vec<f32> = (0..targets).map(|_| random.number()).collect();
        let base = [Attribute::floats("base_values", &base)];
        let base = if random.below(2) == 0 { &base[..] } else { &[] };
        let average = [Attribute::string("aggregate_function", "AVERAGE")];
        let aggregate = if random.below(3) == 0 {
            &average[..]
        } else {
            &[]
        };
        let regressor = ensemble.regressor(&[base, aggregate].concat());
        assert_both_agree(&regressor, &mut random, &format!("regressor {round}"));
        let classes = targets.max(2);
        let transform = random.pick(&["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"]);
        let transform = [Attribute::string("post_transform", transform)];
        let classifier = ensemble.classifier(classes, &[base, &transform].concat());
        assert_both_agree(
            &classifier,
            &mut random,
            &format!("classifier {round} of {targets}"),
        );
    }
}

#[tokio::test]
async fn a_replica_serves_with_trees_or_as_it_is_told() {
    let file = fixture("sklearn-gbt-zipmap").0;
    let body = r#"{"X":[5.1,3.5,1.4,0.2]}"#;
    let mut answers = Vec::new();
    for evaluator in [Evaluator::Automatic, Evaluator::OnnxRuntime] {
        let replica = Replica::start(&file, |options| options.evaluator = evaluator).await;
        let answer = replica.connect().await.rows(body).await;
        assert_eq!(answer.status, 200, "{:?}", said(&answer));
        answers.push(said(&answer).1.to_owned());
        replica.stop().await.unwrap();
    }
    assert_eq!(answers[0], answers[1]);
    assert!(
        answers[0].contains(r#""prediction":"setosa""#),
        "{}",
        answers[0]
    );
}
