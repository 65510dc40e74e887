//! Any MLflow model, in a Python process of its own.
//!
//! `worker.py` runs in the toolchain that the model was made for and speaks the engine's frames on its
//! standard input and output. Requests of the Open Inference Protocol reach it as the binary extension
//! and its answers are written here in whichever wire was asked; rows, instances and MLflow's own
//! protocol go to it as they came, for there MLflow's rules are the reference. A worker that breaks off
//! ends the replica: who is under way there is asked elsewhere.

use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use bytes::{Bytes, BytesMut};
use inference::answer::Output;
use inference::frame::{self, Answer, Reply, Request, Wire};
use inference::model::Inputs;
use inference::oip::exchange;
use inference::question::{Form, Question};
use rustix::io::Errno;
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use tokio_util::sync::CancellationToken;

use crate::model::refusal;

/// What the worker is.
const WORKER: &str = include_str!("pyfunc/worker.py");
const BAD_REQUEST: u16 = 400;
const MODEL_FAILED: u16 = 500;
/// Room for replies.
const READ_BYTES: usize = 64 << 10;

/// A model that Python does not load, or does not go on with.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// It could not be started.
    #[error("cannot start {python}: {source}")]
    Start {
        /// The interpreter.
        python: String,
        /// Why.
        source: io::Error,
    },
    /// It ended before the model was loaded.
    #[error("Python could not load the model ({0}); the log says why")]
    Load(String),
    /// It broke off.
    #[error("the Python process of the model is gone; the log says why")]
    Gone,
}

/// A worker, for one request at a time.
#[derive(Debug)]
pub(crate) struct Runner {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
    buffer: BytesMut,
    next: u64,
}

impl Runner {
    /// Starts `python` on the MLflow model in `folder`, and waits until it is loaded. Gives what the
    /// model takes and gives, too. `broken` is cancelled when it has ended, whether or not somebody
    /// asks it just then.
    pub(crate) fn start(
        python: &Path,
        folder: &Path,
        broken: &CancellationToken,
    ) -> Result<(Self, Bytes), WorkerError> {
        let mut child = Command::new(python)
            .args(["-u", "-c", WORKER])
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|source| WorkerError::Start {
                python: python.display().to_string(),
                source,
            })?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(WorkerError::Gone);
        };
        let mut runner = Self {
            child,
            input,
            output,
            buffer: BytesMut::new(),
            next: 0,
        };
        match runner.ask(&Request::Describe) {
            Ok(Reply::Description(description)) => {
                watch(&runner.child, broken.clone());
                Ok((runner, description))
            }
            Ok(_) => Err(WorkerError::Load("it answers something else".into())),
            Err(_) => {
                let ended = runner.child.wait();
                let how = ended.map_or_else(|e| e.to_string(), |status| status.to_string());
                Err(WorkerError::Load(how))
            }
        }
    }

    /// Answers an inference; an error says that there is no worker any more.
    pub(crate) fn answer(&mut self, request: &Request) -> Result<Answer, WorkerError> {
        let Request::Infer(wire, body) = request else {
            return Ok(refusal(BAD_REQUEST, "not an inference"));
        };
        match wire {
            Wire::Oip | Wire::OipRaw(_) | Wire::Grpc => self.tensors(*wire, body),
            Wire::Rows | Wire::V1 | Wire::Scoring | Wire::Csv => self.inference(request),
        }
    }

    /// Answers tensors: in the binary extension to the worker, in `wire` to the client.
    fn tensors(&mut self, wire: Wire, body: &Bytes) -> Result<Answer, WorkerError> {
        // The worker checks what the model takes; there are no rows to be counted here.
        let question = match Question::read(wire, body, &Inputs::any(), &[], usize::MAX) {
            Ok(question) => question,
            Err(error) => return Ok(refusal(BAD_REQUEST, &error.to_string())),
        };
        let names = question.names.iter().map(String::as_str);
        let (body, json) = exchange::request(names.zip(&question.tensors));
        let Ok(json) = u32::try_from(json) else {
            return Ok(refusal(BAD_REQUEST, "the request is too long"));
        };
        let answer = self.inference(&Request::Infer(Wire::OipRaw(json), body.into()))?;
        if answer.status == 200 {
            Ok(rewritten(answer, &question.form))
        } else {
            Ok(answer)
        }
    }

    fn inference(&mut self, request: &Request) -> Result<Answer, WorkerError> {
        match self.ask(request) {
            Ok(Reply::Answer(answer)) => Ok(answer),
            Ok(_) => Err(WorkerError::Gone),
            // A request that no frame holds was not sent.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                Ok(refusal(BAD_REQUEST, &error.to_string()))
            }
            Err(error) => {
                tracing::error!(%error, "the Python process broke off");
                Err(WorkerError::Gone)
            }
        }
    }

    /// Sends a request and reads its reply.
    fn ask(&mut self, request: &Request) -> io::Result<Reply> {
        let mut out = BytesMut::new();
        frame::encode_request(self.next, request, &mut out)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        self.next = self.next.wrapping_add(1);
        self.input.write_all(&out)?;
        self.input.flush()?;
        loop {
            if let Some((_, reply)) =
                frame::decode_reply(&mut self.buffer).map_err(io::Error::other)?
            {
                return Ok(reply);
            }
            let had = self.buffer.len();
            self.buffer.resize(had + READ_BYTES, 0);
            let got = self.output.read(&mut self.buffer[had..])?;
            self.buffer.truncate(had + got);
            if got == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        // It ends at the end of its input; one that hangs does not keep the replica.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for the end of a process beside everything else, and leaves it to its owner.
fn watch(child: &Child, broken: CancellationToken) {
    let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) else {
        return;
    };
    let wait = move || {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        // Interrupted, it waits again; gone, it has ended.
        while let Err(Errno::INTR) = waitid(WaitId::Pid(pid), options) {}
        broken.cancel();
    };
    let watcher = std::thread::Builder::new()
        .name("python".into())
        .spawn(wait);
    if let Err(error) = watcher {
        tracing::warn!(%error, "the end of the Python process will be noticed late");
    }
}

/// A worker's answer in the client's wire.
fn rewritten(answer: Answer, form: &Form) -> Answer {
    let json = usize::try_from(answer.json).unwrap_or(usize::MAX);
    let read = exchange::outputs(&answer.body, json);
    let written = read.map_err(|e| e.to_string()).and_then(|outputs| {
        let outputs: Vec<_> = outputs
            .iter()
            .map(|(name, tensor)| Output {
                name,
                shape: tensor.shape.clone(),
                data: tensor.data.clone(),
                classes: None,
            })
            .collect();
        form.write(&outputs).map_err(|e| e.to_string())
    });
    match written {
        Ok(written) => Answer {
            json: written
                .json
                .map_or(0, |json| u32::try_from(json).unwrap_or(0)),
            body: written.bytes.into(),
            ..answer
        },
        Err(message) => refusal(MODEL_FAILED, &message),
    }
}
