//! The `mainspan` program: one binary, several roles, and the command line.
//!
//! `unit` comes before everything else, because it is on the path of every step: no parser, no runtime, no logging.

mod cli;
mod client;
mod exit;
mod output;
mod place;
mod roles;
mod verbs;

use clap::Parser as _;
use std::{env, path::Path, process::ExitCode};

fn main() -> ExitCode {
    let mut arguments = env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == "unit")
        && let (Some(folder), None) = (arguments.next(), arguments.next())
        && folder != "--help"
    {
        return platform::shim::main(Path::new(&folder));
    }
    exit::of(cli::run(cli::Cli::parse()))
}
