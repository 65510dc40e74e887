//! The command line: what can be said, and which verb answers.

use crate::{client::Client, exit, output::Format, roles, verbs};
use clap::{Args, CommandFactory as _, Parser, Subcommand};
use std::path::PathBuf;

/// From a git commit to a reliable, observed, reversible model in production.
#[derive(Debug, Parser)]
#[command(name = "mainspan", version, disable_help_subcommand = true)]
#[command(
    after_help = "Start with `mainspan init`, then `mainspan up`, `mainspan plan` and `mainspan apply`.\nExit codes: 0 done, 1 failed, 2 changes or wrong usage, 3 not allowed, 4 no server."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    verb: Option<Verb>,
}

/// What every verb takes.
#[derive(Clone, Debug, Args)]
pub(crate) struct Common {
    /// Everything the server keeps [default: $XDG_STATE_HOME/mainspan or ~/.local/state/mainspan]
    #[arg(long, global = true, env = "MAINSPAN_STATE", value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
    /// Address of the server [default: the one running on --state]
    #[arg(long, global = true, env = "MAINSPAN_SERVER", value_name = "URL")]
    pub(crate) server: Option<String>,
    /// Token for the server [default: the owner's, from the state directory]
    #[arg(
        long,
        global = true,
        env = "MAINSPAN_TOKEN",
        hide_env_values = true,
        value_name = "TOKEN"
    )]
    pub(crate) token: Option<String>,
    /// Project [default: the one that the project file names]
    #[arg(
        short,
        long,
        global = true,
        env = "MAINSPAN_PROJECT",
        value_name = "NAME"
    )]
    pub(crate) project: Option<String>,
    /// The project file, or its folder [default: mainspan.yaml here or above]
    #[arg(short, long, global = true, value_name = "PATH")]
    pub(crate) file: Option<PathBuf>,
    /// How to print
    #[arg(short, long, global = true, value_enum, default_value_t)]
    pub(crate) output: Format,
}

impl Common {
    /// The server to call.
    pub(crate) fn client(&self) -> anyhow::Result<Client> {
        Client::new(
            self.server.as_deref(),
            self.token.as_deref(),
            self.state.as_deref(),
        )
    }

    /// The project to talk about.
    pub(crate) fn project(&self) -> anyhow::Result<String> {
        match &self.project {
            Some(name) => Ok(name.clone()),
            None => verbs::file::project(self.file.as_deref()),
        }
    }

    /// The API path of the project.
    pub(crate) fn base(&self) -> anyhow::Result<String> {
        Ok(format!(
            "/api/v1/projects/{}",
            crate::client::escape(&self.project()?)
        ))
    }
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Write a mainspan.yaml to begin with
    Init(verbs::init::Init),
    /// Start server and gateway here, and keep them running
    Up(roles::up::Up),
    /// Stop what `up` started, and replicas; steps go on and are taken up again
    Down(roles::down::Down),
    /// Run the binary that is on disk now, without refusing a request
    Upgrade(roles::up::upgrade::Upgrade),
    /// Show what applying the project file would change
    Plan(verbs::plan::Plan),
    /// Change things to what the project file says
    Apply(verbs::plan::Apply),
    /// Take away a project and everything it runs
    Destroy(verbs::plan::Destroy),
    /// What serves where, since when and why, and what is going on
    Status,
    /// Start a pipeline
    Run(verbs::run::Run),
    /// List runs, or show one with its steps
    Runs(verbs::run::Runs),
    /// Stop a run and everything it started
    Cancel(verbs::run::Cancel),
    /// The output of a run's steps
    Logs(verbs::run::Logs),
    /// List models, or show one with its versions
    Models(verbs::models::Models),
    /// Datasets as runs have read them
    Datasets,
    /// Compare the answers of two versions to the same requests
    Diff(verbs::diff::Diff),
    /// List roll-outs, or show one with its verdicts
    Rollouts(verbs::rollouts::Rollouts),
    /// Roll a version out by hand
    Promote(verbs::rollouts::Promote),
    /// Take traffic back: end the roll-out, or return to the version before
    Rollback(verbs::rollouts::Rollback),
    /// Hold a roll-out at its stage
    Pause(verbs::rollouts::Hold),
    /// Let a held roll-out go on
    Resume(verbs::rollouts::Hold),
    /// Who changed what, when and why
    Events(verbs::events::Events),
    /// Alarms of monitors, newest first
    Alarms,
    /// Make, list and revoke tokens
    Tokens(verbs::tokens::Tokens),
    /// Make, list and remove users with a password
    Users(verbs::users::Users),
    /// Ask a service for a prediction
    Predict(verbs::predict::Predict),
    /// What works on this machine and what does not
    Doctor,
    /// Save records, data and models while it runs
    Backup(verbs::backup::Backup),
    /// Bring a backup back into an empty state directory
    Restore(verbs::backup::Restore),
    /// Copy what another server holds into a project
    Import(verbs::import::Import),
    /// Copy a project's records into another server
    Export(verbs::export::Export),
    /// Write a systemd unit that does what `up` does
    Install(roles::install::Install),
    /// Print a completion script for a shell
    Completion(verbs::completion::Completion),
    /// The control plane alone
    Server(roles::server::Server),
    /// The data plane alone
    Gateway(roles::gateway::Gateway),
    /// A replica of the model engine
    #[command(hide = true)]
    Engine(roles::engine::Engine),
    /// Run units, one after another (started by the server)
    #[command(hide = true)]
    Unit {
        /// The units' folder; which of them to run comes on stdin
        folder: PathBuf,
    },
}

/// Runs the verb; answers the exit code.
pub(crate) fn run(cli: Cli) -> anyhow::Result<u8> {
    let common = &cli.common;
    let Some(verb) = cli.verb else {
        // The whole page, as for somebody who does not know a verb yet; and no success, as nothing was done.
        eprint!("{}", Cli::command().render_help());
        return Ok(exit::CHANGES);
    };
    match verb {
        Verb::Init(verb) => verb.run(common),
        Verb::Up(verb) => verb.run(common),
        Verb::Down(verb) => verb.run(common),
        Verb::Upgrade(verb) => verb.run(common),
        Verb::Plan(verb) => verb.run(common),
        Verb::Apply(verb) => verb.run(common),
        Verb::Destroy(verb) => verb.run(common),
        Verb::Status => verbs::status::run(common),
        Verb::Run(verb) => verb.run(common),
        Verb::Runs(verb) => verb.run(common),
        Verb::Cancel(verb) => verb.run(common),
        Verb::Logs(verb) => verb.run(common),
        Verb::Models(verb) => verb.run(common),
        Verb::Datasets => verbs::models::datasets(common),
        Verb::Diff(verb) => verb.run(common),
        Verb::Rollouts(verb) => verb.run(common),
        Verb::Promote(verb) => verb.run(common),
        Verb::Rollback(verb) => verb.run(common),
        Verb::Pause(verb) => verb.run(common, "pause"),
        Verb::Resume(verb) => verb.run(common, "resume"),
        Verb::Events(verb) => verb.run(common),
        Verb::Alarms => verbs::events::alarms(common),
        Verb::Tokens(verb) => verb.run(common),
        Verb::Users(verb) => verb.run(common),
        Verb::Predict(verb) => verb.run(common),
        Verb::Doctor => verbs::doctor::run(common),
        Verb::Backup(verb) => verb.run(common),
        Verb::Restore(verb) => verb.run(common),
        Verb::Import(verb) => verb.run(common),
        Verb::Export(verb) => verb.run(common),
        Verb::Install(verb) => verb.run(common),
        Verb::Completion(verb) => verb.run(),
        Verb::Server(role) => role.run(common),
        Verb::Gateway(role) => role.run(common),
        Verb::Engine(role) => role.run(),
        Verb::Unit { folder } => {
            let code = platform::shim::main(&folder);
            Ok(if code == std::process::ExitCode::SUCCESS {
                exit::OK
            } else {
                exit::FAILED
            })
        }
    }
}

#[cfg(test)]
mod tests;
