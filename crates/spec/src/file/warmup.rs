//! `warmup` of a service: a request that its replicas answer before anybody finds them.
//!
//! The engine asks it; a replica that does not answer it well does not start.

use serde::{Deserialize, Serialize};

use super::EngineKind;
use crate::read::{Node, Read, Reader, Section};

/// A request that each replica answers before it gets any other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Warmup {
    /// Its body, as JSON in a text.
    pub body: String,
    /// How many times it is asked; ten when left out.
    #[serde(default = "Warmup::usual")]
    pub requests: u32,
    /// How the body is written; plain rows when left out. Not with `engine: command`.
    #[serde(default, skip_serializing_if = "WarmupProtocol::is_rows")]
    pub protocol: WarmupProtocol,
    /// With `engine: command`, where it is posted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// How a warm-up request is written.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum WarmupProtocol {
    /// Plain rows.
    #[default]
    Rows,
    /// The Open Inference Protocol.
    Oip,
    /// KServe's first protocol.
    V1,
    /// MLflow's scoring protocol.
    Scoring,
}

impl WarmupProtocol {
    fn is_rows(&self) -> bool {
        *self == Self::Rows
    }

    /// As the file spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rows => "rows",
            Self::Oip => "oip",
            Self::V1 => "v1",
            Self::Scoring => "scoring",
        }
    }
}

impl Read for WarmupProtocol {
    fn read(reader: &mut Reader, node: &Node, _: &str) -> Option<Self> {
        let all = [Self::Rows, Self::Oip, Self::V1, Self::Scoring];
        reader.word(node, "protocol", &all.map(|each| (each.as_str(), each)))
    }
}

impl Warmup {
    pub(crate) const KEYS: &[&str] = &["body", "requests", "protocol", "path"];
    const MOST: u32 = 10_000;
    /// It is handed to the replica in its environment, where a text has 128 KiB at the most.
    const LONGEST: usize = 64 << 10;

    fn usual() -> u32 {
        10
    }

    /// Notes what does not go with the service's engine.
    pub(crate) fn check(reader: &mut Reader, node: &Node, engine: EngineKind) {
        let (key, wrong) = match engine {
            EngineKind::Command if node.get("path").is_none() => {
                let wrong = "a server of your own is asked somewhere; add a `path`";
                return reader.wrong(node.span, wrong);
            }
            EngineKind::Command => {
                let wrong = "a server of your own is asked at a `path`; remove `protocol`";
                ("protocol", wrong)
            }
            EngineKind::Onnx | EngineKind::Pyfunc => {
                let wrong =
                    "`path` is for `engine: command`; say how the body is written with `protocol`";
                ("path", wrong)
            }
        };
        if let Some(node) = node.get(key) {
            reader.wrong(node.span, wrong);
        }
    }
}

impl Read for Warmup {
    fn read(reader: &mut Reader, node: &Node, path: &str) -> Option<Self> {
        let section = Section::open(reader, node, path, Self::KEYS)?;
        let body: Option<String> = section.required(reader, "body");
        let warmup = Self {
            requests: section.or(reader, "requests", Self::usual()),
            protocol: section.or(reader, "protocol", WarmupProtocol::default()),
            path: section.optional(reader, "path"),
            body: body?,
        };
        let is_json = serde_json::from_str::<serde::de::IgnoredAny>(&warmup.body).is_ok();
        let is_path = warmup.path.as_deref().is_none_or(is_path);
        let (key, wrong) = if !is_json || warmup.body.len() > Self::LONGEST {
            (
                "body",
                "a body is JSON of at most 64 KiB, in quotes, like `'{\"x\": 1}'`",
            )
        } else if !(1..=Self::MOST).contains(&warmup.requests) {
            (
                "requests",
                "a replica is warmed up with 1 to 10000 requests",
            )
        } else if !is_path {
            ("path", "a path begins with `/` and has no spaces")
        } else {
            return Some(warmup);
        };
        let span = section.node(key).map_or(node.span, |node| node.span);
        reader.wrong(span, wrong);
        None
    }
}

/// Whether a text is a path of a URL.
pub(super) fn is_path(text: &str) -> bool {
    text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic())
}
