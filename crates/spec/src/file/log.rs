//! `log` of a service: what the traffic log keeps of its requests.
//!
//! The gateway obeys it, before anything is written.

use serde::{Deserialize, Serialize};

use crate::quantity::{Duration, Percent};
use crate::read::{Node, Read, Reader, Section};

/// What the traffic log keeps of a service's requests; everything, for as long as the log is kept, when left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// The share of requests that is kept; `100%` when left out.
    pub sample: Percent,
    /// Names of fields, columns and tensors whose values are never written; `a.b` is `b` in `a`.
    pub redact: Vec<String>,
    /// How long they are kept; as long as the log when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep: Option<Duration>,
    /// Whether bodies of requests and answers are kept, or only what is known about them.
    pub bodies: bool,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            sample: Percent::ALL,
            redact: Vec::new(),
            keep: None,
            bodies: true,
        }
    }
}

impl Log {
    pub(crate) const KEYS: &[&str] = &["sample", "redact", "keep", "bodies"];
    /// A file of the log holds a minute.
    const SHORTEST: Duration = Duration::from_secs(60);

    /// Whether nothing is said.
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

impl Read for Log {
    fn read(reader: &mut Reader, node: &Node, path: &str) -> Option<Self> {
        let section = Section::open(reader, node, path, Self::KEYS)?;
        let log = Self {
            sample: section.or(reader, "sample", Percent::ALL),
            redact: section.or(reader, "redact", Vec::new()),
            keep: section.optional(reader, "keep"),
            bodies: section.or(reader, "bodies", true),
        };
        if log.keep.is_none_or(|keep| keep >= Self::SHORTEST) {
            return Some(log);
        }
        let span = section.node("keep").map_or(node.span, |node| node.span);
        let wrong =
            "a file of the log holds a minute; keep it for `1m` or longer, or set `sample: 0%`";
        reader.wrong(span, wrong);
        None
    }
}
