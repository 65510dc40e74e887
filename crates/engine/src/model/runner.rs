//! One evaluator: a request in, an answer out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use inference::answer::{self, Output};
use inference::frame::{Answer, MAX_PREDICTIONS, Request};
use inference::model::{Dim, TensorSpec};
use inference::oip::InferRequest;
use inference::rows;
use inference::tensor::{Data, Tensor};

use super::Model;
use super::backend::Backend;

const OK: u16 = 200;
const BAD_REQUEST: u16 = 400;
const MODEL_FAILED: u16 = 500;

/// The largest input that a warm-up makes up.
const WARM_UP_ELEMENTS: usize = 1 << 20;
/// A first run slower than this is the only one.
const WARM_UP_AGAIN: Duration = Duration::from_millis(5);

/// A loaded model, for one thread at a time.
#[derive(Debug)]
pub struct Runner {
    backend: Backend,
    model: Arc<Model>,
}

/// Why there is no answer.
enum Failure {
    /// The client's fault.
    Request(String),
    /// The model's fault.
    Model(String),
}

/// A good answer, before it is a frame.
struct Success {
    body: Vec<u8>,
    predictions: Vec<f64>,
    compute: Duration,
}

impl Runner {
    pub(super) fn new(backend: Backend, model: Arc<Model>) -> Self {
        Self { backend, model }
    }

    /// Answers an inference: 200, 400 when the request is at fault, 500 when the model is. Other
    /// requests need no session and get 400.
    pub fn answer(&mut self, request: &Request) -> Answer {
        let answered = match request {
            Request::InferRows(body) => self.rows(body),
            Request::InferOip(body) => self.oip(body),
            Request::Describe | Request::Ping => Err(Failure::Request("not an inference".into())),
        };
        match answered {
            Ok(Success {
                body,
                predictions,
                compute,
            }) => {
                let compute_micros = u32::try_from(compute.as_micros()).unwrap_or(u32::MAX);
                Answer {
                    status: OK,
                    compute_micros,
                    predictions,
                    body: body.into(),
                }
            }
            Err(Failure::Request(message)) => refusal(BAD_REQUEST, &message),
            Err(Failure::Model(message)) => {
                tracing::warn!(error = message, "model failed");
                refusal(MODEL_FAILED, &message)
            }
        }
    }

    fn rows(&mut self, body: &[u8]) -> Result<Success, Failure> {
        let model = Arc::clone(&self.model);
        let rows = rows::parse(body, &model.inputs, model.max_rows)
            .map_err(|e| Failure::Request(e.to_string()))?;
        let (outputs, compute) = self.run(&model, &rows.tensors)?;
        let body = answer::rows(&outputs, rows.count, rows.single)
            .map_err(|e| Failure::Request(e.to_string()))?;
        Ok(Success {
            body,
            predictions: answer::predictions(&outputs, MAX_PREDICTIONS),
            compute,
        })
    }

    fn oip(&mut self, body: &[u8]) -> Result<Success, Failure> {
        let model = Arc::clone(&self.model);
        let request = InferRequest::parse(body, &model.inputs, &model.outputs)
            .map_err(|e| Failure::Request(e.to_string()))?;
        let (outputs, compute) = self.run(&model, &request.tensors)?;
        let body = answer::oip(request.id.as_deref(), &outputs, request.outputs.as_deref());
        Ok(Success {
            body,
            predictions: answer::predictions(&outputs, MAX_PREDICTIONS),
            compute,
        })
    }

    /// Whether the model's trees are computed without ONNX Runtime; else why not.
    pub fn compiled(&self) -> Result<(), &str> {
        self.backend.compiled()
    }

    /// Computes one tensor per input, without a request around it: for comparing evaluators.
    pub fn infer(&mut self, inputs: &[Tensor]) -> Result<Vec<Output<'_>>, String> {
        self.backend.run(&self.model, inputs)
    }

    /// Runs the model on one tensor per input.
    fn run<'m>(
        &mut self,
        model: &'m Model,
        inputs: &[Tensor],
    ) -> Result<(Vec<Output<'m>>, Duration), Failure> {
        let started = Instant::now();
        let outputs = self.backend.run(model, inputs).map_err(Failure::Model)?;
        Ok((outputs, started.elapsed()))
    }

    /// Runs the model on made-up inputs, so that the first request does not pay for first times. A
    /// model that dislikes them may fail; nobody is told.
    pub(super) fn warm_up(&mut self) {
        let model = Arc::clone(&self.model);
        let Some(inputs) = model
            .inputs
            .specs()
            .iter()
            .map(blank)
            .collect::<Option<Vec<_>>>()
        else {
            return;
        };
        for _ in 0..3 {
            match self.run(&model, &inputs) {
                Ok((_, compute)) if compute < WARM_UP_AGAIN => {}
                _ => return,
            }
        }
    }
}

/// The answer that carries an error.
pub(crate) fn refusal(status: u16, message: &str) -> Answer {
    let body = Bytes::from(answer::error(message));
    Answer {
        status,
        compute_micros: 0,
        predictions: Vec::new(),
        body,
    }
}

/// A tensor of zeros, one long in every open dimension; `None` if it would be large.
fn blank(spec: &TensorSpec) -> Option<Tensor> {
    let length = |dim: &Dim| match dim {
        Dim::Fixed(length) => *length,
        Dim::Free(_) => 1,
    };
    let shape: Vec<_> = spec.dims.iter().map(length).collect();
    let count = shape
        .iter()
        .try_fold(1_usize, |product, length| product.checked_mul(*length))?;
    if count > WARM_UP_ELEMENTS {
        return None;
    }
    Some(Tensor {
        shape,
        data: Data::blank(spec.datatype, count)?,
    })
}
