//! Whatever computes: one of these for each request that is computed at a time.

use inference::frame::{Answer, Request};

use crate::model;
use crate::pyfunc::{self, WorkerError};

/// A loaded model, for one thread at a time.
#[derive(Debug)]
pub(crate) enum Compute {
    /// In this process.
    Here(model::Runner),
    /// In a Python process.
    Python(pyfunc::Runner),
}

impl Compute {
    /// Answers an inference; an error says that nothing can be computed here any more.
    pub(crate) fn answer(&mut self, request: &Request) -> Result<Answer, WorkerError> {
        match self {
            Self::Here(runner) => Ok(runner.answer(request)),
            Self::Python(runner) => runner.answer(request),
        }
    }

    /// Answers several, together where that is possible, in their order.
    pub(crate) fn answer_all(&mut self, requests: &[&Request]) -> Result<Vec<Answer>, WorkerError> {
        match self {
            Self::Here(runner) => Ok(runner.answer_all(requests)),
            Self::Python(runner) => {
                let answers = requests.iter().map(|request| runner.answer(request));
                answers.collect()
            }
        }
    }
}
