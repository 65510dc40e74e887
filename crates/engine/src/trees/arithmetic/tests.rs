//! Changes and norms by their numbers.

use super::*;

#[test]
fn changes_do_what_they_say_and_are_about_undone() {
    let scale = Change::Scale {
        offset: 1.0,
        scale: 2.0,
    };
    let impute = |missing| Change::Impute { missing, with: 5.0 };
    let differs = |missing| Change::Differs {
        values: vec![1.0, 3.0],
        missing,
    };
    let nan = f32::NAN;
    for (change, x, expect) in [
        (scale, 3.0, 4.0),
        (impute(nan), nan, 5.0),
        (impute(nan), 2.0, 2.0),
        (impute(2.0), 2.0, 5.0),
        (Change::Right(Binary::Sub, 1.0), 3.0, 2.0),
        (Change::Left(Binary::Sub, 1.0), 3.0, -2.0),
        (Change::Right(Binary::Div, 2.0), 3.0, 1.5),
        (Change::Left(Binary::Div, 3.0), 2.0, 1.5),
        (Change::Right(Binary::Add, 1.0), 3.0, 4.0),
        (Change::Left(Binary::Mul, 2.0), 3.0, 6.0),
        (Change::Truncate, -1.5, -1.0),
        (Change::MissingBelow, nan, f32::NEG_INFINITY),
        (Change::MissingBelow, 1.0, 1.0),
        (differs(false), 3.0, 0.0),
        (differs(false), nan, 1.0),
        (differs(true), nan, 0.0),
        (differs(true), 2.0, 1.0),
    ] {
        assert_eq!(change.apply(x), expect, "{change:?} of {x}");
        if matches!(
            change,
            Change::Scale { .. } | Change::Right(..) | Change::Left(..)
        ) {
            assert_eq!(change.undo(expect), x, "{change:?} undone");
        }
    }
}

#[test]
fn rows_are_scaled_one_by_one() {
    let scaled = |norm| {
        let mut slots = [[3.0, 0.0], [-4.0, 0.0]];
        normalize(norm, &mut slots);
        slots
    };
    assert_eq!(scaled(Norm::Max), [[1.0, 0.0], [-4.0 / 3.0, 0.0]]);
    assert_eq!(scaled(Norm::L1), [[3.0 / 7.0, 0.0], [-4.0 / 7.0, 0.0]]);
    assert_eq!(scaled(Norm::L2), [[0.6, 0.0], [-0.8, 0.0]]);
}
