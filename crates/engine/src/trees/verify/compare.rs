//! Two answers, side by side.

use inference::answer::Output;
use inference::tensor::Data;

/// The number of floats that differ by one ulp; what differs by more, or at all, in words.
pub(super) fn outputs(got: &[Output<'_>], expect: &[Output<'_>]) -> Result<usize, String> {
    if got.len() != expect.len() {
        return Err(format!("{} outputs instead of {}", got.len(), expect.len()));
    }
    let mut inexact = 0;
    for (got, expect) in got.iter().zip(expect) {
        let name = got.name;
        if (name, &got.shape) != (expect.name, &expect.shape) {
            return Err(format!(
                "output `{name}` has shape {:?}, ONNX Runtime's `{}` {:?}",
                got.shape, expect.name, expect.shape
            ));
        }
        if got.classes != expect.classes {
            return Err(format!(
                "output `{name}` has other classes than ONNX Runtime's"
            ));
        }
        inexact += data(name, &got.data, &expect.data)?;
    }
    Ok(inexact)
}

fn data(name: &str, got: &Data, expect: &Data) -> Result<usize, String> {
    let (Data::Fp32(got), Data::Fp32(expect)) = (got, expect) else {
        return if got == expect {
            Ok(0)
        } else {
            Err(format!("output `{name}` differs from ONNX Runtime's"))
        };
    };
    let mut inexact = 0;
    for (got, expect) in got.iter().zip(expect) {
        match ulps(*got, *expect) {
            0 => {}
            1 => inexact += 1,
            _ => {
                return Err(format!(
                    "output `{name}` is {got:?}, ONNX Runtime's {expect:?}"
                ));
            }
        }
    }
    Ok(inexact)
}

/// How many floats lie between two, one of them included. Every NaN is the same.
fn ulps(a: f32, b: f32) -> u64 {
    if a.is_nan() && b.is_nan() {
        return 0;
    }
    if a.is_nan() || b.is_nan() {
        return u64::MAX;
    }
    // The bits of floats as integers that are in the same order, both zeros at 0.
    let place = |x: f32| {
        let bits = i64::from(x.to_bits() & 0x7fff_ffff);
        if x.is_sign_negative() { -bits } else { bits }
    };
    place(a).abs_diff(place(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_counted_in_floats() {
        for (a, b, expect) in [
            (1.0, 1.0, 0),
            (0.0, -0.0, 0),
            (1.0, 1.0_f32.next_up(), 1),
            (f32::from_bits(1), -f32::from_bits(1), 2),
            (f32::NAN, f32::NAN, 0),
            (f32::NAN, 1.0, u64::MAX),
            (f32::MAX, f32::INFINITY, 1),
        ] {
            assert_eq!((ulps(a, b), ulps(b, a)), (expect, expect), "{a} {b}");
        }
    }

    #[test]
    fn whatever_differs_is_said() {
        let output = |name, shape: &[usize], data, classes: Option<&str>| {
            [Output {
                name,
                shape: shape.to_vec(),
                data,
                classes: classes.map(|class| vec![class.to_owned()]),
            }]
        };
        let floats = |x: f32| Data::Fp32(vec![x]);
        let one = output("y", &[1], floats(1.0), None);
        let near = output("y", &[1], floats(1.0_f32.next_up()), None);
        assert_eq!(outputs(&one, &near), Ok(1));
        for (other, expect) in [
            (
                output("y", &[1, 1], floats(1.0), None),
                "output `y` has shape [1], ",
            ),
            (
                output("y", &[1], floats(1.0), Some("a")),
                "output `y` has other classes",
            ),
            (
                output("y", &[1], floats(1.1), None),
                "output `y` is 1.0, ONNX Runtime's 1.1",
            ),
            (
                output("y", &[1], Data::Int64(vec![1]), None),
                "output `y` differs",
            ),
        ] {
            let error = outputs(&one, &other).unwrap_err();
            assert!(error.starts_with(expect), "{error}");
        }
    }
}
