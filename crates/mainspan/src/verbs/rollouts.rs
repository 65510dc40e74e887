//! `rollouts`, `promote`, `rollback`, `pause`, `resume`: what moves, and people's word on it.

use crate::{
    cli::Common,
    client::escape,
    exit,
    output::{self, Format, ago, text},
};
use clap::Args;
use serde_json::{Value, json};

/// Which roll-outs.
#[derive(Debug, Args)]
pub(crate) struct Rollouts {
    /// A roll-out to show with its verdicts
    rollout: Option<String>,
    /// How many
    #[arg(long, default_value_t = 20)]
    limit: u32,
}

/// What to promote.
#[derive(Debug, Args)]
pub(crate) struct Promote {
    /// The service
    service: String,
    /// The version
    #[arg(long)]
    version: u32,
    /// Without stages
    #[arg(long)]
    at_once: bool,
    #[command(flatten)]
    place: Place,
}

/// What to take back.
#[derive(Debug, Args)]
pub(crate) struct Rollback {
    /// The service
    service: String,
    /// The version to go back to [default: the one before]
    #[arg(long, value_name = "VERSION")]
    to: Option<u32>,
    #[command(flatten)]
    place: Place,
}

/// What to hold or let go on.
#[derive(Debug, Args)]
pub(crate) struct Hold {
    /// The service
    service: String,
    #[command(flatten)]
    place: Place,
}

/// Where, and why.
#[derive(Debug, Args)]
struct Place {
    /// The environment [default: the last one]
    #[arg(short, long, value_name = "NAME")]
    environment: Option<String>,
    /// Why; kept with the event
    #[arg(short, long, default_value = "", value_name = "TEXT")]
    reason: String,
}

impl Rollouts {
    /// Lists or shows.
    pub(crate) fn run(self, common: &Common) -> anyhow::Result<u8> {
        let (client, base) = (common.client()?, common.base()?);
        let answer = match &self.rollout {
            Some(id) => client.get(&format!("{base}/rollouts/{}", escape(id)))?,
            None => client.get(&format!("{base}/rollouts?limit={}", self.limit))?,
        };
        if common.output == Format::Json {
            return output::json(&answer).map(|()| exit::OK);
        }
        if self.rollout.is_some() {
            one(&answer)
        } else {
            list(&answer)
        }
        .map(|()| exit::OK)
    }
}

fn list(answer: &Value) -> anyhow::Result<()> {
    let rows = output::rows(answer)?.iter().map(|r| {
        vec![
            text(&r["id"]),
            text(&r["environment"]),
            text(&r["service"]),
            text(&r["from"]),
            text(&r["to"]),
            text(&r["state"]),
            ago(&r["created_at"]),
            text(&r["reason"]),
        ]
    });
    output::table(
        &[
            "ROLL-OUT",
            "ENVIRONMENT",
            "SERVICE",
            "FROM",
            "TO",
            "STATE",
            "BEGUN",
            "WHY",
        ],
        rows.collect(),
        "No roll-outs yet.",
    )
}

fn one(r: &Value) -> anyhow::Result<()> {
    output::line(&format!(
        "{} in {}: {} to {}, {}: {}",
        text(&r["service"]),
        text(&r["environment"]),
        text(&r["from"]),
        text(&r["to"]),
        text(&r["state"]),
        text(&r["reason"])
    ))?;
    for note in r["baseline"]["left_out"].as_array().into_iter().flatten() {
        output::line(&format!("note: {}", text(note)))?;
    }
    for line in r["comparison_text"].as_str().unwrap_or_default().lines() {
        output::line(line)?;
    }
    for verdict in output::rows(&r["verdicts"])?.iter().rev() {
        let stage = match verdict["stage"].as_i64().unwrap_or(0) {
            ..0 => "shadow".to_owned(),
            stage => format!("stage {}", stage + 1),
        };
        let (at, decision) = (text(&verdict["at"]), text(&verdict["decision"]));
        output::line(&format!("{at}  {stage}  {decision}"))?;
        for reason in verdict["reasons"]["text"].as_array().into_iter().flatten() {
            output::line(&format!("    {}", text(reason)))?;
        }
    }
    Ok(())
}

fn change(common: &Common, service: &str, verb: &str, body: &Value) -> anyhow::Result<u8> {
    let rollout = common.client()?.post(
        &format!("{}/services/{}/{verb}", common.base()?, escape(service)),
        body,
    )?;
    if common.output == Format::Json {
        output::json(&rollout)?;
    } else {
        let what = match rollout["state"].as_str() {
            Some("promoted") => format!("version {} serves", text(&rollout["to"])),
            Some("rolled_back") => {
                let serves = match text(&rollout["from"]) {
                    none if none.is_empty() => "nothing serves".to_owned(),
                    version => format!("version {version} serves"),
                };
                format!("version {} was taken back; {serves}", text(&rollout["to"]))
            }
            Some(state) => format!(
                "roll-out to version {} is {state}; `mainspan status` shows how it goes",
                text(&rollout["to"])
            ),
            None => "done".to_owned(),
        };
        output::line(&format!(
            "{service} in {}: {what}.",
            text(&rollout["environment"])
        ))?;
    }
    Ok(exit::OK)
}

impl Promote {
    /// Starts the roll-out.
    pub(crate) fn run(self, common: &Common) -> anyhow::Result<u8> {
        let body = json!({ "environment": self.place.environment, "reason": self.place.reason, "version": self.version, "at_once": self.at_once });
        change(common, &self.service, "promote", &body)
    }
}

impl Rollback {
    /// Takes traffic back.
    pub(crate) fn run(self, common: &Common) -> anyhow::Result<u8> {
        let body = json!({ "environment": self.place.environment, "reason": self.place.reason, "version": self.to });
        change(common, &self.service, "rollback", &body)
    }
}

impl Hold {
    /// Holds, or lets go on.
    pub(crate) fn run(self, common: &Common, verb: &str) -> anyhow::Result<u8> {
        let body = json!({ "environment": self.place.environment, "reason": self.place.reason });
        change(common, &self.service, verb, &body)
    }
}
