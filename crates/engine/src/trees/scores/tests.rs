//! Every rule by its numbers. That they are ONNX Runtime's is tested with it, in `tests/it`.

use super::*;

fn two(
    base: &[f32],
    scored: [bool; 2],
    binary: bool,
    positive: bool,
    transform: Transform,
) -> Finish {
    Finish::Classify {
        base: base.to_vec(),
        scored: scored.to_vec(),
        binary,
        positive,
        transform,
    }
}

#[test]
fn two_classes_follow_the_odd_rules() {
    use Transform::{Logistic, None};
    let first = [true, false];
    let both = [true, true];
    for (name, finish, mut scores, expect) in [
        (
            "probability",
            two(&[], first, true, true, None),
            [0.75, 0.0],
            (1, [0.25, 0.75]),
        ),
        (
            "half is no",
            two(&[], first, true, true, None),
            [0.5, 0.0],
            (0, [0.5, 0.5]),
        ),
        (
            "margin",
            two(&[], first, true, false, None),
            [-0.5, 0.0],
            (0, [0.5, -0.5]),
        ),
        (
            "one base",
            two(&[0.5], first, true, false, Logistic),
            [-0.5, 0.0],
            (0, [0.5, 0.5]),
        ),
        (
            "positive ignores logistic",
            two(&[], first, true, true, Logistic),
            [2.0, 0.0],
            (1, [-1.0, 2.0]),
        ),
        (
            "second of two bases",
            two(&[9.0, 1.0], both, false, false, None),
            [2.0, 7.0],
            (1, [-3.0, 3.0]),
        ),
        (
            "two bases, one scored",
            two(&[1.0, 2.0], first, true, true, None),
            [2.0, 0.0],
            (1, [3.0, 2.0]),
        ),
        (
            "both scored",
            two(&[], both, false, true, None),
            [0.75, 0.25],
            (1, [0.75, 0.25]),
        ),
    ] {
        let class = finish.finish(&mut scores);
        assert_eq!((class, scores), expect, "{name}");
    }
}

#[test]
fn the_first_highest_of_many_classes_wins() {
    let finish = |base: &[f32], scored: [bool; 3], transform| Finish::Classify {
        base: base.to_vec(),
        scored: scored.to_vec(),
        binary: false,
        positive: false,
        transform,
    };
    let check = |finish: Finish, mut scores: [f32; 3], class| {
        assert_eq!(finish.finish(&mut scores), class);
        scores
    };
    let all = [true; 3];
    check(finish(&[], all, Transform::None), [1.0, 2.0, 2.0], 1);
    check(
        finish(&[], [true, false, true], Transform::None),
        [-1.0, 0.0, -2.0],
        0,
    );
    let sums = check(
        finish(&[0.5, 0.0, 0.0], all, Transform::None),
        [1.0, 1.0, 1.0],
        0,
    );
    assert_eq!(sums, [1.5, 1.0, 1.0]);
    let soft = check(finish(&[], all, Transform::Softmax), [3.0, 3.0, 3.0], 0);
    assert_eq!(soft, [1.0 / 3.0; 3]);
    let zero = check(finish(&[], all, Transform::SoftmaxZero), [1.0, 0.0, 1.0], 0);
    assert_eq!(zero, [0.5, 0.0, 0.5]);
}

#[test]
fn regressors_divide_and_add() {
    let mut scores = [6.0, -3.0];
    let (divisor, base) = (Some(3.0), Some(vec![0.5, 1.0]));
    assert_eq!(Finish::Regress { divisor, base }.finish(&mut scores), 0);
    assert_eq!(scores, [2.5, 0.0]);
}
