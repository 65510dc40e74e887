//! The other side of the protocol: requests written, answers read.
//!
//! An engine that has a model in another process asks it in the binary extension's words, which are
//! quick to read in any language.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::raw::{self, RawError};
use crate::tensor::{Data, Datatype, Tensor};

/// A request for all outputs as raw bytes: its body, and how much of it is JSON.
#[must_use]
pub fn request<'a>(inputs: impl Iterator<Item = (&'a str, &'a Tensor)>) -> (Vec<u8>, usize) {
    let mut bytes = Vec::new();
    let inputs = inputs.map(|(name, tensor)| {
        let before = bytes.len();
        raw::write(&tensor.data, &mut bytes);
        json!({
            "name": name,
            "datatype": tensor.data.datatype(),
            "shape": tensor.shape,
            "parameters": { "binary_data_size": bytes.len() - before },
        })
    });
    let inputs: Vec<Value> = inputs.collect();
    let body = json!({ "inputs": inputs, "parameters": { "binary_data_output": true } });
    let mut body = body.to_string().into_bytes();
    let json = body.len();
    body.append(&mut bytes);
    (body, json)
}

/// An answer that is none.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what each is")]
pub enum AnswerError {
    #[error("the answer is no JSON of the protocol: {0}")]
    Json(#[from] serde_json::Error),
    #[error("output `{0}` has another number of elements than its shape, or no raw bytes")]
    Size(String),
    #[error("output `{0}`: {1}")]
    Raw(String, RawError),
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    outputs: Vec<Output<'a>>,
}

#[derive(Deserialize)]
struct Output<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    datatype: Datatype,
    shape: Vec<usize>,
    parameters: Parameters,
}

#[derive(Deserialize)]
struct Parameters {
    binary_data_size: usize,
}

/// The outputs of an answer whose first `json` bytes are JSON and whose elements are all raw bytes.
pub fn outputs(body: &[u8], json: usize) -> Result<Vec<(String, Tensor)>, AnswerError> {
    let (head, mut rest) = body.split_at_checked(json).unwrap_or((body, &[]));
    let answer: Answer<'_> = serde_json::from_slice(head)?;
    let output = |output: Output<'_>| {
        let name = output.name.into_owned();
        let elements = output
            .shape
            .iter()
            .try_fold(1_usize, |n, m| n.checked_mul(*m));
        let bytes = rest.split_at_checked(output.parameters.binary_data_size);
        let (Some(elements), Some((bytes, left))) = (elements, bytes) else {
            return Err(AnswerError::Size(name));
        };
        rest = left;
        let data: Result<Data, RawError> = raw::read(output.datatype, elements, bytes);
        let data = data.map_err(|error| AnswerError::Raw(name.clone(), error))?;
        let shape = output.shape;
        Ok((name, Tensor { shape, data }))
    };
    answer.outputs.into_iter().map(output).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Inputs;
    use crate::oip::InferRequest;
    use proptest::prelude::*;

    fn tensor() -> Tensor {
        Tensor {
            shape: vec![1, 2],
            data: Data::Fp32(vec![0.5, -1.0]),
        }
    }

    #[test]
    fn a_written_request_is_read_back() {
        let text = Tensor {
            shape: vec![1],
            data: Data::Bytes(vec!["é".into()]),
        };
        let tensors = [tensor(), text];
        let (body, json) = request(["x", "t"].into_iter().zip(&tensors));
        let read = InferRequest::parse(&body, Some(json), &Inputs::any(), &[]).unwrap();
        assert_eq!(
            (read.names, read.tensors),
            (vec!["x".into(), "t".into()], tensors.to_vec())
        );
        assert!(read.wanted.binary);
    }

    #[test]
    fn outputs_are_read_or_refused() {
        let head = r#"{"outputs":[{"name":"y","datatype":"FP32","shape":[1,2],"parameters":{"binary_data_size":8}}]}"#;
        let mut body = head.as_bytes().to_vec();
        raw::write(&tensor().data, &mut body);
        assert_eq!(
            outputs(&body, head.len()).unwrap(),
            [("y".to_owned(), tensor())]
        );
        let short = outputs(&body[..body.len() - 1], head.len()).unwrap_err();
        assert!(
            short
                .to_string()
                .starts_with("output `y` has another number")
        );
        assert!(outputs(b"{}", 2).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_outputs_or_an_error(
            body in proptest::collection::vec(any::<u8>(), 0..200),
            json in 0..200_usize,
        ) {
            let _ = outputs(&body, json);
        }
    }
}
