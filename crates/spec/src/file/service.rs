//! `services`: what answers requests with which model, at what size.
//!
//! The roll-out reconciler and the gateway's routes follow it.

use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;

use super::warmup::{Warmup, is_path};
use super::{Log, Monitor, Queue, Rollout};
use crate::freeze::Freeze;
use crate::names::NameKind;
use crate::quantity::{ByteSize, Cpus, Duration};
use crate::read::{Node, Read, Reader, Section};

/// One service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// The model whose versions it serves.
    pub model: String,
    /// What runs the model.
    #[serde(default)]
    pub engine: EngineKind,
    /// What starts a server, with `engine: command`. It finds its port in `PORT` and its model in `MODEL`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// The path at which that server answers once it is ready; `/health` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<String>,
    /// How requests are gathered into one run of the model; each is run by itself when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<Batch>,
    /// What each replica is asked before it counts as ready; nothing when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warmup: Option<Warmup>,
    /// What one replica gets.
    #[serde(default)]
    pub resources: ServiceResources,
    /// How many replicas.
    #[serde(default)]
    pub scale: Scale,
    /// How requests wait for a place at one; as if it were empty when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<Queue>,
    /// How traffic moves to a new version; at once when left out.
    #[serde(default)]
    pub rollout: Rollout,
    /// What is watched.
    #[serde(default)]
    pub monitor: Monitor,
    /// What the traffic log keeps of its requests.
    #[serde(default, skip_serializing_if = "Log::is_usual")]
    pub log: Log,
    /// When nothing is deployed. No key of a service: its environment's `freeze`, as [`crate::resources`] fills it in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(skip)]
    pub freeze: Option<Freeze>,
}

/// How requests are gathered into one run of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    /// Most requests in one run.
    pub requests: u32,
    /// How long the first of them waits for others; `1ms` when left out.
    #[serde(default = "Batch::usual_wait")]
    pub wait: Duration,
}

/// What runs a model.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum EngineKind {
    /// The built-in engine, for ONNX.
    #[default]
    Onnx,
    /// Any MLflow model, in Python.
    Pyfunc,
    /// Any server that speaks one of the known protocols.
    Command,
}

/// What one replica gets: memory is enforced, CPU is a weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ServiceResources {
    /// Processors, as a weight and never a throttle; `0.5` when left out.
    pub cpu: Cpus,
    /// Memory; `512MiB` when left out.
    pub memory: ByteSize,
    /// Graphics cards; none when left out.
    pub gpu: u32,
}

/// How many replicas of each version that serves: as many as its requests need, between two bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scale {
    /// Replicas at the least; one when left out. With zero, none runs while there are no requests.
    #[serde(default = "Scale::one")]
    pub min: u32,
    /// Replicas at the most; `min` when left out, but one at the least.
    #[serde(default = "Scale::one")]
    pub max: u32,
    /// Requests one replica takes at a time, more wait; as many as come when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// Requests are averaged over this time, and replicas that a peak needed are kept for it and longer; `60s` when left
    /// out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Duration>,
    /// Requests that are held while there is no replica, with `min: 0`; 100 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<u32>,
    /// How long one is held; `30s` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<Duration>,
}

impl Service {
    pub(crate) const KEYS: &[&str] = &[
        "model",
        "engine",
        "command",
        "ready",
        "batch",
        "warmup",
        "resources",
        "scale",
        "queue",
        "rollout",
        "monitor",
        "log",
    ];
}

impl Read for Service {
    fn read(reader: &mut Reader, node: &Node, path: &str) -> Option<Self> {
        let section = Section::open(reader, node, path, Self::KEYS)?;
        let model = section.required_name(reader, "model", NameKind::Word);
        let engine = section.or(reader, "engine", EngineKind::default());
        let command = section.optional(reader, "command");
        let ready: Option<String> = section.optional(reader, "ready");
        check_command(reader, &section, engine, ready.as_deref());
        if let Some(node) = section.node("warmup") {
            Warmup::check(reader, node, engine);
        }
        let rollout = section.or(reader, "rollout", Rollout::default());
        if let (EngineKind::Command, Some(_), Some(node)) =
            (engine, rollout.shadow, section.node("rollout"))
        {
            let wrong = "requests to `engine: command` are handed on as they come, and not copied; remove `shadow`";
            reader.wrong(node.span, wrong);
        }
        Some(Self {
            engine,
            command,
            ready,
            batch: section.optional(reader, "batch"),
            warmup: section.optional(reader, "warmup"),
            resources: section.or(reader, "resources", ServiceResources::default()),
            scale: section.or(reader, "scale", Scale::default()),
            queue: section.optional(reader, "queue"),
            rollout,
            monitor: section.or(reader, "monitor", Monitor::default()),
            log: section.or(reader, "log", Log::default()),
            freeze: None,
            model: model?,
        })
    }
}

/// A server needs a command, and only a server has one.
fn check_command(
    reader: &mut Reader,
    section: &Section<'_>,
    engine: EngineKind,
    ready: Option<&str>,
) {
    if engine == EngineKind::Command {
        if section.node("command").is_none() {
            section.missing(reader, "command");
        }
    } else {
        for key in ["command", "ready"] {
            if let Some(node) = section.node(key) {
                let message =
                    format!("`{key}` is for `engine: command`; remove it, or set the engine");
                reader.wrong(node.span, message);
            }
        }
    }
    if let (EngineKind::Command | EngineKind::Pyfunc, Some(node)) = (engine, section.node("batch"))
    {
        let wrong =
            "only the built-in engine gathers requests; remove `batch`, or set `engine: onnx`";
        reader.wrong(node.span, wrong);
    }
    if let (Some(path), Some(node)) = (ready, section.node("ready"))
        && !is_path(path)
    {
        reader.wrong(node.span, "a path begins with `/` and has no spaces");
    }
}

impl Batch {
    pub(crate) const KEYS: &[&str] = &["requests", "wait"];
    const MOST: u32 = 4096;

    fn usual_wait() -> Duration {
        Duration::from_millis(1)
    }
}

impl Read for Batch {
    fn read(reader: &mut Reader, node: &Node, path: &str) -> Option<Self> {
        let section = Section::open(reader, node, path, Self::KEYS)?;
        let requests = section.required(reader, "requests");
        let batch = Self {
            wait: section.or(reader, "wait", Self::usual_wait()),
            requests: requests?,
        };
        if (2..=Self::MOST).contains(&batch.requests) && batch.wait <= Duration::from_secs(10) {
            return Some(batch);
        }
        let wrong = "a batch has 2 to 4096 requests, and waits for at most 10s";
        reader.wrong(node.span, wrong);
        None
    }
}

impl Read for EngineKind {
    fn read(reader: &mut Reader, node: &Node, _: &str) -> Option<Self> {
        reader.word(
            node,
            "engine",
            &[
                ("onnx", Self::Onnx),
                ("pyfunc", Self::Pyfunc),
                ("command", Self::Command),
            ],
        )
    }
}

impl Default for ServiceResources {
    fn default() -> Self {
        Self {
            cpu: Cpus::from_millis(500),
            memory: ByteSize::mib(512),
            gpu: 0,
        }
    }
}

impl ServiceResources {
    pub(crate) const KEYS: &[&str] = &["cpu", "memory", "gpu"];
}

impl Read for ServiceResources {
    fn read(reader: &mut Reader, node: &Node, path: &str) -> Option<Self> {
        let section = Section::open(reader, node, path, Self::KEYS)?;
        let default = Self::default();
        Some(Self {
            cpu: section.or(reader, "cpu", default.cpu),
            memory: section.or(reader, "memory", default.memory),
            gpu: section.or(reader, "gpu", default.gpu),
        })
    }
}

impl Default for Scale {
    fn default() -> Self {
        Self {
            min: 1,
            max: 1,
            concurrency: None,
            window: None,
            hold: None,
            wait: None,
        }
    }
}

impl Scale {
    pub(crate) const KEYS: &[&str] = &["min", "max", "concurrency", "window", "hold", "wait"];
    const MOST: u32 = 1000;
    const MOST_HELD: u32 = 10_000;
    const LONGEST_WAIT: Duration = Duration::from_secs(3600);
    const WINDOWS: RangeInclusive<Duration> = Duration::from_secs(2)..=Duration::from_secs(3600);

    /// Whether the number of replicas follows the requests.
    pub fn follows(&self) -> bool {
        self.min < self.max
    }

    /// The time over which requests are averaged.
    pub fn averaged_over(&self) -> Duration {
        self.window.unwrap_or(Duration::from_secs(60))
    }

    /// Requests at a time that one replica is counted on for, however many it takes.
    pub fn counted_on(&self) -> u32 {
        self.concurrency.unwrap_or(8)
    }

    /// Requests that are held while there is no replica.
    pub fn held(&self) -> u32 {
        self.hold.unwrap_or(100)
    }

    /// How long one is held.
    pub fn held_for(&self) -> Duration {
        self.wait.unwrap_or(Duration::from_secs(30))
    }

    fn one() -> u32 {
        1
    }
}

impl Read for Scale {
    fn read(reader: &mut Reader, node: &Node, path: &str) -> Option<Self> {
        let section = Section::open(reader, node, path, Self::KEYS)?;
        let min = section.or(reader, "min", 1);
        let max = section.or(reader, "max", min.max(1));
        let scale = Self {
            min,
            max,
            concurrency: section.optional(reader, "concurrency"),
            window: section.optional(reader, "window"),
            hold: section.optional(reader, "hold"),
            wait: section.optional(reader, "wait"),
        };
        let wrong = if scale.max == 0 {
            "a service that never has a replica answers nobody; set `max` to 1 or more"
        } else if scale.max < scale.min {
            "`max` is below `min`; raise it or leave it out"
        } else if !scale.follows() && scale.window.is_some() {
            "the number of replicas does not follow the requests; remove `window`, or set `max` above `min`"
        } else if !Self::WINDOWS.contains(&scale.averaged_over()) {
            "requests are averaged over two seconds to an hour"
        } else if scale.min > 0 && (scale.hold.is_some() || scale.wait.is_some()) {
            "requests are held only where there may be no replica; remove `hold` and `wait`, or set `min: 0`"
        } else if !(1..=Self::MOST_HELD).contains(&scale.held()) {
            "1 to 10000 requests are held"
        } else if scale.held_for() > Self::LONGEST_WAIT {
            "a request is held for an hour at the most"
        } else if scale.max > Self::MOST {
            "a service has at most 1000 replicas"
        } else if scale.concurrency == Some(0) {
            "a replica takes at least one request at a time; set `concurrency` to 1 or more"
        } else {
            return Some(scale);
        };
        reader.wrong(node.span, wrong);
        None
    }
}
