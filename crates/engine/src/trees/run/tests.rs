//! Batches of every size against single rows, and inputs that do not fit.

use inference::tensor::{Data, Tensor};

use super::*;
use crate::trees::compile::tests::{compiled, onnx};

fn tensor(rows: usize, width: usize) -> Tensor {
    let values = (0..rows * width).map(|n| (n * 37 % 101) as f32 / 100.0);
    Tensor {
        shape: vec![rows, width],
        data: Data::Fp32(values.collect()),
    }
}

#[test]
fn a_batch_gives_what_its_rows_give() {
    let program = compiled(&onnx::forest(7, 23, 5, false)).unwrap();
    let mut scratch = Scratch::default();
    let mut run = |tensor: Tensor| {
        let outputs = program
            .run(&mut scratch, &[tensor], ["y"].into_iter())
            .unwrap();
        let [
            Output {
                shape,
                data: Data::Fp32(values),
                ..
            },
        ] = outputs.as_slice()
        else {
            panic!("{outputs:?}");
        };
        assert_eq!(shape, &[values.len(), 1]);
        values.clone()
    };
    let all = tensor(150, 7);
    let Data::Fp32(values) = &all.data else {
        panic!()
    };
    let single: Vec<f32> = values
        .chunks(7)
        .flat_map(|row| {
            run(Tensor {
                shape: vec![1, 7],
                data: Data::Fp32(row.to_vec()),
            })
        })
        .collect();
    assert!(single.iter().any(|y| *y != single[0]));
    for rows in [0, 1, 2, 7, 8, 9, 63, 64, 65, 150] {
        assert_eq!(run(tensor(rows, 7)), single[..rows], "{rows}");
    }
}

#[test]
fn inputs_that_do_not_fit_are_refused() {
    let program = compiled(&onnx::forest(2, 3, 2, true)).unwrap();
    let run = |inputs: &[Tensor]| {
        let outputs = program.run(&mut Scratch::default(), inputs, ["y"].into_iter());
        outputs.map(|outputs| outputs.len())
    };
    let column = |rows| tensor(rows, 1);
    assert_eq!(run(&[column(3), column(3)]), Ok(1));
    assert_eq!(run(&[column(3), column(2)]), Err(RunError::Rows));
    assert_eq!(run(&[column(3), tensor(3, 2)]), Err(RunError::Shape(1)));
    assert_eq!(run(&[column(3)]), Err(RunError::Shape(1)));
    let mut flat = column(3);
    flat.shape = vec![3];
    assert_eq!(run(&[flat, column(3)]), Err(RunError::Shape(0)));
    let mut integers = column(1);
    integers.data = Data::Int64(vec![1]);
    assert_eq!(run(&[integers, column(1)]), Err(RunError::Shape(0)));
}
