//! What `import` and `export` share: another server's address, a line of progress, and the report.

use crate::{
    exit::{self, Coded},
    output::{self, Format},
};
use moving::{
    error::{Error, Result},
    http::{Credential, Http},
    import::Options,
    report::{Kind, Report},
};
use std::{
    env,
    io::{IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

/// What is copied, and from or to which workspace of the other server.
#[derive(Debug, clap::Args)]
pub(super) struct What {
    /// Leave files out
    #[arg(long)]
    no_artifacts: bool,
    /// Leave traces out
    #[arg(long)]
    no_traces: bool,
    /// Workspace of the other server
    #[arg(long, default_value = "default", value_name = "NAME")]
    pub(super) workspace: String,
    /// Read files again that are there already, and compare their digests
    #[arg(long)]
    verify: bool,
}

impl What {
    /// What the copy is told of it.
    pub(super) fn options(&self) -> Options {
        Options {
            files: !self.no_artifacts,
            traces: !self.no_traces,
            verify: self.verify,
        }
    }
}

/// MLflow's server at an address, with the credential of the environment.
pub(super) fn server(address: &str, workspace: &str) -> Result<Http> {
    let variable = |name: &str| env::var(name).ok().filter(|text| !text.is_empty());
    let credential = match (
        variable("MLFLOW_TRACKING_TOKEN"),
        variable("MLFLOW_TRACKING_USERNAME"),
    ) {
        (Some(token), _) => Credential::Bearer(token),
        (None, Some(name)) => Credential::Basic(
            name,
            variable("MLFLOW_TRACKING_PASSWORD").unwrap_or_default(),
        ),
        (None, None) => Credential::None,
    };
    let http = Http::new(address, credential)?;
    Ok(match workspace {
        "default" => http,
        other => http.with("x-mlflow-workspace", other),
    })
}

/// An error with the exit code that belongs to it.
pub(super) fn coded(error: &Error) -> anyhow::Error {
    let code = match error {
        Error::Unreachable { .. } => exit::NO_SERVER,
        Error::Refused {
            status: 401 | 403, ..
        } => exit::DENIED,
        _ => exit::FAILED,
    };
    Coded {
        code,
        message: error.to_string(),
    }
    .into()
}

/// A line about how far it is, on standard error.
pub(super) struct Progress {
    last: Option<Instant>,
    every: Duration,
    terminal: bool,
}

impl Progress {
    pub(super) fn new(format: Format) -> Self {
        let terminal = std::io::stderr().is_terminal() && format == Format::Text;
        Progress {
            last: None,
            every: if terminal {
                Duration::from_millis(200)
            } else {
                Duration::from_secs(10)
            },
            terminal,
        }
    }

    pub(super) fn show(&mut self, report: &Report, doing: &str) {
        if self.last.is_some_and(|last| last.elapsed() < self.every) {
            return;
        }
        // In a file, a copy of a few seconds needs no line.
        let first = self.last.replace(Instant::now()).is_none();
        if first && !self.terminal {
            return;
        }
        let found: Vec<_> = report
            .kinds
            .iter()
            .map(|line| format!("{} {}", line.count.found, line.kind.words()))
            .collect();
        let text = format!("{}: {doing}", found.join(", "));
        if self.terminal {
            eprint!("\r\x1b[K{}", text.chars().take(150).collect::<String>());
            let _ = std::io::stderr().flush();
        } else {
            eprintln!("{text}");
        }
    }

    pub(super) fn end(&mut self) {
        if self.terminal && self.last.is_some() {
            eprint!("\r\x1b[K");
        }
    }
}

/// Prints what became of everything, and then what ended it early; the exit code.
pub(super) fn print(
    format: Format,
    report: &Report,
    ended: Result<()>,
    verb: &str,
) -> anyhow::Result<u8> {
    let whole = ended.is_ok() && report.is_whole();
    if format == Format::Json {
        let mut shown = serde_json::to_value(report)?;
        shown["whole"] = whole.into();
        shown["error"] = ended.as_ref().err().map(ToString::to_string).into();
        output::json(&shown)?;
    } else {
        print_counts(report)?;
        print_notes(report)?;
        if whole && report.changed_nothing() {
            output::line("Everything is there already; nothing was changed.")?;
        } else if whole {
            output::line("Everything is there.")?;
        }
    }
    match ended {
        Ok(()) if whole => Ok(exit::OK),
        Ok(()) => Ok(exit::FAILED),
        Err(error) => {
            let error = coded(&error);
            Err(error.context(format!("not finished: run `{verb}` again to go on")))
        }
    }
}

fn print_counts(report: &Report) -> anyhow::Result<()> {
    let rows = report.kinds.iter().map(|line| {
        let count = line.count;
        let mut row = vec![line.kind.words().to_owned()];
        let numbers = [
            count.found,
            count.copied,
            count.updated,
            count.there_already,
            count.different,
            count.left_out,
            count.failed,
        ];
        row.extend(numbers.iter().map(ToString::to_string));
        row
    });
    output::table(
        &[
            "KIND",
            "FOUND",
            "COPIED",
            "UPDATED",
            "THERE",
            "DIFFERENT",
            "LEFT OUT",
            "FAILED",
        ],
        rows.collect(),
        "The source holds nothing.",
    )
}

fn print_notes(report: &Report) -> anyhow::Result<()> {
    for note in &report.notes {
        let state = serde_json::to_value(note.state)?;
        let state = output::text(&state).replace('_', " ");
        let kind = one(note.kind);
        output::line(&format!("{state}: {kind} {}: {}", note.name, note.why))?;
    }
    if report.more_notes > 0 {
        output::line(&format!("… and {} more", report.more_notes))?;
    }
    Ok(())
}

/// The word for one of a kind.
fn one(kind: Kind) -> &'static str {
    let words = kind.words();
    match kind {
        Kind::Aliases => "alias",
        Kind::MetricPoints => "metric points of run",
        Kind::Scorers => "version of scorer",
        _ => &words[..words.len() - 1],
    }
}

/// Prints what a source holds.
pub(super) fn print_survey(format: Format, report: &Report) -> anyhow::Result<u8> {
    if format == Format::Json {
        output::json(&serde_json::to_value(report)?)?;
        return Ok(exit::OK);
    }
    let rows = report
        .kinds
        .iter()
        .map(|line| vec![line.kind.words().to_owned(), line.count.found.to_string()]);
    output::table(
        &["KIND", "FOUND"],
        rows.collect(),
        "The source holds nothing.",
    )?;
    print_notes(report)?;
    output::line("Nothing was copied.")?;
    Ok(exit::OK)
}
