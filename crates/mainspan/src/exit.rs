//! Exit codes, documented in docs/cli.md: 0 done, 1 failed, 2 changes or a difference, 3 not allowed, 4 no server.

use std::{fmt, process::ExitCode};

/// Done.
pub(crate) const OK: u8 = 0;
/// It failed; the message says why.
pub(crate) const FAILED: u8 = 1;
/// `plan --detailed-exitcode`: there are changes. Also clap's code for a wrong command line.
pub(crate) const CHANGES: u8 = 2;
/// The token does not go that far.
pub(crate) const DENIED: u8 = 3;
/// No server answers.
pub(crate) const NO_SERVER: u8 = 4;

/// An error with an exit code of its own.
#[derive(Debug)]
pub(crate) struct Coded {
    /// The code.
    pub(crate) code: u8,
    /// The message.
    pub(crate) message: String,
}

impl fmt::Display for Coded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Coded {}

/// Prints an error, if there is one, and turns the outcome into the process's exit code.
pub(crate) fn of(outcome: anyhow::Result<u8>) -> ExitCode {
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            // A reader that went away (`mainspan events | head`) is no failure.
            let broken = error
                .downcast_ref::<std::io::Error>()
                .is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe);
            if broken {
                return ExitCode::from(OK);
            }
            let said = format!("{error:#}");
            // Mistakes in a file come as they are shown, each with its own head.
            let head = if said.starts_with("error:") {
                ""
            } else {
                "error: "
            };
            eprintln!("{head}{}", said.trim_end());
            ExitCode::from(
                error
                    .downcast_ref::<Coded>()
                    .map_or(FAILED, |coded| coded.code),
            )
        }
    }
}
