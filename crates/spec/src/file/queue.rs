//! `queue` of a service: requests that wait while its replicas have all that they take at a time.
//!
//! The gateway keeps the line; the roll-out reconciler tells it these bounds.

use serde::{Deserialize, Serialize};

use crate::quantity::Duration;
use crate::read::{Node, Read, Reader, Section};

/// How requests wait for a place at a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Queue {
    /// Most requests that wait for one version's replicas; 1024 when left out.
    #[serde(default = "Queue::usual_length")]
    pub length: u32,
    /// How long one of them waits; `1s` when left out.
    #[serde(default = "Queue::usual_wait")]
    pub wait: Duration,
    /// The class of requests that name none; `normal` when left out.
    #[serde(default)]
    pub priority: Priority,
}

/// How urgent requests are.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// They leave the line first.
    High,
    /// They go before those of low priority.
    #[default]
    Normal,
    /// They leave the line last, and are the first to be turned away.
    Low,
}

impl Queue {
    pub(crate) const KEYS: &[&str] = &["length", "wait", "priority"];
    const MOST: u32 = 100_000;
    const LONGEST: Duration = Duration::from_secs(60);

    fn usual_length() -> u32 {
        1024
    }

    fn usual_wait() -> Duration {
        Duration::from_secs(1)
    }
}

impl Read for Queue {
    fn read(reader: &mut Reader, node: &Node, path: &str) -> Option<Self> {
        let section = Section::open(reader, node, path, Self::KEYS)?;
        let queue = Self {
            length: section.or(reader, "length", Self::usual_length()),
            wait: section.or(reader, "wait", Self::usual_wait()),
            priority: section.or(reader, "priority", Priority::default()),
        };
        if queue.length <= Self::MOST && queue.wait <= Self::LONGEST {
            return Some(queue);
        }
        let wrong = "at most 100000 requests wait, and none for more than 60s";
        reader.wrong(node.span, wrong);
        None
    }
}

impl Read for Priority {
    fn read(reader: &mut Reader, node: &Node, _: &str) -> Option<Self> {
        let words = [
            ("high", Self::High),
            ("normal", Self::Normal),
            ("low", Self::Low),
        ];
        reader.word(node, "priority", &words)
    }
}
