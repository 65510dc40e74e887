//! One evaluator: a request in, an answer out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use inference::answer::{self, OipBody, Output};
use inference::frame::{Answer, MAX_PREDICTIONS, Request, Wire};
use inference::model::{Dim, TensorSpec};
use inference::question::Question;
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

impl Failure {
    /// Few models take nothing at all: one that does not is no broken model.
    fn on(self, inputs: &[Tensor]) -> Self {
        match self {
            Self::Model(message) if inputs.iter().any(|input| input.data.is_empty()) => {
                Self::Request(format!("an input has no elements: {message}"))
            }
            other => other,
        }
    }
}

/// A good answer, before it is a frame.
struct Success {
    body: Vec<u8>,
    /// How much of the body is JSON, if raw bytes follow.
    json: Option<usize>,
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
            Request::Infer(wire, body) => self.ask(*wire, body),
            Request::Describe | Request::Ping => Err(Failure::Request("not an inference".into())),
        };
        match answered {
            Ok(success) => Answer {
                status: OK,
                compute_micros: u32::try_from(success.compute.as_micros()).unwrap_or(u32::MAX),
                predictions: success.predictions,
                json: success
                    .json
                    .map_or(0, |json| u32::try_from(json).unwrap_or(0)),
                body: success.body.into(),
            },
            Err(Failure::Request(message)) => refusal(BAD_REQUEST, &message),
            Err(Failure::Model(message)) => {
                tracing::warn!(error = message, "model failed");
                refusal(MODEL_FAILED, &message)
            }
        }
    }

    fn ask(&mut self, wire: Wire, body: &Bytes) -> Result<Success, Failure> {
        let model = Arc::clone(&self.model);
        let question = Question::read(wire, body, &model.inputs, &model.outputs, model.max_rows);
        let Question { tensors, form, .. } =
            question.map_err(|e| Failure::Request(e.to_string()))?;
        let (outputs, compute) = self.run(&model, &tensors).map_err(|e| e.on(&tensors))?;
        let OipBody { bytes: body, json } = form
            .write(&outputs)
            .map_err(|e| Failure::Request(e.to_string()))?;
        Ok(Success {
            body,
            json,
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
        json: 0,
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
        data: Data::blank(spec.datatype, count),
    })
}
