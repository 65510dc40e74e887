//! `plan`, `apply`, `destroy`: what the file would change, changing it, and taking it all away.

use super::file::Local;
use crate::{
    cli::Common,
    client::{Client, escape},
    exit::{self, Coded},
    output::{self, Format},
};
use anyhow::bail;
use clap::Args;
use serde_json::{Value, json};
use std::io::{IsTerminal as _, Write as _};

/// What to plan.
#[derive(Debug, Args)]
pub(crate) struct Plan {
    /// Exit with 0 for no changes, 2 for changes, 1 for an error
    #[arg(long)]
    detailed_exitcode: bool,
    /// Also show deletes of what the file no longer names as changes to make
    #[arg(long)]
    prune: bool,
}

/// What to apply.
#[derive(Debug, Args)]
pub(crate) struct Apply {
    /// Ask nothing
    #[arg(short = 'y', long = "yes", alias = "auto-approve")]
    yes: bool,
    /// Delete what the file no longer names
    #[arg(long)]
    prune: bool,
    /// The project was in another folder: it is here from now on
    #[arg(long = "move")]
    moves: bool,
}

/// What to take away.
#[derive(Debug, Args)]
pub(crate) struct Destroy {
    /// Ask nothing
    #[arg(short = 'y', long = "yes", alias = "auto-approve")]
    yes: bool,
}

fn ask_server(
    client: &Client,
    common: &Common,
    what: &str,
    (prune, moves): (bool, bool),
    plan: Option<&str>,
) -> anyhow::Result<Value> {
    let local = Local::read(common.file.as_deref())?;
    if let Some(told) = common
        .project
        .as_ref()
        .filter(|told| **told != local.file.project)
    {
        bail!(
            "the file is of project `{}`, and `{told}` was asked for: name the file of `{told}` with --file, or \
             leave --project and MAINSPAN_PROJECT out",
            local.file.project
        );
    }
    let body = json!({ "text": local.file.text(), "root": local.root, "prune": prune, "move": moves, "plan": plan });
    client.post(
        &format!("/api/v1/projects/{}/{what}", escape(&local.file.project)),
        &body,
    )
}

fn show(common: &Common, answer: &Value) -> anyhow::Result<bool> {
    let plan: spec::plan::Plan = serde_json::from_value(answer["plan"].clone())?;
    if common.output == Format::Json {
        output::json(answer)?;
    } else {
        output::raw(&render(&plan, answer))?;
        notes(answer);
    }
    Ok(!plan.is_empty())
}

/// The plan, with what roll-outs could find and how the versions on their way answer before its last line.
fn render(plan: &spec::plan::Plan, answer: &Value) -> String {
    let more = ["rollouts_text", "versions_text"].map(|name| answer[name].as_str().unwrap_or(""));
    let more: Vec<&str> = more.into_iter().filter(|text| !text.is_empty()).collect();
    plan.render_with(&more.join("\n"), output::colour())
}

/// What is no part of the plan and yet good to know.
fn notes(answer: &Value) {
    for note in answer["notes"].as_array().into_iter().flatten() {
        eprintln!("note: {}", output::text(note));
    }
}

impl Plan {
    /// Shows the plan.
    pub(crate) fn run(self, common: &Common) -> anyhow::Result<u8> {
        let answer = ask_server(&common.client()?, common, "plan", (self.prune, false), None)?;
        let changes = show(common, &answer)?;
        Ok(if self.detailed_exitcode && changes {
            exit::CHANGES
        } else {
            exit::OK
        })
    }
}

impl Apply {
    /// The verb as `up --apply` uses it.
    pub(crate) fn without_asking() -> Self {
        Apply {
            yes: true,
            prune: false,
            moves: false,
        }
    }

    /// Shows the plan, asks, and executes exactly that.
    pub(crate) fn run(self, common: &Common) -> anyhow::Result<u8> {
        let (client, how) = (common.client()?, (self.prune, self.moves));
        let planned = ask_server(&client, common, "plan", how, None)?;
        let plan: spec::plan::Plan = serde_json::from_value(planned["plan"].clone())?;
        if common.output == Format::Text {
            output::raw(&render(&plan, &planned))?;
            notes(&planned);
        }
        if !plan.is_empty() && !self.yes {
            confirm("Apply this?")?;
        }
        let digest = planned["digest"].as_str();
        let applied = ask_server(&client, common, "apply", how, digest)?;
        if common.output == Format::Json {
            output::json(&applied)?;
        } else if !plan.is_empty() {
            output::line("Applied.")?;
        }
        Ok(exit::OK)
    }
}

impl Destroy {
    /// Shows what goes, asks, and takes it away.
    pub(crate) fn run(self, common: &Common) -> anyhow::Result<u8> {
        let (client, path) = (common.client()?, format!("{}/destroy", common.base()?));
        let gone = client.get(&path)?;
        let rows = output::rows(&gone)?;
        if common.output == Format::Text {
            for row in rows {
                output::line(&format!("- {}", output::text(row)))?;
            }
            output::line("Its runs, versions and data records go with it; events stay.")?;
        }
        if !self.yes {
            confirm(&format!("Destroy project `{}`?", common.project()?))?;
        }
        client.post(&path, &json!({}))?;
        if common.output == Format::Json {
            output::json(&gone)?;
        } else {
            output::line("Destroyed.")?;
        }
        Ok(exit::OK)
    }
}

/// Asks on the terminal; without one, says how to go on.
fn confirm(question: &str) -> anyhow::Result<()> {
    if !std::io::stdin().is_terminal() {
        bail!("{question} There is no terminal to ask on: pass --yes");
    }
    eprint!("{question} Only `yes` goes on: ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    if answer.trim() == "yes" {
        return Ok(());
    }
    Err(Coded {
        code: exit::FAILED,
        message: "nothing was changed".to_owned(),
    }
    .into())
}
