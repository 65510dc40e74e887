//! The project's own chores, run as `cargo xtask <chore>`: checks of the tree, generated documents, measurements.
//!
//! Developers, `make` and CI call it; nothing of it is in the product.

mod bench;
mod documents;
mod fuzz;
mod tidy;
mod tree;

use clap::{Parser, Subcommand};
use std::{io::Write as _, process::ExitCode};

/// Chores of the Mainspan repository.
#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    disable_help_subcommand = true
)]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Check the tree: module docs, lengths, manifests, arrows between crates, links, generated files
    Tidy,
    /// Write schemas/mainspan.schema.json, the JSON Schema of the project file
    Schema(documents::Args),
    /// Write schemas/openapi.json, the description of the server's own API
    Openapi(documents::Args),
    /// Measure the release binary; exit code 1 if a goal is missed
    Bench(bench::Args),
    /// Try random inputs on the decoders, for minutes each
    Fuzz(fuzz::Args),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().chore {
        Chore::Tidy => tidy::run(),
        Chore::Schema(args) => args.run(&documents::SCHEMA),
        Chore::Openapi(args) => args.run(&documents::OPENAPI),
        Chore::Bench(args) => args.run(),
        Chore::Fuzz(args) => args.run(),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            // Nothing is left to tell if stderr is gone.
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
