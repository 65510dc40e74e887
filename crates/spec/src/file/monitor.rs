//! `monitor` of a service: labels, alarms, drift, objectives.
//!
//! The watch reads it.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::Measure;
use crate::names::NameKind;
use crate::quantity::{Duration, Percent, Quantile, Rate};
use crate::read::{Node, Read, Reader, Section};

/// What is watched of a service.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Monitor {
    /// How true values come back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<Labels>,
    /// What raises an alarm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alarm: Option<Alarm>,
    /// What requests are compared with, as an explanation of alarms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<Drift>,
    /// Objectives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slo: Option<Slo>,
}

/// How labels are joined to predictions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Labels {
    /// The field that a request and its label share.
    pub join: String,
    /// How long after the prediction a label still counts.
    pub within: Duration,
    /// The field of the request or label that holds the event's time; arrival when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
}

/// What raises an alarm, with its budget of false ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Alarm {
    /// The figure that is watched for harm.
    pub on: Measure,
    /// How many false alarms are bearable in how much time.
    pub false_alarms: Rate,
}

/// What requests are compared with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Drift {
    /// The data that counts as normal.
    pub reference: DriftReference,
}

/// The data that counts as normal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DriftReference {
    /// The data that the version was trained on.
    Training,
}

/// Objectives of a service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Slo {
    /// The share of requests that must be answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub availability: Option<Percent>,
    /// Bounds on quantiles of the time to answer.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    #[schemars(with = "std::collections::BTreeMap<String, Duration>")]
    pub latency: IndexMap<Quantile, Duration>,
}

impl Monitor {
    pub(crate) const KEYS: &[&str] = &["labels", "alarm", "drift", "slo"];
}

impl Read for Monitor {
    fn read(reader: &mut Reader, node: &Node, path: &str) -> Option<Self> {
        let section = Section::open(reader, node, path, Self::KEYS)?;
        Some(Self {
            labels: section.optional(reader, "labels"),
            alarm: section.optional(reader, "alarm"),
            drift: section.optional(reader, "drift"),
            slo: section.optional(reader, "slo"),
        })
    }
}

impl Labels {
    pub(crate) const KEYS: &[&str] = &["join", "within", "time"];
}

impl Read for Labels {
    fn read(reader: &mut Reader, node: &Node, path: &str) -> Option<Self> {
        let section = Section::open(reader, node, path, Self::KEYS)?;
        let join = section.required(reader, "join");
        let within = section.required(reader, "within");
        let time = section.optional(reader, "time");
        Some(Self {
            join: join?,
            within: within?,
            time,
        })
    }
}

impl Alarm {
    pub(crate) const KEYS: &[&str] = &["on", "false_alarms"];
}

impl Read for Alarm {
    fn read(reader: &mut Reader, node: &Node, path: &str) -> Option<Self> {
        let section = Section::open(reader, node, path, Self::KEYS)?;
        let on = section.required(reader, "on");
        let false_alarms = section.required(reader, "false_alarms");
        Some(Self {
            on: on?,
            false_alarms: false_alarms?,
        })
    }
}

impl Drift {
    pub(crate) const KEYS: &[&str] = &["reference"];
}

impl Read for Drift {
    fn read(reader: &mut Reader, node: &Node, path: &str) -> Option<Self> {
        let section = Section::open(reader, node, path, Self::KEYS)?;
        Some(Self {
            reference: section.required(reader, "reference")?,
        })
    }
}

impl Read for DriftReference {
    fn read(reader: &mut Reader, node: &Node, _: &str) -> Option<Self> {
        reader.word(node, "reference", &[("training", Self::Training)])
    }
}

impl Slo {
    pub(crate) const KEYS: &[&str] = &["availability", "latency"];
}

impl Read for Slo {
    fn read(reader: &mut Reader, node: &Node, path: &str) -> Option<Self> {
        let section = Section::open(reader, node, path, Self::KEYS)?;
        let named = section.named::<Duration>(reader, "latency", NameKind::Any);
        let mut latency = IndexMap::new();
        for (name, bound) in named {
            match name.parse::<Quantile>() {
                Ok(quantile) => {
                    latency.insert(quantile, bound);
                }
                Err(error) => {
                    let span = reader.keys[&crate::read::join(&section.path("latency"), &name)];
                    reader.wrong(span, error.to_string());
                }
            }
        }
        Some(Self {
            availability: section.optional(reader, "availability"),
            latency,
        })
    }
}
