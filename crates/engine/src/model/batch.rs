//! Several requests in one run of the model: their rows one below the other, and the answers parted
//! again.
//!
//! Requests go together whose tensors agree in all but the number of rows, for a model that leaves
//! that number open and keeps it: an output without a part for each row parts nothing, and then each
//! request is run by itself. So is each when the run fails: one bad row fails alone.

use std::ops::Range;

use inference::answer::Output;
use inference::model::{Dim, TensorSpec};
use inference::tensor::{Data, Tensor};

/// Rows of a request, if it has the same number in each input and the model leaves it open.
pub(super) fn rows(tensors: &[Tensor], specs: &[TensorSpec]) -> Option<usize> {
    let open = |spec: &TensorSpec| matches!(spec.dims.first(), Some(Dim::Free(_)));
    let first = *tensors.first()?.shape.first()?;
    let same = |tensor: &Tensor| tensor.shape.first() == Some(&first);
    let fits = first > 0 && specs.iter().all(open) && tensors.iter().all(same);
    fits.then_some(first)
}

/// Whether the rows of two requests are of one kind.
pub(super) fn agree(one: &[Tensor], other: &[Tensor]) -> bool {
    one.len() == other.len()
        && one.iter().zip(other).all(|(one, other)| {
            one.data.datatype() == other.data.datatype()
                && one.shape.get(1..) == other.shape.get(1..)
        })
}

/// The tensors of several requests that agree, one below the other.
pub(super) fn joined<'t>(mut requests: impl Iterator<Item = &'t [Tensor]>) -> Vec<Tensor> {
    let mut all = requests.next().map(<[Tensor]>::to_vec).unwrap_or_default();
    for tensors in requests {
        for (all, more) in all.iter_mut().zip(tensors) {
            if all.data.append(&more.data)
                && let (Some(rows), Some(more)) = (all.shape.first_mut(), more.shape.first())
            {
                *rows += more;
            }
        }
    }
    all
}

/// The outputs of some of `all` rows; `None` if an output has no part for each row.
pub(super) fn part<'o>(
    outputs: &[Output<'o>],
    rows: Range<usize>,
    all: usize,
) -> Option<Vec<Output<'o>>> {
    let part = |output: &Output<'o>| {
        if output.shape.first() != Some(&all) {
            return None;
        }
        let width = output.data.len().checked_div(all)?;
        let mut shape = output.shape.clone();
        *shape.first_mut()? = rows.len();
        let data: Data = output.data.part(rows.start * width..rows.end * width);
        Some(Output {
            name: output.name,
            shape,
            data,
            classes: output.classes.clone(),
        })
    };
    outputs.iter().map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use inference::tensor::Datatype;
    use proptest::prelude::*;

    fn tensor(rows: usize, width: usize, first: f32) -> Tensor {
        let values = (0..rows * width).map(|at| first + at as f32);
        Tensor {
            shape: vec![rows, width],
            data: Data::Fp32(values.collect()),
        }
    }

    #[test]
    fn only_open_and_equal_numbers_of_rows_go_together() {
        let spec = |dim| TensorSpec {
            name: "x".into(),
            datatype: Datatype::Fp32,
            dims: vec![dim, Dim::Fixed(2)],
        };
        let (open, fixed) = (spec(Dim::Free(None)), spec(Dim::Fixed(1)));
        let one = [tensor(1, 2, 0.0)];
        assert_eq!(rows(&one, std::slice::from_ref(&open)), Some(1));
        assert_eq!(rows(&one, &[fixed]), None);
        assert_eq!(
            rows(&[tensor(0, 2, 0.0)], std::slice::from_ref(&open)),
            None
        );
        let uneven = [tensor(1, 2, 0.0), tensor(2, 2, 0.0)];
        assert_eq!(rows(&uneven, &[open.clone(), open]), None);
        assert!(agree(&one, &[tensor(3, 2, 0.0)]));
        assert!(!agree(&one, &[tensor(1, 3, 0.0)]));
        let sum = Output {
            name: "sum",
            shape: vec![1],
            data: Data::Fp32(vec![1.0]),
            classes: None,
        };
        assert_eq!(part(&[sum], 0..1, 2), None);
    }

    proptest! {
        #[test]
        fn what_is_joined_comes_apart_again(
            counts in proptest::collection::vec(1..5_usize, 1..6),
            width in 1..4_usize,
        ) {
            let requests: Vec<_> = counts
                .iter()
                .enumerate()
                .map(|(at, rows)| vec![tensor(*rows, width, at as f32 * 100.0)])
                .collect();
            let all = joined(requests.iter().map(Vec::as_slice));
            let rows: usize = counts.iter().sum();
            prop_assert_eq!(&all[0].shape, &[rows, width]);
            let output = Output {
                name: "y",
                shape: all[0].shape.clone(),
                data: all[0].data.clone(),
                classes: None,
            };
            let mut from = 0;
            for request in &requests {
                let count = request[0].shape[0];
                let got = part(std::slice::from_ref(&output), from..from + count, rows).unwrap();
                prop_assert_eq!(&got[0].data, &request[0].data);
                prop_assert_eq!(&got[0].shape, &request[0].shape);
                from += count;
            }
        }
    }
}
