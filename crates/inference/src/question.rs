//! A request in whichever wire, as the tensors that a model takes, and the way to write its answer.
//!
//! Everything between bytes and a model that needs no model: engines call [`Question::read`], run
//! what they run on its tensors, and call [`Form::write`].

use bytes::Bytes;

use crate::answer::{self, NotByRow, OipBody, Output};
use crate::frame::Wire;
use crate::model::{Inputs, TensorSpec};
use crate::oip::{InferRequest, RequestError, Wanted, grpc};
use crate::rows::{self, RowsError};
use crate::scoring::{self, ScoringError};
use crate::tensor::Tensor;
use crate::v1;

/// What a request asks, and how its answer is to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// One tensor per input of the model, in the model's order.
    pub tensors: Vec<Tensor>,
    /// Their names, for a model that takes any ([`Inputs::any`]); else none.
    pub names: Vec<String>,
    /// How its answer is written.
    pub form: Form,
}

/// How an answer is written.
#[derive(Debug, Clone, PartialEq)]
pub enum Form {
    /// Plain rows.
    Rows {
        /// How many.
        count: usize,
        /// Whether the body was one object, so that the answer is one prediction.
        single: bool,
    },
    /// The Open Inference Protocol.
    Oip {
        /// To be echoed.
        id: Option<String>,
        /// Which outputs, and how.
        wanted: Wanted,
        /// As a message, not as JSON.
        grpc: bool,
    },
    /// KServe's first protocol, with so many instances.
    Instances(usize),
    /// MLflow's scoring protocol: by row of a data frame with so many, else by output.
    Scored(Option<usize>),
}

/// A request that the model cannot take: the client's fault.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
#[expect(missing_docs, reason = "each says what it is")]
pub enum QuestionError {
    Oip(#[from] RequestError),
    Rows(#[from] RowsError),
    Scoring(#[from] ScoringError),
}

impl Question {
    /// Reads `body` for a model with these inputs and outputs; at most `most` rows where the wire
    /// has rows.
    pub fn read(
        wire: Wire,
        body: &Bytes,
        inputs: &Inputs,
        outputs: &[TensorSpec],
        most: usize,
    ) -> Result<Self, QuestionError> {
        Ok(match wire {
            Wire::Rows => {
                let read = rows::parse(body, inputs, most)?;
                let (count, single) = (read.count, read.single);
                Self::new(read.tensors, Form::Rows { count, single })
            }
            Wire::Oip => oip(InferRequest::parse(body, None, inputs, outputs)?, false),
            Wire::OipRaw(json) => {
                let json = usize::try_from(json).unwrap_or(usize::MAX);
                oip(
                    InferRequest::parse(body, Some(json), inputs, outputs)?,
                    false,
                )
            }
            Wire::Grpc => oip(grpc::parse(body.clone(), inputs, outputs)?, true),
            Wire::V1 => {
                let read = v1::parse(body, inputs, most)?;
                Self::new(read.tensors, Form::Instances(read.count))
            }
            Wire::Scoring => {
                let read = scoring::parse(body, inputs, most)?;
                Self::new(read.tensors, Form::Scored(read.rows))
            }
            Wire::Csv => {
                let read = scoring::parse_csv(body, inputs, most)?;
                Self::new(read.tensors, Form::Scored(read.rows))
            }
        })
    }

    fn new(tensors: Vec<Tensor>, form: Form) -> Self {
        Self {
            tensors,
            names: Vec::new(),
            form,
        }
    }
}

fn oip(request: InferRequest, grpc: bool) -> Question {
    let form = Form::Oip {
        id: request.id,
        wanted: request.wanted,
        grpc,
    };
    Question {
        names: request.names,
        ..Question::new(request.tensors, form)
    }
}

impl Form {
    /// Writes what the model gave.
    pub fn write(&self, outputs: &[Output<'_>]) -> Result<OipBody, NotByRow> {
        let json = |bytes| OipBody { bytes, json: None };
        Ok(match self {
            Self::Rows { count, single } => json(answer::rows(outputs, *count, *single)?),
            Self::Oip {
                id,
                wanted,
                grpc: false,
            } => answer::oip(id.as_deref(), outputs, wanted),
            Self::Oip {
                id,
                wanted,
                grpc: true,
            } => json(answer::grpc(id.as_deref(), outputs, wanted)),
            Self::Instances(count) => json(answer::instances(outputs, *count)?),
            Self::Scored(Some(rows)) => json(answer::records(outputs, *rows)?),
            Self::Scored(None) => json(answer::columns(outputs)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Dim;
    use crate::tensor::{Data, Datatype};

    #[test]
    fn each_wire_is_answered_in_its_own_form() {
        let spec = |name: &str| TensorSpec {
            name: name.into(),
            datatype: Datatype::Fp32,
            dims: vec![Dim::Free(None), Dim::Fixed(1)],
        };
        let inputs = Inputs::new(vec![spec("x")]).unwrap();
        let check = |wire, body: &'static str, expect: &str| {
            let body = Bytes::from_static(body.as_bytes());
            let outputs = [spec("y"), spec("z")];
            let question = Question::read(wire, &body, &inputs, &outputs, 10).unwrap();
            let [x] = question.tensors.as_slice() else {
                panic!("one input")
            };
            assert_eq!(x.data, Data::Fp32(vec![1.5]), "{wire:?}");
            let output = |name| Output {
                name,
                shape: x.shape.clone(),
                data: x.data.clone(),
                classes: None,
            };
            let written = question.form.write(&[output("y"), output("z")]).unwrap();
            assert_eq!(std::str::from_utf8(&written.bytes), Ok(expect));
        };
        let both = r#"{"y":1.5,"z":1.5}"#;
        check(
            Wire::Rows,
            r#"{"x":1.5}"#,
            &format!(r#"{{"prediction":1.5,"output":{both}}}"#),
        );
        check(
            Wire::Oip,
            r#"{"inputs":[{"name":"x","shape":[1,1],"datatype":"FP32","data":[1.5]}],"outputs":[{"name":"z"}]}"#,
            r#"{"outputs":[{"name":"z","datatype":"FP32","shape":[1,1],"data":[1.5]}]}"#,
        );
        check(
            Wire::V1,
            r#"{"instances":[[1.5]]}"#,
            &format!(r#"{{"predictions":[{both}]}}"#),
        );
        check(
            Wire::Scoring,
            r#"{"dataframe_records":[{"x":1.5}]}"#,
            &format!(r#"{{"predictions":[{both}]}}"#),
        );
        check(
            Wire::Scoring,
            r#"{"inputs":[[1.5]]}"#,
            r#"{"predictions":{"y":[[1.5]],"z":[[1.5]]}}"#,
        );
        check(
            Wire::Csv,
            "x\n1.5",
            &format!(r#"{{"predictions":[{both}]}}"#),
        );
    }
}
