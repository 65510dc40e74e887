//! What an alarm says: its numbers as JSON for programs, and one sentence for people.
//!
//! Called by the reconciler when a monitor raises or clears. Pure.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value as Json, json};
use store::Deployment;

use crate::drift::Report;
use crate::monitor::{Cleared, Rise};
use crate::settings::Alarm;

/// The name under which the alarm on live error is kept.
pub const MONITOR: &str = "alarm";

/// The evidence of an alarm. `sentence` is for people; the other keys are numbers, times and names.
#[must_use]
pub fn evidence(
    deployment: &Deployment,
    alarm: &Alarm,
    rise: &Rise,
    drift: Option<&Report>,
) -> Json {
    json!({
        "metric": alarm.name,
        "version": rise.version,
        "value": rise.figure,
        "reference": rise.reference_figure,
        "rise_percent": percent(rise),
        "rows": rise.rows,
        "blocks": rise.blocks,
        "from": time(rise.from).to_string(),
        "until": time(rise.until).to_string(),
        "reference_blocks": rise.reference_blocks,
        "reference_from": time(rise.reference_from).to_string(),
        "reference_until": time(rise.reference_until).to_string(),
        "block_seconds": alarm.config.block.as_secs(),
        "block_sd_percent": 100.0 * rise.block_sd,
        "statistic": rise.statistic,
        "threshold": rise.threshold,
        "false_alarms": alarm.budget,
        "tolerance_percent": 100.0 * alarm.config.tolerance,
        "drift": drift,
        "sentence": sentence(deployment, alarm, rise, drift),
    })
}

/// Why an alarm is over, for people.
#[must_use]
pub fn cleared(alarm: &str, why: Cleared) -> String {
    match why {
        Cleared::Passed => format!(
            "{alarm} is back at its reference; what happened joined the history that it is judged by"
        ),
        Cleared::VersionChanged(version) => {
            format!("version {version} serves now, and is judged by its own first weeks")
        }
    }
}

fn sentence(deployment: &Deployment, alarm: &Alarm, rise: &Rise, drift: Option<&Report>) -> String {
    let moved = drift
        .map(Report::sentence)
        .filter(|moved| !moved.is_empty());
    let because = moved.map_or_else(String::new, |moved| {
        format!("; moved since training: {moved}")
    });
    format!(
        "{} of {} in {} was {} over {} labelled answers from {} to {}, {:.0}% above its reference of {} ({} from {}); \
         budget {}{because}",
        alarm.name,
        deployment.service,
        deployment.environment,
        short(rise.figure),
        thousands(rise.rows),
        day(rise.from),
        day(rise.until),
        percent(rise),
        short(rise.reference_figure),
        span(rise.reference_blocks, alarm),
        day(rise.reference_from),
        alarm.budget,
    )
}

fn percent(rise: &Rise) -> f64 {
    if rise.reference_figure > 0.0 {
        100.0 * (rise.figure / rise.reference_figure - 1.0)
    } else {
        100.0
    }
}

/// So many blocks in words.
pub(crate) fn span(blocks: usize, alarm: &Alarm) -> String {
    let seconds = alarm.config.block.as_secs();
    if seconds == 86_400 {
        format!("{blocks} days")
    } else {
        format!("{blocks} blocks of {seconds} s")
    }
}

fn time(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn day(second: i64) -> String {
    time(second).to_zoned(TimeZone::UTC).date().to_string()
}

/// Three digits that matter.
pub(crate) fn short(x: f64) -> String {
    let digits = match x.abs() {
        a if a >= 100.0 => 0,
        a if a >= 10.0 => 1,
        a if a >= 1.0 => 2,
        _ => 4,
    };
    format!("{x:.digits$}")
}

/// 52114 as 52,114.
pub(crate) fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
