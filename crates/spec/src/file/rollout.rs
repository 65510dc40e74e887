//! `rollout` of a service: how traffic moves to a new version, and who judges it.
//!
//! The judge and the roll-out reconciler read it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::quantity::{Duration, Percent, Quantile, QuantityError, Requests, as_text};
use crate::read::{Node, Read, Reader, Section};

/// How a deployment moves from one version to another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rollout {
    /// Shares of traffic on the way to all of it, rising; none means at once.
    pub stages: Vec<Percent>,
    /// Share of requests of which the new version gets copies before its first stage, whose answers are compared and given to
    /// nobody; no such stage when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<Percent>,
    /// The unit of randomisation: a field of the request, `header:NAME`, or `each request`.
    #[serde(default)]
    pub sticky: Sticky,
    /// What is compared with the version before; nothing means that only readiness counts.
    #[serde(default)]
    pub judge: Vec<Measure>,
    /// How often a version as good as the one before may be rolled back; `1%` when left out.
    #[serde(default = "Rollout::default_false_rollbacks")]
    pub false_rollbacks: Percent,
    /// Requests the new version must have answered in each stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_least: Option<Requests>,
    /// How long each stage lasts at the least.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub lasting: Option<Duration>,
    /// What happens when a stage has too little traffic; `hold after 1h` when left out.
    #[serde(default)]
    pub quiet: Quiet,
    /// How long the version before stays warm; `1h` when left out.
    #[serde(default = "Rollout::default_keep_previous")]
    pub keep_previous: Duration,
}

/// What decides which version a request goes to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Sticky {
    /// Chance, anew for each request.
    #[default]
    EachRequest,
    /// A field of the request's body.
    Field(String),
    /// A header of the request.
    Header(String),
}

/// A figure by which versions are compared and alarms are raised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Measure {
    /// The share of requests that the model failed.
    Errors,
    /// A quantile of the time to answer.
    Latency(Quantile),
    /// A mean loss over requests whose labels have come back.
    Live(LiveMetric),
}

/// A loss of one prediction against its label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LiveMetric {
    /// The absolute error.
    Mae,
    /// The squared error.
    Mse,
    /// One when the prediction, rounded, is not the label.
    ErrorRate,
}

/// What to do with a stage that has too little traffic, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quiet {
    /// What to do.
    pub action: QuietAction,
    /// How long after the stage began.
    pub after: Duration,
}

/// What a quiet stage ends in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuietAction {
    /// Stay, and ask for a person.
    Hold,
    /// Go on without the evidence.
    Promote,
}

impl LiveMetric {
    /// The loss of one answer.
    pub fn loss(self, prediction: f64, label: f64) -> f64 {
        match self {
            Self::Mae => (prediction - label).abs(),
            Self::Mse => (prediction - label).powi(2),
            Self::ErrorRate => f64::from(u8::from(prediction.round() != label)),
        }
    }
}

impl FromStr for Sticky {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || {
            QuantityError::new(
                text,
                "what makes requests stick to a version",
                "`request_id` (a field), `header:X-User` or `each request`",
            )
        };
        let word = |name: &str, more: &str| {
            !name.is_empty()
                && name.len() <= 100
                && name
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || more.contains(c))
        };
        match text.strip_prefix("header:") {
            _ if text == "each request" => Ok(Self::EachRequest),
            Some(header) if word(header.trim(), "-_") => Ok(Self::Header(header.trim().to_owned())),
            None if word(text, "_-.") => Ok(Self::Field(text.to_owned())),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Sticky {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EachRequest => f.write_str("each request"),
            Self::Field(name) => f.write_str(name),
            Self::Header(name) => write!(f, "header:{name}"),
        }
    }
}

const LIVE: [(&str, LiveMetric); 3] = [
    ("mae", LiveMetric::Mae),
    ("mse", LiveMetric::Mse),
    ("error_rate", LiveMetric::ErrorRate),
];

impl FromStr for Measure {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || {
            let known = [
                "errors",
                "latency.p99",
                "live.mae",
                "live.mse",
                "live.error_rate",
            ];
            let hint = crate::diagnostic::did_you_mean(text, known);
            let hint = if hint.is_empty() {
                format!("; write one of `{}`", known.join("`, `"))
            } else {
                hint
            };
            QuantityError(format!(
                "`{}` is not a measure{hint}",
                crate::diagnostic::shown(text)
            ))
        };
        match text.split_once('.') {
            None if text == "errors" => Ok(Self::Errors),
            Some(("latency", quantile)) => Ok(Self::Latency(quantile.parse()?)),
            Some(("live", metric)) => {
                let found = LIVE.iter().find(|(name, _)| *name == metric);
                found
                    .map(|(_, metric)| Self::Live(*metric))
                    .ok_or_else(wrong)
            }
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for LiveMetric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = LIVE
            .iter()
            .find(|(_, metric)| metric == self)
            .map_or("", |(name, _)| name);
        f.write_str(name)
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Errors => f.write_str("errors"),
            Self::Latency(quantile) => write!(f, "latency.{quantile}"),
            Self::Live(metric) => write!(f, "live.{metric}"),
        }
    }
}

impl FromStr for Quiet {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || {
            QuantityError::new(
                text,
                "what to do with a quiet stage",
                "`hold after 1h` or `promote after 30m`",
            )
        };
        let (action, after) = text.split_once(" after ").ok_or_else(wrong)?;
        let action = match action.trim() {
            "hold" => QuietAction::Hold,
            "promote" => QuietAction::Promote,
            _ => return Err(wrong()),
        };
        Ok(Self {
            action,
            after: after.parse()?,
        })
    }
}

impl fmt::Display for Quiet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let action = match self.action {
            QuietAction::Hold => "hold",
            QuietAction::Promote => "promote",
        };
        write!(f, "{action} after {}", self.after)
    }
}

as_text!(
    Sticky,
    "^(each request|header: ?[A-Za-z0-9_-]+|[A-Za-z0-9_.-]+)$"
);
as_text!(
    Measure,
    "^(errors|latency\\.p[0-9]{1,2}(\\.[0-9]{1,3})?|live\\.(mae|mse|error_rate))$"
);
as_text!(Quiet, "^(hold|promote) after ([0-9]+(ms|s|m|h|d|w))+$");

impl Default for Quiet {
    fn default() -> Self {
        Self {
            action: QuietAction::Hold,
            after: Duration::from_secs(3600),
        }
    }
}

impl Default for Rollout {
    fn default() -> Self {
        Self {
            stages: Vec::new(),
            shadow: None,
            sticky: Sticky::default(),
            judge: Vec::new(),
            false_rollbacks: Self::default_false_rollbacks(),
            at_least: None,
            lasting: None,
            quiet: Quiet::default(),
            keep_previous: Self::default_keep_previous(),
        }
    }
}

impl Rollout {
    pub(crate) const KEYS: &[&str] = &[
        "stages",
        "shadow",
        "sticky",
        "judge",
        "false_rollbacks",
        "at_least",
        "for",
        "quiet",
        "keep_previous",
    ];

    fn default_false_rollbacks() -> Percent {
        "1%".parse().expect("a constant that parses")
    }

    fn default_keep_previous() -> Duration {
        Duration::from_secs(3600)
    }
}

impl Read for Rollout {
    fn read(reader: &mut Reader, node: &Node, path: &str) -> Option<Self> {
        let section = Section::open(reader, node, path, Self::KEYS)?;
        let default = Self::default();
        let rollout = Self {
            stages: section.required(reader, "stages").unwrap_or_default(),
            shadow: section.optional(reader, "shadow"),
            sticky: section.or(reader, "sticky", default.sticky),
            judge: section.or(reader, "judge", default.judge),
            false_rollbacks: section.or(reader, "false_rollbacks", default.false_rollbacks),
            at_least: section.optional(reader, "at_least"),
            lasting: section.optional(reader, "for"),
            quiet: section.or(reader, "quiet", default.quiet),
            keep_previous: section.or(reader, "keep_previous", default.keep_previous),
        };
        let rising = rollout.stages.windows(2).all(|pair| pair[0] < pair[1]);
        let inside = rollout
            .stages
            .iter()
            .all(|stage| (0.0..100.0).contains(&stage.percent()) && stage.percent() > 0.0);
        if let (false, Some(stages)) = (rising && inside, section.node("stages")) {
            reader.wrong(
                stages.span,
                "stages rise and lie between 0% and 100%, both left out, like `[5%, 25%, 50%]`",
            );
        }
        if let (Some(shadow), Some(place)) = (rollout.shadow, section.node("shadow"))
            && !(shadow.percent() > 0.0 && shadow.percent() <= 100.0)
        {
            reader.wrong(
                place.span,
                "shadow is above 0% and up to 100%, like `20%`; leave it out for no such stage",
            );
        }
        let budget = rollout.false_rollbacks.percent();
        if let (false, Some(place)) = (
            budget > 0.0 && budget < 50.0,
            section.node("false_rollbacks"),
        ) {
            reader.wrong(
                place.span,
                "false_rollbacks is above 0% and below 50%, like `1%`",
            );
        }
        for (index, measure) in rollout.judge.iter().enumerate() {
            if let (true, Some(place)) = (
                rollout.judge[..index].contains(measure),
                section.node("judge"),
            ) {
                reader.wrong(place.span, format!("`{measure}` is named twice; keep one"));
            }
        }
        Some(rollout)
    }
}
