//! `export mlflow`: a project's records, copied into an MLflow server.

use super::moved::{self, What};
use crate::{cli::Common, client::escape};
use clap::{Args, Subcommand};
use moving::{export::Export as Copy, http::Http, source::rest::Server};

/// Where to copy to.
#[derive(Debug, Args)]
pub(crate) struct Export {
    #[command(subcommand)]
    to: To,
}

#[derive(Debug, Subcommand)]
enum To {
    /// Copy experiments, runs, models, files and traces of a project into an MLflow server
    #[command(after_help = EXAMPLES)]
    Mlflow(Mlflow),
}

const EXAMPLES: &str = "\
Examples:
  mainspan export mlflow http://mlflow.example.org:5000 -p flights
  mainspan export mlflow http://localhost:5000 -p flights --no-artifacts -o json

MLflow's protocol gives new ids to runs and logged models, and their tags mainspan.source-run and mainspan.source-model name
the old ones; versions keep their numbers. Times of runs and points are kept; those of experiments, models and versions, and
who registered them, cannot be. Ended at any moment, the same command goes on where it was; what is there is never
overwritten. The server's name and password come from MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or
MLFLOW_TRACKING_TOKEN.
Exit codes: 0 all is there, 1 something is not (the report names it), 3 not allowed, 4 no server.";

#[derive(Debug, Args)]
struct Mlflow {
    /// Address of the server
    url: String,
    #[command(flatten)]
    what: What,
}

impl Export {
    /// Copies.
    pub(crate) fn run(self, common: &Common) -> anyhow::Result<u8> {
        let To::Mlflow(asked) = self.to;
        let options = asked.what.options();
        let (client, project) = (common.client()?, common.project()?);
        let address = format!(
            "{}/p/{}",
            client.address().trim_end_matches('/'),
            escape(&project)
        );
        let failed = |error| moved::coded(&error);
        let here = Http::new(&address, client.credential()).map_err(failed)?;
        let mut source = Server::new(here).map_err(failed)?;
        let there = moved::server(&asked.url, &asked.what.workspace).map_err(failed)?;
        let mut progress = moved::Progress::new(common.output);
        let mut show = |report: &moving::report::Report, doing: &str| progress.show(report, doing);
        let copy = Copy::new(&mut source, there, options, &mut show).map_err(failed)?;
        let (report, ended) = copy.run();
        progress.end();
        moved::print(common.output, &report, ended, "mainspan export mlflow")
    }
}
