//! What a roll-out of a service could find, and how soon, before there is one: at the service's present traffic, for
//! each stage and judge.
//!
//! `plan` shows it, so that nobody takes a stage that cannot see anything for a proof. Pure: the file says what is
//! wanted, [`Seen`] what is, and times come from plays of the real judge.

use crate::{
    judge::{Judge, Policy, power},
    reconcile::{History, fix},
};
use serde::Serialize;
use spec::{Labels, Measure, QuietAction, Rollout, Service};
use std::{fmt::Write as _, time::Duration};

/// What is known of a service in an environment.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Its requests of late; none without any.
    pub traffic: Option<Present>,
    /// What the version that serves has done.
    pub history: History,
    /// How long after their answers the newest labels came.
    pub label_delays: Vec<Duration>,
}

/// The traffic of the last minutes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Present {
    /// Requests a second, all versions together.
    pub requests_per_second: f64,
    /// Over how long.
    pub over: Duration,
    /// The share that failed by the model's fault, of all that the version that serves has answered.
    pub errors: f64,
}

/// The outlook of a service in an environment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outlook {
    /// The service.
    pub service: String,
    /// The environment.
    pub environment: String,
    /// Requests a second now; none without any in the last minutes.
    pub requests_per_second: Option<f64>,
    /// Over how long that was measured.
    pub over_seconds: Option<f64>,
    /// What each stage can find; empty without traffic.
    pub stages: Vec<Stage>,
    /// Judges of the file that a roll-out of today would leave out, with the reason.
    pub not_judged: Vec<String>,
    /// How late labels are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<LabelDelay>,
    /// Why labels come too late to judge a stage, or may.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub late: Option<Late>,
}

/// A stage.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stage {
    /// The candidate's share of traffic.
    pub share: f64,
    /// How long it lasts at the least.
    pub lasts_seconds: f64,
    /// What `quiet` does with it before that, if its time comes first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quiet: Option<String>,
    /// What it finds.
    pub finds: Vec<Finds>,
}

/// A harm, and how soon a judge finds it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finds {
    /// The judge as in the file.
    pub judge: String,
    /// The harm.
    pub harm: String,
    /// The median time, label delay included; none when it is not found in any time worth waiting for.
    pub seconds: Option<f64>,
}

/// How late labels are.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LabelDelay {
    /// Half of them are not later than this.
    pub median_seconds: f64,
    /// Nine of ten are not later than this.
    pub most_seconds: f64,
    /// How many were looked at.
    pub labels: usize,
}

/// A judge whose labels come after a stage has stopped to wait for them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Late {
    /// Whether labels that came say so; otherwise it is only likely, or not known.
    pub certain: bool,
    /// What is the matter, and what to do.
    pub why: String,
}

/// The harms that are looked for: errors twice the champion's, and one request in a hundred at the least; …
const ERRORS: (f64, f64) = (2.0, 0.01);
/// … five times as many slow answers as the quantile allows; …
const SLOW: f64 = 5.0;
/// … a live metric worse by a quarter.
const LIVE: f64 = 1.25;
/// A rate of nothing at all cannot be multiplied.
const LEAST: f64 = 1e-5;
/// Labels that are enough to know how late they come, …
const ENOUGH: usize = 100;
/// … and to say something of it.
const FEW: usize = 20;

/// The outlook of a service, if its roll-outs have stages and judges.
pub fn outlook(name: &str, environment: &str, service: &Service, seen: &Seen) -> Option<Outlook> {
    let rollout = &service.rollout;
    if rollout.stages.is_empty() || rollout.judge.is_empty() {
        return None;
    }
    let fixed = fix(rollout, &seen.history, false);
    let labels = delay(&seen.label_delays);
    let stages = seen.traffic.as_ref().map(|traffic| {
        let quiet = rollout.quiet;
        let stage = |at| {
            let stage = stage(&fixed.policy, at, traffic, seen, labels);
            let first = stage.lasts_seconds > quiet.after.get().as_secs_f64();
            Stage {
                quiet: first.then(|| quiet.to_string()),
                ..stage
            }
        };
        (0..fixed.policy.stages.len()).map(stage).collect()
    });
    Some(Outlook {
        service: name.to_owned(),
        environment: environment.to_owned(),
        requests_per_second: seen.traffic.map(|traffic| traffic.requests_per_second),
        over_seconds: seen.traffic.map(|traffic| traffic.over.as_secs_f64()),
        stages: stages.unwrap_or_default(),
        not_judged: if seen.traffic.is_some() {
            fixed.left_out
        } else {
            Vec::new()
        },
        labels,
        late: service
            .monitor
            .labels
            .as_ref()
            .and_then(|declared| late(rollout, declared, labels)),
    })
}

/// Whether labels come too late to judge a stage of this service, as far as its labels tell.
pub fn late_labels(service: &Service, delays: &[Duration]) -> Option<Late> {
    late(
        &service.rollout,
        service.monitor.labels.as_ref()?,
        delay(delays),
    )
}

fn delay(delays: &[Duration]) -> Option<LabelDelay> {
    let mut sorted = delays.to_vec();
    sorted.sort_unstable();
    let at = |share: f64| {
        let last = sorted.len().checked_sub(1)?;
        let place = (last as f64 * share).round() as usize;
        sorted.get(place).map(Duration::as_secs_f64)
    };
    Some(LabelDelay {
        median_seconds: at(0.5)?,
        most_seconds: at(0.9)?,
        labels: sorted.len(),
    })
}

/// A stage that lacks labels ends when `quiet` says so: what comes later cannot judge it.
fn late(rollout: &Rollout, declared: &Labels, labels: Option<LabelDelay>) -> Option<Late> {
    let live = |measure: &&Measure| matches!(measure, Measure::Live(_));
    let judge = rollout.judge.iter().find(live)?;
    if rollout.stages.is_empty() {
        return None;
    }
    let waits = rollout.quiet.after.get();
    let after = |seconds: f64| seconds > waits.as_secs_f64();
    let (known, median, most) = labels.map_or((0, 0.0, 0.0), |labels| {
        (labels.labels, labels.median_seconds, labels.most_seconds)
    });
    let (certain, why) = if known >= ENOUGH && after(median) {
        (
            true,
            format!(
                "`{judge}` cannot judge a stage: half of the labels come more than {} after the answer, and a stage waits {} for them",
                words(median),
                rollout.quiet.after
            ),
        )
    } else if known >= ENOUGH && after(most) || known >= FEW && after(median) {
        let (share, time) = if after(median) {
            ("half", median)
        } else {
            ("one in ten", most)
        };
        (
            false,
            format!(
                "`{judge}` may judge a stage by too few labels: {share} of the last {known} came more than {} after the answer, and a stage waits {} for them",
                words(time),
                rollout.quiet.after
            ),
        )
    } else if known < FEW && declared.within.get() > waits {
        return Some(Late {
            certain: false,
            why: format!(
                "labels may come up to {} after the answer, and a stage waits {} for them: how late they really come, so whether `{judge}` can judge a stage, is not known yet",
                declared.within, rollout.quiet.after
            ),
        });
    } else {
        return None;
    };
    let action = match rollout.quiet.action {
        QuietAction::Hold => "hold",
        QuietAction::Promote => "promote",
    };
    Some(Late {
        certain,
        why: format!(
            "{why}: give it more time (`quiet: {action} after …`), or take it out of `judge`, since the alarm watches it all the same"
        ),
    })
}

fn stage(
    policy: &Policy,
    at: usize,
    traffic: &Present,
    seen: &Seen,
    labels: Option<LabelDelay>,
) -> Stage {
    let share = policy.stages[at];
    let label_delay = labels.map_or(0.0, |labels| labels.median_seconds);
    let mut lasts = policy
        .at_least
        .lasting
        .as_secs_f64()
        .max(policy.at_least.requests as f64 / (traffic.requests_per_second * share));
    let mut finds = Vec::new();
    for (index, judge) in policy.judges.iter().enumerate() {
        if let Judge::Live { at_least, .. } = judge {
            let labels = *at_least as f64 / (traffic.requests_per_second * share);
            lasts = lasts.max(labels + label_delay);
        }
        let (harm, baseline, ratio) = harm(judge, traffic, seen);
        let harmed = power::Harm {
            requests_per_second: traffic.requests_per_second,
            baseline,
            ratio,
            label_delay: Duration::from_secs_f64(label_delay),
        };
        finds.push(Finds {
            judge: judge.name(),
            harm,
            seconds: power::time_to_detect(policy, index, at, &harmed).map(|t| t.as_secs_f64()),
        });
    }
    Stage {
        share,
        lasts_seconds: lasts,
        quiet: None,
        finds,
    }
}

/// The harm in words, what the champion does now, and how many times that the harm is.
fn harm(judge: &Judge, traffic: &Present, seen: &Seen) -> (String, f64, f64) {
    match judge {
        Judge::Errors { .. } => {
            let now = traffic.errors.max(LEAST);
            let harm = (ERRORS.0 * now).max(ERRORS.1);
            (format!("{}% errors", figure(100.0 * harm)), now, harm / now)
        }
        Judge::Latency {
            quantile,
            threshold,
            ..
        } => {
            let latency = &seen.history.latency;
            let micros = u64::try_from(threshold.as_micros()).unwrap_or(u64::MAX);
            let slow = latency.exceeding(micros) as f64 / latency.total().max(1) as f64;
            let (now, harm) = (slow.max(LEAST), SLOW * (1.0 - quantile));
            let (share, milliseconds) = (figure(100.0 * harm), threshold.as_secs_f64() * 1e3);
            let words = format!("{share}% slower than {} ms", figure(milliseconds));
            (words, now, harm / now)
        }
        Judge::Live {
            cap,
            typical,
            metric,
            ..
        } => {
            let losses = seen.history.losses.iter().map(|loss| loss.min(*cap));
            let squares: f64 = losses.map(|loss| (loss - typical).powi(2)).sum();
            let spread = (squares / seen.history.losses.len().max(1) as f64).sqrt() / typical;
            let words = format!("{metric} {}% worse", figure(100.0 * (LIVE - 1.0)));
            (words, spread.max(LEAST), LIVE)
        }
    }
}

impl Outlook {
    /// What is said of late labels.
    pub fn note(&self) -> Option<String> {
        let late = self.late.as_ref()?;
        Some(format!(
            "{} in {}: {}",
            self.service, self.environment, late.why
        ))
    }

    /// As people read it, without a note of late labels.
    pub fn text(&self) -> String {
        let mut text = format!("Roll-outs of {} in {}", self.service, self.environment);
        let Some(rate) = self.requests_per_second else {
            text.push_str(
                ": no requests in the last minutes, so it is not known how long a stage needs.\n",
            );
            return text;
        };
        // Writing to a String cannot fail.
        let over = words(self.over_seconds.unwrap_or_default());
        let rate = figure(rate);
        let _ = writeln!(text, ", at {rate} requests a second (the last {over}):");
        for stage in &self.stages {
            let share = format!("{}%", figure(100.0 * stage.share));
            let _ = write!(
                text,
                "    {share:>5} lasts {} or more",
                words(stage.lasts_seconds)
            );
            if let Some(quiet) = &stage.quiet {
                let _ = write!(text, ", so `quiet: {quiet}` comes first");
            }
            for (index, found) in stage.finds.iter().enumerate() {
                let (separator, harm) = (if index == 0 { "; finds" } else { "," }, &found.harm);
                let _ = match found.seconds {
                    Some(seconds) => write!(text, "{separator} {harm} in {}", words(seconds)),
                    None => write!(text, "{separator} {harm} never"),
                };
            }
            text.push('\n');
        }
        for left_out in &self.not_judged {
            let _ = writeln!(text, "    {left_out}");
        }
        text
    }
}

/// A time as project files spell it, in two units at the most.
fn words(seconds: f64) -> String {
    let whole = seconds.round().clamp(1.0, 1e12) as u64;
    let coarse = match whole {
        0..3_600 => whole,
        3_600..86_400 => whole - whole % 60,
        _ => whole - whole % 3_600,
    };
    spec::Duration::from_secs(coarse).to_string()
}

/// Two digits or the whole part.
fn figure(value: f64) -> String {
    let places = match value.abs() {
        v if v >= 10.0 || v == 0.0 => 0,
        v => (1 - v.log10().floor() as i32).clamp(0, 6) as usize,
    };
    let text = format!("{value:.places$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests;
