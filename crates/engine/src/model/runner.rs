//! One evaluator: a request in, an answer out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use inference::answer::{self, OipBody, Output};
use inference::frame::{Answer, MAX_PREDICTIONS, Request};
use inference::model::{Dim, TensorSpec};
use inference::question::Question;
use inference::tensor::{Data, Tensor};

use super::backend::Backend;
use super::{Model, batch};

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
    /// A request that asks nothing of a model.
    fn nothing() -> Self {
        Self::Request("not an inference".into())
    }

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
        let answered = self.read(request).and_then(|question| self.ask(&question));
        answer_of(answered)
    }

    /// Answers several inferences, in one run where they go together.
    pub fn answer_all(&mut self, requests: &[&Request]) -> Vec<Answer> {
        let questions = requests.iter().map(|request| self.read(request));
        let mut questions: Vec<_> = questions.map(|read| read.map_err(Some)).collect();
        let mut answers: Vec<Option<Answer>> = requests.iter().map(|_| None).collect();
        let together = self.together(&questions);
        if together.len() > 1 {
            let tensors = |at: &usize| questions[*at].as_ref().ok().map(|q| q.tensors.as_slice());
            let all = batch::joined(together.iter().filter_map(tensors));
            for (at, answer) in self.ask_together(&questions, &together, &all) {
                answers[at] = Some(answer);
            }
        }
        for (question, answer) in questions.iter_mut().zip(&mut answers) {
            answer.get_or_insert_with(|| match question {
                Ok(question) => answer_of(self.ask(question)),
                Err(failure) => answer_of(Err(failure.take().unwrap_or(Failure::nothing()))),
            });
        }
        answers.into_iter().flatten().collect()
    }

    /// The places of those that go together with the first that goes with anybody.
    fn together(&self, questions: &[Result<Question, Option<Failure>>]) -> Vec<usize> {
        let specs = self.model.inputs.specs();
        let mut first: Option<&Question> = None;
        let mut places = Vec::new();
        for (at, question) in questions.iter().enumerate() {
            let Ok(question) = question else { continue };
            if batch::rows(&question.tensors, specs).is_none() {
                continue;
            }
            if batch::agree(&first.get_or_insert(question).tensors, &question.tensors) {
                places.push(at);
            }
        }
        places
    }

    /// One run for all of `places`; no answer at all if it fails or its outputs cannot be parted.
    fn ask_together(
        &mut self,
        questions: &[Result<Question, Option<Failure>>],
        places: &[usize],
        all: &[Tensor],
    ) -> Vec<(usize, Answer)> {
        let model = Arc::clone(&self.model);
        let rows = |tensors: &[Tensor]| tensors.first().and_then(|t| t.shape.first()).copied();
        let (Ok((outputs, compute)), Some(total)) = (self.run(&model, all), rows(all)) else {
            return Vec::new();
        };
        let mut from = 0;
        let answer = |at: &usize| {
            let question = questions[*at].as_ref().ok()?;
            let to = from + rows(&question.tensors)?;
            let outputs = batch::part(&outputs, from..to, total)?;
            from = to;
            Some((*at, answer_of(written(question, &outputs, compute))))
        };
        let answers: Option<Vec<_>> = places.iter().map(answer).collect();
        answers.unwrap_or_default()
    }

    fn read(&self, request: &Request) -> Result<Question, Failure> {
        let Request::Infer(wire, body) = request else {
            return Err(Failure::nothing());
        };
        let (inputs, outputs) = (&self.model.inputs, &self.model.outputs);
        Question::read(*wire, body, inputs, outputs, self.model.max_rows)
            .map_err(|e| Failure::Request(e.to_string()))
    }

    fn ask(&mut self, question: &Question) -> Result<Success, Failure> {
        let model = Arc::clone(&self.model);
        let (outputs, compute) = self
            .run(&model, &question.tensors)
            .map_err(|e| e.on(&question.tensors))?;
        written(question, &outputs, compute)
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

/// What a model gave, in the form that was asked for.
fn written(
    question: &Question,
    outputs: &[Output<'_>],
    compute: Duration,
) -> Result<Success, Failure> {
    let OipBody { bytes: body, json } = question
        .form
        .write(outputs)
        .map_err(|e| Failure::Request(e.to_string()))?;
    Ok(Success {
        body,
        json,
        predictions: answer::predictions(outputs, MAX_PREDICTIONS),
        compute,
    })
}

fn answer_of(answered: Result<Success, Failure>) -> Answer {
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
