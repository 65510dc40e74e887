//! A model that is ready to answer: checked, loaded, warmed up.
//!
//! [`Model::read`] checks a file without ONNX Runtime; [`Model::session`] makes a [`Runner`], which
//! turns one request into one answer. The replica keeps a runner per thread; examples and later
//! comparisons of versions use runners directly. Nothing here knows sockets.

mod backend;
mod batch;
mod runner;
mod tensors;

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use inference::model::{Inputs, ModelDescription, TensorSpec, UnfitInputs};
use inference::onnx::{self, ModelSummary, OnnxError};
use ort::environment::Environment;
use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;

pub use runner::Runner;
pub(crate) use runner::refusal;

use self::backend::Backend;
use crate::library::LibraryError;
use crate::options::Evaluator;
use crate::runtime::{self, RuntimeError};

/// What the sessions of a model may take beyond the first one, in bytes of its file: each has a copy.
const COPIES: usize = 256 << 20;

/// A model that cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The file cannot be read.
    #[error("cannot read the model {}: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is above the limit.
    #[error("the model {} is {bytes} bytes, above the limit of {limit}; export a smaller one", .path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// It is no ONNX model, or none that may be loaded.
    #[error(transparent)]
    Onnx(#[from] OnnxError),
    /// Its inputs cannot be filled from a request.
    #[error(transparent)]
    Inputs(#[from] UnfitInputs),
    /// There is no ONNX Runtime.
    #[error(transparent)]
    Library(#[from] LibraryError),
    /// ONNX Runtime does not start.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// ONNX Runtime refuses the model.
    #[error("ONNX Runtime cannot load the model: {0}")]
    Load(String),
}

/// A checked model: everything about it but its sessions.
#[derive(Debug)]
pub struct Model {
    summary: ModelSummary,
    inputs: Inputs,
    outputs: Vec<TensorSpec>,
    description: Bytes,
    max_rows: usize,
    file: Vec<u8>,
}

impl Model {
    /// Reads and checks an ONNX file of at most `max_bytes`, without running any of it. Requests of
    /// plain rows will be allowed `max_rows` rows.
    pub fn read(path: &Path, max_bytes: u64, max_rows: usize) -> Result<Self, ModelError> {
        let file = read(path, max_bytes)?;
        Self::check(file, max_rows)
    }

    /// Checks the bytes of an ONNX file.
    pub fn check(file: Vec<u8>, max_rows: usize) -> Result<Self, ModelError> {
        let summary = onnx::describe(&file)?;
        let inputs = Inputs::new(summary.input_specs()?)?;
        let outputs = summary.output_specs()?;
        let words = |specs: &[TensorSpec]| specs.iter().map(TensorSpec::description).collect();
        let description = ModelDescription {
            inputs: words(inputs.specs()),
            outputs: words(&outputs),
        };
        let description = serde_json::to_vec(&description).unwrap_or_default().into();
        Ok(Self {
            summary,
            inputs,
            outputs,
            description,
            max_rows,
            file,
        })
    }

    /// What the file says about itself.
    #[must_use]
    pub fn summary(&self) -> &ModelSummary {
        &self.summary
    }

    /// The JSON of its [`ModelDescription`].
    #[must_use]
    pub fn description(&self) -> Bytes {
        self.description.clone()
    }

    /// Loads the model up to `most` times with the ONNX Runtime library at `library`, and warms each
    /// runner up; fewer times if its sessions would need much memory. The bytes that were checked are the
    /// bytes that are loaded; they are let go of afterwards. Trees that `evaluator` lets serve need one
    /// session, to be verified with.
    pub fn load(
        mut self,
        library: &Path,
        most: NonZeroUsize,
        evaluator: Evaluator,
    ) -> Result<(Arc<Self>, Vec<Runner>), ModelError> {
        let environment = runtime::environment(library)?;
        let first = Backend::choose(&self, self.session(&environment)?, evaluator);
        let mut backends = vec![first];
        let sessions = sessions(self.file.len(), most.get());
        while backends.len() < most.get() {
            let another = match backends[0].again() {
                Some(another) => another,
                None if backends.len() == sessions => break,
                None => Backend::session(self.session(&environment)?),
            };
            backends.push(another);
        }
        self.file = Vec::new();
        let model = Arc::new(self);
        let runners = backends
            .into_iter()
            .map(|backend| Runner::new(backend, Arc::clone(&model)));
        let mut runners: Vec<_> = runners.collect();
        runners.iter_mut().for_each(Runner::warm_up);
        Ok((model, runners))
    }

    fn session(&self, environment: &Environment) -> Result<Session, ModelError> {
        let refused = |e: ort::Error| ModelError::Load(e.to_string());
        let session = Session::builder(environment)
            .and_then(
                |builder| Ok(builder.with_optimization_level(GraphOptimizationLevel::Level3)?),
            )
            .and_then(|builder| Ok(builder.with_intra_threads(1)?))
            .and_then(|builder| Ok(builder.with_inter_threads(1)?))
            .and_then(|mut builder| builder.commit_from_memory(&self.file))
            .map_err(refused)?;
        let names = |outlets: &[ort::value::Outlet]| {
            outlets
                .iter()
                .map(|o| o.name().to_owned())
                .collect::<Vec<_>>()
        };
        let same = |specs: &[TensorSpec], names: Vec<String>| {
            specs.iter().map(|spec| &spec.name).eq(&names)
        };
        let agrees = same(self.inputs.specs(), names(session.inputs()))
            && same(&self.outputs, names(session.outputs()));
        if !agrees {
            return Err(ModelError::Load(
                "its inputs and outputs are not those that the file lists".into(),
            ));
        }
        Ok(session)
    }
}

/// How many sessions a model of `bytes` gets where `most` are asked for.
fn sessions(bytes: usize, most: usize) -> usize {
    let more = COPIES / bytes.max(1);
    more.saturating_add(1).min(most)
}

/// Reads a regular file of at most `limit` bytes.
fn read(path: &Path, limit: u64) -> Result<Vec<u8>, ModelError> {
    let unreadable = |source| ModelError::Read {
        path: path.to_path_buf(),
        source,
    };
    let meta = fs::metadata(path).map_err(unreadable)?;
    if !meta.is_file() {
        let source = io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is not a regular file; name the .onnx file itself",
        );
        return Err(unreadable(source));
    }
    let too_large = |bytes| ModelError::TooLarge {
        path: path.to_path_buf(),
        bytes,
        limit,
    };
    if meta.len() > limit {
        return Err(too_large(meta.len()));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(meta.len()).unwrap_or(0));
    // One byte more than allowed, in case the file grows meanwhile.
    let file = File::open(path).map_err(unreadable)?;
    file.take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > limit {
        Err(too_large(bytes.len() as u64))
    } else {
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_models_are_not_copied() {
        assert_eq!(sessions(0, 3), 3);
        assert_eq!(sessions(100 << 20, 8), 3);
        assert_eq!(sessions(COPIES, 8), 2);
        assert_eq!(sessions(COPIES + 1, 8), 1);
    }
}
