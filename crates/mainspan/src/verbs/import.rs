//! `import mlflow`: what an MLflow server holds, copied into a project.

use super::moved::{self, What};
use crate::cli::Common;
use clap::{Args, Subcommand};
use moving::{
    http::Http,
    import::{self, Import as Copy, Target},
    source::{Source, database::Stored, rest::Server},
};
use std::path::PathBuf;

/// Where to copy from.
#[derive(Debug, Args)]
pub(crate) struct Import {
    #[command(subcommand)]
    from: From,
}

#[derive(Debug, Subcommand)]
enum From {
    /// Copy experiments, runs, models, files and traces of an MLflow server into a project
    #[command(after_help = EXAMPLES)]
    Mlflow(Mlflow),
}

const EXAMPLES: &str = "\
Examples:
  mainspan import mlflow http://mlflow.example.org:5000 -p flights
  mainspan import mlflow ./mlflow.db --artifacts ./mlartifacts -p flights
  mainspan import mlflow postgres://reader@db/mlflow --artifacts /mnt/artifacts -p flights
  mainspan import mlflow http://localhost:5000 -p flights --dry-run

Runs, logged models and versions keep their ids and numbers, and everything its times. The source is only read. Ended at any
moment, the same command goes on where it was; once all is there it changes nothing. A server's name and password come from
MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN.
Exit codes: 0 all is there, 1 something is not (the report names it), 3 not allowed, 4 no server.";

#[derive(Debug, Args)]
struct Mlflow {
    /// Address of a server, SQLite file of one, or postgres:// URL of its database
    #[arg(value_name = "URL|FILE")]
    source: String,
    /// Where artifacts lie that a database names, when not where it says
    #[arg(long, value_name = "DIR")]
    artifacts: Option<PathBuf>,
    #[command(flatten)]
    what: What,
    /// Count what the source holds, and copy nothing
    #[arg(long)]
    dry_run: bool,
}

impl Import {
    /// Copies.
    pub(crate) fn run(self, common: &Common) -> anyhow::Result<u8> {
        let From::Mlflow(asked) = self.from;
        let options = asked.what.options();
        let mut progress = moved::Progress::new(common.output);
        if asked.dry_run {
            let mut source = asked.open().map_err(|error| moved::coded(&error))?;
            let report = import::survey(&mut *source, options, &mut |report, doing| {
                progress.show(report, doing);
            })
            .map_err(|error| moved::coded(&error))?;
            progress.end();
            return moved::print_survey(common.output, &report);
        }
        let (client, project) = (common.client()?, common.project()?);
        let http = Http::new(&client.address(), client.credential())
            .map_err(|error| moved::coded(&error))?;
        let mut source = asked.open().map_err(|error| moved::coded(&error))?;
        let target = Target::new(http, &project);
        let mut show = |report: &moving::report::Report, doing: &str| progress.show(report, doing);
        let (report, ended) = Copy::new(&mut *source, &target, options, &mut show).run();
        progress.end();
        moved::print(common.output, &report, ended, "mainspan import mlflow")
    }
}

impl Mlflow {
    fn open(&self) -> moving::error::Result<Box<dyn Source>> {
        let (source, workspace) = (self.source.as_str(), self.what.workspace.as_str());
        let artifacts = self.artifacts.clone();
        if source.starts_with("http://") || source.starts_with("https://") {
            return Ok(Box::new(Server::new(moved::server(source, workspace)?)?));
        }
        if source.starts_with("postgres://") || source.starts_with("postgresql") {
            // As SQLAlchemy writes it: `postgresql+psycopg2://…`.
            let url = source.split_once("://").map_or(source, |(_, rest)| rest);
            let url = format!("postgres://{url}");
            return Ok(Box::new(Stored::postgres(&url, workspace, artifacts)?));
        }
        let path = source.strip_prefix("sqlite:///").unwrap_or(source);
        Ok(Box::new(Stored::sqlite(
            path.as_ref(),
            workspace,
            artifacts,
        )?))
    }
}
