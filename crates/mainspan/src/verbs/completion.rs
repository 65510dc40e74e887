//! `completion`: scripts for shells.

use crate::{cli::Cli, exit, output};
use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

/// For which shell.
#[derive(Debug, Args)]
pub(crate) struct Completion {
    /// The shell
    shell: Shell,
}

impl Completion {
    /// Prints the script.
    pub(crate) fn run(self) -> anyhow::Result<u8> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "mainspan", &mut script);
        output::raw(&String::from_utf8_lossy(&script))?;
        Ok(exit::OK)
    }
}
