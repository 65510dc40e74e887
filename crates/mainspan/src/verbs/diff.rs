//! `diff`: what changes between two versions' answers to the same requests.

use super::file::Local;
use crate::{
    cli::Common,
    client::{Client, escape},
    exit::{self, Coded},
    output::{self, Format, text},
};
use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::{Map, Value, json};
use std::{
    io::{IsTerminal as _, Read as _},
    path::PathBuf,
    time::Duration,
};

/// How often it is asked how far the comparison is.
const LOOK: Duration = Duration::from_millis(200);

/// What to compare.
#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// A version, like `delay@3` or `delay@champion`
    #[arg(value_name = "MODEL@VERSION")]
    before: String,
    /// The other version; without it, the first is compared with the one that serves
    #[arg(value_name = "MODEL@VERSION")]
    after: Option<String>,
    /// The environment whose requests are asked [default: the last one]
    #[arg(short, long, value_name = "NAME")]
    environment: Option<String>,
    /// The service whose requests are asked [default: the only one of the model]
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// Ask the rows of a file in place of captured requests: a .csv with a header, or a JSON object a line; `-` reads lines
    /// from standard input
    #[arg(long, value_name = "FILE", conflicts_with = "dataset")]
    rows: Option<PathBuf>,
    /// Ask the rows of a dataset of the project file in place of captured requests
    #[arg(long, value_name = "NAME")]
    dataset: Option<String>,
    /// How many requests, the newest first [default: 2000]
    #[arg(long, value_name = "N")]
    requests: Option<usize>,
    /// A number has changed when it differs by more than this [default: 1e-6] …
    #[arg(long, value_name = "X")]
    absolute: Option<f64>,
    /// … and this share of itself [default: 1e-5]
    #[arg(long, value_name = "X")]
    relative: Option<f64>,
    /// How many of the rows that change most are shown [default: 10]
    #[arg(long, value_name = "N")]
    worst: Option<usize>,
    /// The same as `--output json`
    #[arg(long)]
    json: bool,
    /// Exit with 0 for no changes, 2 for changes, 1 for an error
    #[arg(long)]
    detailed_exitcode: bool,
}

impl Diff {
    /// Asks for it, waits, and prints what was found.
    pub(crate) fn run(self, common: &Common) -> anyhow::Result<u8> {
        let (model, before, after) = versions(&self.before, self.after.as_deref())?;
        let wish = json!({
            "model": model,
            "before": before,
            "after": after,
            "environment": self.environment,
            "service": self.service,
            "rows": self.bodies(common)?,
            "most": self.requests,
            "absolute": self.absolute,
            "relative": self.relative,
            "worst": self.worst,
        });
        let (client, base) = (common.client()?, common.base()?);
        let path = format!("{base}/comparisons");
        let id = text(&client.post(&path, &wish)?["id"]);
        let found = wait(&client, &format!("{path}/{}", escape(&id)))?;
        if self.json || common.output == Format::Json {
            output::json(&found["comparison"])?;
        } else {
            output::raw(&text(&found["text"]))?;
        }
        let report = &found["comparison"]["report"];
        Ok(if self.detailed_exitcode && changes(report) {
            exit::CHANGES
        } else {
            exit::OK
        })
    }

    /// The bodies to ask, if they are not the captured ones.
    fn bodies(&self, common: &Common) -> anyhow::Result<Option<Vec<String>>> {
        let path = match (&self.rows, &self.dataset) {
            (Some(path), _) => path.clone(),
            (None, Some(name)) => dataset(&Local::read(common.file.as_deref())?, name)?,
            (None, None) => return Ok(None),
        };
        let mut bytes = Vec::new();
        if path.as_os_str() == "-" {
            std::io::stdin().read_to_end(&mut bytes)?;
        } else {
            bytes = std::fs::read(&path)
                .with_context(|| format!("cannot read `{}`", path.display()))?;
        }
        let is_csv = path.extension().is_some_and(|ending| ending == "csv");
        let lines = if is_csv {
            of_csv(&bytes).with_context(|| format!("`{}` is no CSV", path.display()))?
        } else {
            let whole = String::from_utf8(bytes);
            let whole = whole.with_context(|| format!("`{}` is no text", path.display()))?;
            whole.lines().map(str::to_owned).collect()
        };
        let most = self.requests.unwrap_or(lines.len());
        Ok(Some(lines.into_iter().take(most).collect()))
    }
}

/// The model, and its two versions or aliases; the first one is missing when it is the one that serves.
fn versions<'a>(
    first: &'a str,
    second: Option<&'a str>,
) -> anyhow::Result<(&'a str, Option<&'a str>, &'a str)> {
    let split = |told: &'a str| match told.split_once('@') {
        Some((model, version)) if !model.is_empty() && !version.is_empty() => Ok((model, version)),
        _ => bail!("`{told}` names no version: write MODEL@VERSION, like `delay@3`"),
    };
    let (model, one) = split(first)?;
    let Some(second) = second else {
        return Ok((model, None, one));
    };
    let (other_model, other) = split(second)?;
    if other_model != model {
        bail!("`{model}` and `{other_model}` are two models: name two versions of one");
    }
    Ok((model, Some(one), other))
}

/// The file of a dataset.
fn dataset(local: &Local, name: &str) -> anyhow::Result<PathBuf> {
    let Some(dataset) = local.file.datasets.get(name) else {
        bail!("the project file has no dataset `{name}`");
    };
    let path = local.root.join(dataset.source.as_str());
    let ending = |known: &str| path.extension().is_some_and(|ending| ending == known);
    if !ending("csv") && !ending("jsonl") {
        bail!(
            "`{}` is neither .csv nor .jsonl: write its rows as one of them, and name it with --rows",
            path.display()
        );
    }
    Ok(path)
}

/// Each row as an object of its columns.
fn of_csv(bytes: &[u8]) -> anyhow::Result<Vec<String>> {
    let mut reader = csv::Reader::from_reader(bytes);
    let names = reader.headers()?.clone();
    let value = |text: &str| match text.trim().parse::<f64>() {
        _ if text.trim().is_empty() => Value::Null,
        Ok(number) if number.is_finite() => {
            serde_json::from_str(text.trim()).unwrap_or(json!(number))
        }
        _ => Value::from(text),
    };
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record?;
        let named = names.iter().zip(record.iter());
        let fields: Map<String, Value> = named
            .map(|(name, text)| (name.to_owned(), value(text)))
            .collect();
        rows.push(Value::Object(fields).to_string());
    }
    Ok(rows)
}

/// Looks until it is done.
fn wait(client: &Client, path: &str) -> anyhow::Result<Value> {
    let mut said = String::new();
    loop {
        let now = client.get(path)?;
        match now["state"].as_str() {
            Some("done") => return Ok(now),
            Some("waiting" | "running") => {}
            _ => {
                return Err(Coded {
                    code: exit::FAILED,
                    message: text(&now["message"]),
                }
                .into());
            }
        }
        let step = text(&now["message"]);
        if step != said && std::io::stderr().is_terminal() {
            eprintln!("{step} …");
            said = step;
        }
        std::thread::park_timeout(LOOK);
    }
}

/// Whether any request is answered otherwise than before.
fn changes(report: &Value) -> bool {
    let failures = ["before", "after", "unread"].map(|name| &report["failures"][name]);
    let counts = [&report["changed"], &report["unlike"]];
    let mut all = counts.into_iter().chain(failures);
    all.any(|count| count.as_u64() != Some(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_named_with_their_model() {
        let check = |first: &str, second: Option<&str>, expect: Result<(_, _, _), &str>| {
            let found = versions(first, second).map_err(|error| error.to_string());
            match (found, expect) {
                (Ok(found), Ok(expect)) => assert_eq!(found, expect),
                (Err(found), Err(expect)) => assert!(found.contains(expect), "{found}"),
                other => panic!("{other:?}"),
            }
        };
        check("delay@3", Some("delay@4"), Ok(("delay", Some("3"), "4")));
        check("delay@champion", None, Ok(("delay", None, "champion")));
        check("delay", Some("delay@4"), Err("MODEL@VERSION"));
        check("delay@3", Some("@4"), Err("MODEL@VERSION"));
        check("delay@3", Some("price@4"), Err("two models"));
    }

    #[test]
    fn csv_becomes_rows() {
        let rows = of_csv(b"x,carrier,late\n1.50,UA,\n9007199254740993, nan ,0\n").unwrap();
        assert_eq!(
            rows,
            [
                r#"{"carrier":"UA","late":null,"x":1.5}"#,
                r#"{"carrier":" nan ","late":0,"x":9007199254740993}"#
            ]
        );
        assert!(of_csv(b"a,b\n1\n").is_err());
    }

    #[test]
    fn what_counts_as_a_change() {
        let none = json!({ "changed": 0, "unlike": 0, "failures": { "before": 0, "after": 0, "both": 3, "unread": 0 } });
        assert!(!changes(&none));
        for (at, name) in [("/changed", 1), ("/unlike", 2), ("/failures/after", 1)] {
            let mut report = none.clone();
            *report.pointer_mut(at).unwrap() = json!(name);
            assert!(changes(&report), "{at}");
        }
    }
}
