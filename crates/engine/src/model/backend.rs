//! Who computes a loaded model: a session of ONNX Runtime, or its trees without one.
//!
//! [`Backend::choose`] decides when the model is loaded, and says so in the log. A runner has a
//! backend of its own.

use std::sync::Arc;

use inference::answer::Output;
use inference::tensor::Tensor;
use ort::session::{Session, SessionInputValue};

use super::{Model, tensors};
use crate::options::Evaluator;
use crate::trees::{self, Program, Scratch};

/// What computes.
#[derive(Debug)]
pub(super) enum Backend {
    Session {
        session: Session,
        /// Why no trees serve, if they might have.
        reason: Option<String>,
    },
    Trees {
        program: Arc<Program>,
        scratch: Scratch,
    },
}

impl Backend {
    /// The trees of this model, if it is nothing else and they have been verified against `session`;
    /// else the session.
    pub(super) fn choose(model: &Model, session: Session, evaluator: Evaluator) -> Self {
        let mut session = session;
        if evaluator == Evaluator::OnnxRuntime {
            return Self::session(session);
        }
        match compiled(model, &mut session) {
            Ok(program) => Self::Trees {
                program: Arc::new(program),
                scratch: Scratch::default(),
            },
            Err(reason) => {
                tracing::info!(evaluator = "onnxruntime", reason, "model evaluator chosen");
                Self::Session {
                    session,
                    reason: Some(reason),
                }
            }
        }
    }

    /// A session that was loaded beside others, without a choice.
    pub(super) fn session(session: Session) -> Self {
        Self::Session {
            session,
            reason: None,
        }
    }

    /// Another one that computes the same; `None` for a session, of which the model makes more.
    pub(super) fn again(&self) -> Option<Self> {
        match self {
            Self::Session { .. } => None,
            Self::Trees { program, .. } => Some(Self::Trees {
                program: Arc::clone(program),
                scratch: Scratch::default(),
            }),
        }
    }

    /// See [`super::Runner::compiled`].
    pub(super) fn compiled(&self) -> Result<(), &str> {
        match self {
            Self::Trees { .. } => Ok(()),
            Self::Session { reason, .. } => {
                Err(reason.as_deref().unwrap_or("it was not asked for"))
            }
        }
    }

    /// Runs the model on one tensor per input. What went wrong is the model's fault.
    pub(super) fn run<'m>(
        &mut self,
        model: &'m Model,
        inputs: &[Tensor],
    ) -> Result<Vec<Output<'m>>, String> {
        match self {
            Self::Session { session, .. } => run_session(session, model, inputs),
            Self::Trees { program, scratch } => {
                let names = model.outputs.iter().map(|spec| spec.name.as_str());
                let outputs = program.run(scratch, inputs, names);
                outputs.map_err(|e| format!("the model failed: {e}"))
            }
        }
    }
}

fn run_session<'m>(
    session: &mut Session,
    model: &'m Model,
    inputs: &[Tensor],
) -> Result<Vec<Output<'m>>, String> {
    let failed = |e: ort::Error| format!("the model failed: {e}");
    let values: Vec<SessionInputValue<'_>> = inputs
        .iter()
        .map(tensors::value)
        .collect::<ort::Result<_>>()
        .map_err(failed)?;
    let results = session.run(values.as_slice()).map_err(failed)?;
    let outputs = results.into_iter().zip(&model.outputs);
    let outputs = outputs.map(|((_, value), spec)| tensors::output(&spec.name, value));
    outputs.collect::<Result<_, _>>().map_err(|e| e.to_string())
}

/// Compiles and verifies; else says why not.
fn compiled(model: &Model, session: &mut Session) -> Result<Program, String> {
    let ensemble = |operator: &String| operator.starts_with("ai.onnx.ml.TreeEnsemble");
    if !model.summary.operators.keys().any(ensemble) {
        return Err("it has no ensemble of trees".to_owned());
    }
    let program = trees::compile(&model.file, model.inputs.specs(), &model.outputs)
        .map_err(|e| e.to_string())?;
    let names: Vec<_> = model
        .outputs
        .iter()
        .map(|spec| spec.name.as_str())
        .collect();
    let reference = |inputs: &[Tensor]| run_session(session, model, inputs);
    let verified = trees::verify::verify(&program, &names, reference).map_err(|e| e.to_string())?;
    let (trees, nodes) = program.size();
    tracing::info!(
        evaluator = "trees",
        trees,
        nodes,
        rows = verified.rows,
        inexact = verified.inexact,
        micros = u64::try_from(verified.took.as_micros()).unwrap_or(u64::MAX),
        "model evaluator chosen"
    );
    Ok(program)
}
