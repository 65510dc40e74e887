//! `status`: the one look at a project.

use crate::{
    cli::Common,
    exit,
    output::{self, Format, ago, short, text},
};
use serde_json::Value;

/// Prints it.
pub(crate) fn run(common: &Common) -> anyhow::Result<u8> {
    let status = common
        .client()?
        .get(&format!("{}/status", common.base()?))?;
    if common.output == Format::Json {
        output::json(&status)?;
        return Ok(exit::OK);
    }
    let project = &status["project"];
    output::line(&format!(
        "Project {}, generation {}, at {}",
        text(&project["name"]),
        project["generation"],
        seen(&status["seen_commits"])
    ))?;
    output::line("")?;
    let rows = output::rows(&status["deployments"])?
        .iter()
        .map(deployment)
        .collect();
    output::table(
        &[
            "ENVIRONMENT",
            "SERVICE",
            "VERSION",
            "PREVIOUS",
            "SINCE",
            "COMMIT",
            "WHY",
        ],
        rows,
        "No services.",
    )?;
    section(
        "Frozen",
        &["ENVIRONMENT", "SERVICE", "UNTIL", "WINDOW"],
        &status["frozen"],
        frozen,
    )?;
    section(
        "Replicas",
        &[
            "ENVIRONMENT",
            "SERVICE",
            "VERSION",
            "REPLICAS",
            "SINCE",
            "WHY",
        ],
        &status["scales"],
        scale,
    )?;
    section(
        "Roll-outs under way",
        &["ENVIRONMENT", "SERVICE", "FROM", "TO", "STATE", "WHY"],
        &status["rollouts"],
        rollout,
    )?;
    for rollout in output::rows(&status["rollouts"])? {
        if let Some(found) = status["comparisons"][text(&rollout["id"])].as_str() {
            let (service, place) = (text(&rollout["service"]), text(&rollout["environment"]));
            let version = text(&rollout["to"]);
            output::line(&format!("{service} {version} in {place}: {found}"))?;
        }
    }
    section(
        "Runs under way",
        &["RUN", "PIPELINE", "STATE", "SINCE", "WHY"],
        &status["active_runs"],
        active,
    )?;
    section(
        "Alarms",
        &["ENVIRONMENT", "SERVICE", "MONITOR", "RAISED", "WHY"],
        &status["alarms"],
        alarm,
    )?;
    Ok(exit::OK)
}

/// The commits that were dealt with last, by branch when there are several.
fn seen(commits: &Value) -> String {
    let commits: Vec<_> = commits.as_object().into_iter().flatten().collect();
    match commits.as_slice() {
        [] => "-".to_owned(),
        [(_, commit)] => short(commit),
        several => {
            let each = several
                .iter()
                .map(|(branch, commit)| format!("{branch} {}", short(commit)));
            each.collect::<Vec<_>>().join(", ")
        }
    }
}

fn section(
    title: &str,
    header: &[&str],
    list: &Value,
    row: fn(&Value) -> Vec<String>,
) -> anyhow::Result<()> {
    let rows: Vec<Vec<String>> = output::rows(list)?.iter().map(row).collect();
    if rows.is_empty() {
        return Ok(());
    }
    output::line(&format!("\n{title}"))?;
    output::table(header, rows, "")
}

fn deployment(row: &Value) -> Vec<String> {
    let version = if row["version"].is_null() {
        "-".to_owned()
    } else {
        text(&row["version"])
    };
    vec![
        text(&row["environment"]),
        text(&row["service"]),
        version,
        text(&row["previous"]),
        ago(&row["since"]),
        short(&row["commit"]),
        text(&row["reason"]),
    ]
}

fn frozen(row: &Value) -> Vec<String> {
    ["environment", "service", "until", "window"]
        .map(|key| text(&row[key]))
        .to_vec()
}

fn scale(row: &Value) -> Vec<String> {
    vec![
        text(&row["environment"]),
        text(&row["service"]),
        text(&row["version"]),
        text(&row["replicas"]),
        ago(&row["since"]),
        text(&row["reason"]),
    ]
}

fn rollout(row: &Value) -> Vec<String> {
    vec![
        text(&row["environment"]),
        text(&row["service"]),
        text(&row["from"]),
        text(&row["to"]),
        text(&row["state"]),
        text(&row["reason"]),
    ]
}

fn active(row: &Value) -> Vec<String> {
    vec![
        text(&row["id"]),
        text(&row["pipeline"]),
        text(&row["state"]),
        ago(&row["created_at"]),
        text(&row["reason"]),
    ]
}

fn alarm(row: &Value) -> Vec<String> {
    let why = row["evidence"]["sentence"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    vec![
        text(&row["environment"]),
        text(&row["service"]),
        text(&row["monitor"]),
        ago(&row["raised_at"]),
        why,
    ]
}
