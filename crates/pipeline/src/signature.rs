//! What an MLflow model says that it takes and gives, in the data plane's words. Pure.

use inference::model::{ModelDescription, TensorDescription};
use inference::tensor::Datatype;
use mlflow::model_file::{Field, Signature};

/// Describes a model; what has no word in the data plane is text.
pub(crate) fn describe(signature: &Signature) -> ModelDescription {
    let all = |fields: &[Field]| {
        let fields = fields.iter().enumerate();
        fields.map(|(place, field)| tensor(place, field)).collect()
    };
    ModelDescription {
        inputs: all(&signature.inputs),
        outputs: all(&signature.outputs),
    }
}

fn tensor(place: usize, field: &Field) -> TensorDescription {
    match &field.tensor {
        Some(tensor) => TensorDescription {
            name: field.name.clone().unwrap_or_else(|| "inputs".to_owned()),
            datatype: element(&tensor.dtype),
            shape: tensor.shape.clone(),
        },
        None => TensorDescription {
            name: field.name.clone().unwrap_or_else(|| place.to_string()),
            datatype: column(field.kind.as_str().unwrap_or_default()),
            shape: vec![-1],
        },
    }
}

/// What MLflow calls a column's type.
fn column(kind: &str) -> Datatype {
    match kind {
        "boolean" => Datatype::Bool,
        "integer" => Datatype::Int32,
        "long" => Datatype::Int64,
        "float" => Datatype::Fp32,
        "double" => Datatype::Fp64,
        _ => Datatype::Bytes,
    }
}

/// What numpy calls an element.
fn element(dtype: &str) -> Datatype {
    match dtype {
        "bool" => Datatype::Bool,
        "uint8" => Datatype::Uint8,
        "uint16" => Datatype::Uint16,
        "uint32" => Datatype::Uint32,
        "uint64" => Datatype::Uint64,
        "int8" => Datatype::Int8,
        "int16" => Datatype::Int16,
        "int32" => Datatype::Int32,
        "int64" => Datatype::Int64,
        "float16" => Datatype::Fp16,
        "float32" => Datatype::Fp32,
        "float64" => Datatype::Fp64,
        _ => Datatype::Bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mlflow::model_file;

    #[test]
    fn columns_and_tensors_are_described() {
        let check = |inputs: &str, expect: (&str, Datatype, &[i64])| {
            let text = format!("signature:\n  inputs: '{inputs}'\n");
            let described = describe(&model_file::signature(&text).unwrap());
            let got = &described.inputs[0];
            assert_eq!(
                (got.name.as_str(), got.datatype, got.shape.as_slice()),
                expect
            );
        };
        check(
            r#"[{"type": "long", "name": "age"}]"#,
            ("age", Datatype::Int64, &[-1]),
        );
        check(r#"[{"type": "datetime"}]"#, ("0", Datatype::Bytes, &[-1]));
        let tensor =
            r#"[{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 3]}}]"#;
        check(tensor, ("inputs", Datatype::Fp32, &[-1, 3]));
    }
}
