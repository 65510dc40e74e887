//! `cargo xtask bench <topic>`: measures the release binary as its users see it, against the goals written here.
//!
//! A plain harness: it starts the binary on a state directory of its own, drives it by its command line and HTTP, and
//! compares within one run wherever it can. It must never reach into the product's files or crates: what only shows inside of
//! a crate is measured by an example of that crate, and `verdicts` alone, which simulates, plays the product's judge.

mod connection;
mod http;
mod mlflow;
mod onnx;
mod process;
mod product;
mod report;
mod scale;
mod serving;
mod steps;
mod trees;
mod verdicts;

use report::{Figure, Format};
use std::{path::PathBuf, process::ExitCode};

/// What to measure and how to tell it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What to measure
    #[arg(value_enum)]
    topic: Topic,
    /// How to print
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
    /// The binary to measure [default: target/release/mainspan]
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Topic {
    /// Starting up, idling, what the platform adds to a step, and from a commit to an answer
    Steps,
    /// Tracking, searches and files beside a real MLflow server (`make test-tools` installs it)
    Mlflow,
    /// Tracking with a million runs and a hundred million points
    Growth,
    /// Requests through gateway and engine, beside an echo server and other servers (needs `wrk`)
    Serving,
    /// Compiled ensembles of trees beside ONNX Runtime, in process (needs Python with pip, not the binary)
    Trees,
    /// Who decides how many replicas there are, simulated on recorded requests (needs no binary)
    Scale,
    /// False roll-backs and the time until harm is found, in simulated worlds; needs no binary
    Verdicts,
}

impl Args {
    /// Measures and prints; exit code 1 if a goal is missed.
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let figures = match self.topic {
            Topic::Steps => steps::measure(&self.binary()?)?,
            Topic::Mlflow => mlflow::measure(&self.binary()?)?,
            Topic::Growth => mlflow::growth::measure(&self.binary()?)?,
            Topic::Serving => serving::measure(&self.binary()?)?,
            Topic::Trees => trees::measure()?,
            Topic::Scale => scale::measure()?,
            Topic::Verdicts => verdicts::measure()?,
        };
        report::print(&figures, self.output)?;
        Ok(if figures.iter().all(Figure::holds) {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }

    /// The binary that is measured.
    fn binary(&self) -> anyhow::Result<PathBuf> {
        let binary = match &self.binary {
            Some(binary) => std::path::absolute(binary)?,
            None => crate::tree::root().join("target/release/mainspan"),
        };
        anyhow::ensure!(
            binary.is_file(),
            "there is no `{}`: run `make build` first",
            binary.display()
        );
        Ok(binary)
    }
}
