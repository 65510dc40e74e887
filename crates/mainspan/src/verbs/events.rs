//! `events` and `alarms`: what happened.

use crate::{
    cli::Common,
    client::escape,
    exit,
    output::{self, Format, ago, text},
};
use clap::Args;

/// Which events.
#[derive(Debug, Args)]
pub(crate) struct Events {
    /// Only this kind (`rollout.promoted`), or all that start with it (`rollout`)
    #[arg(long)]
    kind: Option<String>,
    /// Only about subjects that start with this (`service/delay@prod`)
    #[arg(long)]
    subject: Option<String>,
    /// How many
    #[arg(long, default_value_t = 50)]
    limit: u32,
}

impl Events {
    /// Prints them, oldest first, so that the newest are at the bottom.
    pub(crate) fn run(self, common: &Common) -> anyhow::Result<u8> {
        let mut path = format!("{}/events?limit={}", common.base()?, self.limit);
        // Kinds have two parts: one alone means all that begin with it.
        let kind = self.kind.map(|kind| match kind.contains('.') {
            true => kind,
            false => format!("{kind}."),
        });
        let all = kind.is_none() && self.subject.is_none();
        for (name, value) in [("kind", &kind), ("subject", &self.subject)] {
            if let Some(value) = value {
                path.push_str(&format!("&{name}={}", escape(value)));
            }
        }
        let events = common.client()?.get(&path)?;
        if common.output == Format::Json {
            return output::json(&events).map(|()| exit::OK);
        }
        let rows = output::rows(&events)?.iter().rev().map(|e| {
            let at = text(&e["at"]);
            vec![
                at.split('.').next().unwrap_or(&at).to_owned(),
                text(&e["actor"]),
                text(&e["kind"]),
                text(&e["subject"]),
                text(&e["reason"]),
            ]
        });
        output::table(
            &["AT", "WHO", "WHAT", "ABOUT", "WHY"],
            rows.collect(),
            if all {
                "Nothing happened yet."
            } else {
                "No such event: `mainspan events` lists all."
            },
        )?;
        Ok(exit::OK)
    }
}

/// Prints alarms, newest first.
pub(crate) fn alarms(common: &Common) -> anyhow::Result<u8> {
    let alarms = common
        .client()?
        .get(&format!("{}/alarms", common.base()?))?;
    if common.output == Format::Json {
        return output::json(&alarms).map(|()| exit::OK);
    }
    let rows = output::rows(&alarms)?.iter().map(|a| {
        vec![
            text(&a["environment"]),
            text(&a["service"]),
            text(&a["monitor"]),
            ago(&a["raised_at"]),
            ago(&a["cleared_at"]),
            text(&a["run_id"]),
            text(&a["evidence"]["sentence"]),
        ]
    });
    output::table(
        &[
            "ENVIRONMENT",
            "SERVICE",
            "MONITOR",
            "RAISED",
            "CLEARED",
            "RUN",
            "WHY",
        ],
        rows.collect(),
        "No alarm was ever raised.",
    )?;
    Ok(exit::OK)
}
