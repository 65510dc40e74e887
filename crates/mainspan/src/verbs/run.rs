//! `run`, `runs`, `cancel`, `logs`: executions of pipelines.

use crate::{
    cli::Common,
    client::{Client, escape},
    exit::{self, Coded},
    output::{self, Format, ago, short, text},
};
use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, time::Duration};

/// What to start.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// Which pipeline
    pipeline: String,
    /// A commit, branch or tag [default: the files as they are now]
    #[arg(long, value_name = "REVISION")]
    commit: Option<String>,
    /// A parameter's value; may be given several times
    #[arg(long = "param", value_name = "NAME=VALUE")]
    params: Vec<String>,
    /// Run every step even where a result is kept
    #[arg(long)]
    no_cache: bool,
    /// Return at once in place of waiting for the end
    #[arg(long)]
    detach: bool,
}

/// What to list.
#[derive(Debug, Args)]
pub(crate) struct Runs {
    /// A run to show with its steps (the end of its id will do)
    run: Option<String>,
    /// Only this pipeline's
    #[arg(long)]
    pipeline: Option<String>,
    /// How many
    #[arg(long, default_value_t = 20)]
    limit: u32,
}

/// What to stop.
#[derive(Debug, Args)]
pub(crate) struct Cancel {
    /// The run (the end of its id will do)
    run: String,
}

/// Whose output to print.
#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// The run (the end of its id will do) [default: the newest]
    run: Option<String>,
    /// One step only
    #[arg(long)]
    step: Option<String>,
    /// Go on until the run ends
    #[arg(short = 'F', long)]
    follow: bool,
}

const POLL: Duration = Duration::from_millis(300);

impl Run {
    /// Starts it and, unless detached, shows its output until the end.
    pub(crate) fn run(self, common: &Common) -> anyhow::Result<u8> {
        let (client, base) = (common.client()?, common.base()?);
        let mut params = Map::new();
        for pair in &self.params {
            let (name, value) = pair
                .split_once('=')
                .with_context(|| format!("`{pair}` is not NAME=VALUE"))?;
            params.insert(
                name.to_owned(),
                serde_json::from_str(value).unwrap_or_else(|_| value.into()),
            );
        }
        let body = json!({ "pipeline": self.pipeline, "revision": self.commit, "params": params, "no_cache": self.no_cache });
        let run = client.post(&format!("{base}/runs/start"), &body)?;
        if self.detach {
            return if common.output == Format::Json {
                output::json(&run)
            } else {
                output::line(&text(&run["id"]))
            }
            .map(|()| exit::OK);
        }
        eprintln!("run {}", text(&run["id"]));
        follow(common, &client, &base, &text(&run["id"]), None)
    }
}

impl Runs {
    /// Lists or shows.
    pub(crate) fn run(self, common: &Common) -> anyhow::Result<u8> {
        let (client, base) = (common.client()?, common.base()?);
        if let Some(id) = &self.run {
            let run = client.get(&format!("{base}/runs/{}", find(&client, &base, id)?))?;
            return if common.output == Format::Json {
                output::json(&run)
            } else {
                one(&run)
            }
            .map(|()| exit::OK);
        }
        let pipeline = self
            .pipeline
            .map(|name| format!("&pipeline={}", escape(&name)))
            .unwrap_or_default();
        let runs = client.get(&format!("{base}/runs?limit={}{pipeline}", self.limit))?;
        if common.output == Format::Json {
            output::json(&runs)?;
            return Ok(exit::OK);
        }
        let rows = output::rows(&runs)?.iter().map(|run| {
            let commit = format!(
                "{}{}",
                short(&run["commit"]),
                if run["dirty"] == true { "+" } else { "" }
            );
            vec![
                text(&run["id"]),
                text(&run["pipeline"]),
                text(&run["state"]),
                ago(&run["created_at"]),
                commit,
                text(&run["reason"]),
            ]
        });
        output::table(
            &["RUN", "PIPELINE", "STATE", "STARTED", "COMMIT", "WHY"],
            rows.collect(),
            "No runs yet: `mainspan run PIPELINE` starts one.",
        )?;
        Ok(exit::OK)
    }
}

fn one(run: &Value) -> anyhow::Result<()> {
    output::line(&format!(
        "{} {}: {} ({})",
        text(&run["pipeline"]),
        text(&run["id"]),
        text(&run["state"]),
        text(&run["reason"])
    ))?;
    output::line(&format!(
        "commit {}, snapshot {}, data {}",
        short(&run["commit"]),
        short(&run["snapshot"]),
        datasets(&run["datasets"])
    ))?;
    output::line("")?;
    let rows = output::rows(&run["steps"])?.iter().map(|step| {
        let metrics = step["metrics"].as_object().map(|all| {
            all.iter()
                .map(|(k, v)| format!("{k}={v}"))
                .collect::<Vec<_>>()
                .join(" ")
        });
        vec![
            text(&step["key"]),
            text(&step["state"]),
            text(&step["attempt"]),
            metrics.unwrap_or_default(),
            text(&step["reason"]),
        ]
    });
    output::table(
        &["STEP", "STATE", "ATTEMPT", "METRICS", "WHY"],
        rows.collect(),
        "No steps yet.",
    )
}

fn datasets(value: &Value) -> String {
    let all = value.as_object().map(|all| {
        all.iter()
            .map(|(name, digest)| format!("{name}@{}", short(digest)))
            .collect::<Vec<_>>()
    });
    all.filter(|all| !all.is_empty())
        .map_or_else(|| "none".to_owned(), |all| all.join(", "))
}

impl Cancel {
    /// Asks for the end and waits for it.
    pub(crate) fn run(self, common: &Common) -> anyhow::Result<u8> {
        let (client, base) = (common.client()?, common.base()?);
        let id = find(&client, &base, &self.run)?;
        client.post(&format!("{base}/runs/{id}/cancel"), &json!({}))?;
        loop {
            let run = client.get(&format!("{base}/runs/{id}"))?;
            if is_final(&run) {
                return if common.output == Format::Json {
                    output::json(&run)
                } else {
                    output::line(&format!("run {id} is {}", text(&run["state"])))
                }
                .map(|()| exit::OK);
            }
            pause();
        }
    }
}

impl Logs {
    /// Prints what there is, and what comes when following.
    pub(crate) fn run(self, common: &Common) -> anyhow::Result<u8> {
        let (client, base) = (common.client()?, common.base()?);
        let id = match &self.run {
            Some(id) => find(&client, &base, id)?,
            None => {
                let newest = client.get(&format!("{base}/runs?limit=1"))?;
                newest[0]["id"]
                    .as_str()
                    .context("there are no runs yet")?
                    .to_owned()
            }
        };
        if self.follow {
            return follow(common, &client, &base, &id, self.step.as_deref());
        }
        let run = client.get(&format!("{base}/runs/{id}"))?;
        if let Some(step) = &self.step {
            let known: Vec<String> = output::rows(&run["steps"])?
                .iter()
                .map(|step| text(&step["key"]))
                .collect();
            if !known.contains(step) {
                bail!("run {id} has no step `{step}`: it has {}", known.join(", "));
            }
        }
        let mut printer = Printer::new(self.step.as_deref());
        printer.print(&client, &base, &run, true)?;
        if printer.is_silent() {
            eprintln!(
                "run {id} is {} and has printed nothing: {}",
                text(&run["state"]),
                text(&run["reason"])
            );
        }
        Ok(exit::OK)
    }
}

/// Prints output as it comes until the run ends; its state becomes the exit code.
fn follow(
    common: &Common,
    client: &Client,
    base: &str,
    id: &str,
    step: Option<&str>,
) -> anyhow::Result<u8> {
    let mut printer = Printer::new(step);
    loop {
        let run = client.get(&format!("{base}/runs/{id}"))?;
        if common.output == Format::Text {
            printer.print(client, base, &run, is_final(&run))?;
        }
        if is_final(&run) {
            if common.output == Format::Json {
                output::json(&run)?;
            }
            let said = format!("run {id} {}: {}", text(&run["state"]), text(&run["reason"]));
            if run["state"] == "succeeded" {
                eprintln!("{said}");
                return Ok(exit::OK);
            }
            return Err(Coded {
                code: exit::FAILED,
                message: said,
            }
            .into());
        }
        pause();
    }
}

/// Prints steps' output line by line, and remembers how far each was printed.
struct Printer {
    only: Option<String>,
    steps: BTreeMap<String, Printed>,
}

/// How far a step's output was printed.
#[derive(Default)]
struct Printed {
    unit: String,
    offset: u64,
    /// The line that is not finished yet.
    begun: String,
}

impl Printer {
    fn new(only: Option<&str>) -> Self {
        Printer {
            only: only.map(str::to_owned),
            steps: BTreeMap::new(),
        }
    }

    /// Whether nothing was printed so far.
    fn is_silent(&self) -> bool {
        self.steps.values().all(|printed| printed.offset == 0)
    }

    /// Prints what there is by now; unfinished lines too the last time, as nobody waits for their rest.
    fn print(
        &mut self,
        client: &Client,
        base: &str,
        run: &Value,
        is_last: bool,
    ) -> anyhow::Result<()> {
        for step in output::rows(&run["steps"])? {
            let key = text(&step["key"]);
            if self.only.as_ref().is_some_and(|only| *only != key) || step["unit_id"].is_null() {
                continue;
            }
            let unit = text(&step["unit_id"]);
            let printed = self.steps.entry(key.clone()).or_default();
            let say = |line: &str| output::line(&format!("{key} | {line}"));
            // A new attempt's output begins at its beginning.
            if printed.unit != unit {
                printed.finish(say)?;
                *printed = Printed {
                    unit,
                    ..Printed::default()
                };
            }
            loop {
                let piece = client.get(&format!(
                    "{base}/runs/{}/logs?step={}&offset={}",
                    text(&run["id"]),
                    escape(&key),
                    printed.offset
                ))?;
                let said = piece["text"].as_str().unwrap_or_default();
                if said.is_empty() {
                    break;
                }
                let begins = piece["offset"].as_u64().unwrap_or(printed.offset);
                printed.add(begins, said, say)?;
                printed.offset = piece["next"].as_u64().unwrap_or(begins);
            }
            if is_last {
                printed.finish(say)?;
            }
        }
        Ok(())
    }
}

impl Printed {
    /// Takes in output from `begins` on and says the lines that are whole.
    fn add(
        &mut self,
        begins: u64,
        said: &str,
        say: impl Fn(&str) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        if begins > self.offset {
            self.finish(&say)?;
            say(&format!(
                "… {} bytes are not kept: only the end of a long output is",
                begins - self.offset
            ))?;
        }
        self.begun.push_str(said);
        let whole = self.begun.rfind('\n').map_or(0, |end| end + 1);
        let rest = self.begun.split_off(whole);
        self.begun.lines().try_for_each(say)?;
        self.begun = rest;
        Ok(())
    }

    /// Says the last line, which no line's end follows.
    fn finish(&mut self, say: impl Fn(&str) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let last = std::mem::take(&mut self.begun);
        last.lines().try_for_each(say)
    }
}

fn is_final(run: &Value) -> bool {
    matches!(
        run["state"].as_str(),
        Some("succeeded" | "failed" | "cancelled")
    )
}

fn pause() {
    std::thread::park_timeout(POLL);
}

/// The run whose id is, or ends with, what was given.
fn find(client: &Client, base: &str, id: &str) -> anyhow::Result<String> {
    if id.len() == 36 {
        return Ok(escape(id));
    }
    let runs = client.get(&format!("{base}/runs?limit=1000"))?;
    let found: Vec<&str> = output::rows(&runs)?
        .iter()
        .filter_map(|run| run["id"].as_str())
        .filter(|known| known.ends_with(id) || known.starts_with(id))
        .collect();
    match found.as_slice() {
        [one] => Ok((*one).to_owned()),
        [] => bail!("no run `{id}`: `mainspan runs` lists them"),
        _ => bail!(
            "`{id}` could be any of {} runs: give more of its id",
            found.len()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    fn check(pieces: &[(u64, &str)], expect: &[&str]) {
        let said = RefCell::new(Vec::new());
        let say = |line: &str| {
            said.borrow_mut().push(line.to_owned());
            Ok(())
        };
        let mut printed = Printed::default();
        for (begins, piece) in pieces {
            printed.add(*begins, piece, say).unwrap();
            printed.offset = begins + piece.len() as u64;
        }
        printed.finish(say).unwrap();
        assert_eq!(*said.borrow(), expect);
    }

    #[test]
    fn lines_are_whole_wherever_pieces_end() {
        check(
            &[(0, "one\nt"), (5, "w"), (6, "o\n\nlast")],
            &["one", "two", "", "last"],
        );
        check(&[(0, ""), (0, "a\n")], &["a"]);
    }

    #[test]
    fn what_is_not_kept_is_said() {
        let gap = "… 90 bytes are not kept: only the end of a long output is";
        check(&[(0, "begun"), (95, "rest\n")], &["begun", gap, "rest"]);
    }
}
