//! `steps` of a pipeline: one command, what it reads and writes, and its limits.
//!
//! The executor reads it. What a step means to its neighbours is checked where the whole
//! pipeline is known.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::Scalar;
use crate::names::NameKind;
use crate::quantity::{ByteSize, Cpus, Duration};
use crate::read::{Node, Read, Reader, Section, Value};

/// One step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The command, given to `/bin/sh -e -c` in the snapshot's folder.
    pub run: String,
    /// Datasets and outputs of other steps, found at `MAINSPAN_IN_<NAME>`.
    #[serde(default)]
    pub reads: Vec<String>,
    /// Outputs this step must leave at `MAINSPAN_OUT_<NAME>`.
    #[serde(default)]
    pub writes: Vec<String>,
    /// Steps that must be done first although nothing of theirs is read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
    /// Files and folders of the snapshot that the step sees (`*` and `**` allowed); all of it
    /// when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<Vec<String>>,
    /// Metrics this step must log to its MLflow run.
    #[serde(default)]
    pub metrics: Vec<String>,
    /// Parameters to run the step for, every combination once.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub matrix: IndexMap<String, Vec<Scalar>>,
    /// Which combination of the matrix the next steps get.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub select: Option<Select>,
    /// Run this step a second time for the champion, on the same inputs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub against: Option<Against>,
    /// What the step reserves and may not exceed.
    #[serde(default)]
    pub resources: StepResources,
    /// What to do when the step fails by itself.
    #[serde(default)]
    pub retry: Retry,
    /// How long one attempt may take; a day when left out.
    #[serde(default = "Step::default_timeout")]
    pub timeout: Duration,
}

/// Which combination of a matrix goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Select {
    /// The one with the smallest value of this metric.
    Min(String),
    /// The one with the largest value of this metric.
    Max(String),
}

/// What a step is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Against {
    /// The version live in the last environment.
    Champion,
}

/// What a step reserves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StepResources {
    /// Processors; one when left out.
    pub cpu: Cpus,
    /// Memory; `1GiB` when left out.
    pub memory: ByteSize,
    /// Graphics cards; none when left out.
    pub gpu: u32,
}

/// How often, and after how long, a failed step is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// Attempts after the first.
    pub times: u32,
    /// Wait before the first of them; doubled for each further one, up to ten minutes.
    #[serde(default = "Retry::default_backoff")]
    pub backoff: Duration,
}

/// A path inside the project's folder.
pub(crate) struct FilePath(pub(crate) String);

impl Step {
    pub(crate) const KEYS: &[&str] = &[
        "run",
        "reads",
        "writes",
        "needs",
        "files",
        "metrics",
        "matrix",
        "select",
        "against",
        "resources",
        "retry",
        "timeout",
    ];
    /// Combinations above this are a mistake, or a job for a tuner.
    const MAX_COMBINATIONS: usize = 256;

    fn default_timeout() -> Duration {
        Duration::from_secs(86_400)
    }

    /// Every combination of the matrix, in order; a single empty one without a matrix.
    pub fn combinations(&self) -> Vec<IndexMap<String, Scalar>> {
        let mut all = vec![IndexMap::new()];
        for (name, values) in &self.matrix {
            let with = |one: &IndexMap<String, Scalar>, value: &Scalar| {
                let mut one = one.clone();
                one.insert(name.clone(), value.clone());
                one
            };
            all = all
                .iter()
                .flat_map(|one| values.iter().map(move |value| with(one, value)))
                .collect();
        }
        all
    }
}

impl Select {
    /// The metric that decides.
    pub fn metric(&self) -> &str {
        match self {
            Self::Min(metric) | Self::Max(metric) => metric,
        }
    }
}

impl Retry {
    const LONGEST_BACKOFF: Duration = Duration::from_secs(600);

    fn default_backoff() -> Duration {
        Duration::from_secs(1)
    }

    /// How long to wait after so many failed attempts, or `None` when there is no further one.
    pub fn delay_after(&self, failed: u32) -> Option<Duration> {
        if failed == 0 || failed > self.times {
            return None;
        }
        let factor = 1u64.checked_shl(failed - 1).unwrap_or(u64::MAX);
        let millis = self.backoff.as_millis().saturating_mul(factor);
        let longest = Self::LONGEST_BACKOFF.max(self.backoff).as_millis();
        Some(Duration::from_millis(millis.min(longest)))
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            times: 0,
            backoff: Self::default_backoff(),
        }
    }
}

impl Default for StepResources {
    fn default() -> Self {
        Self {
            cpu: Cpus::from_millis(1000),
            memory: ByteSize::gib(1),
            gpu: 0,
        }
    }
}

impl Read for Step {
    fn read(reader: &mut Reader, node: &Node, path: &str) -> Option<Self> {
        let section = Section::open(reader, node, path, Self::KEYS)?;
        let run = section.required(reader, "run");
        let files: Option<Vec<FilePath>> = section.optional(reader, "files");
        let step = Self {
            reads: section.names(reader, "reads", NameKind::Any),
            writes: section.names(reader, "writes", NameKind::Identifier),
            needs: section.names(reader, "needs", NameKind::Any),
            files: files.map(|files| files.into_iter().map(|path| path.0).collect()),
            metrics: section.names(reader, "metrics", NameKind::Metric),
            matrix: section.named(reader, "matrix", NameKind::Identifier),
            select: section.optional(reader, "select"),
            against: section.optional(reader, "against"),
            resources: section.or(reader, "resources", StepResources::default()),
            retry: section.or(reader, "retry", Retry::default()),
            timeout: section.or(reader, "timeout", Self::default_timeout()),
            run: run?,
        };
        let combinations = step
            .matrix
            .values()
            .try_fold(1usize, |all, values| all.checked_mul(values.len()));
        if combinations.is_none_or(|all| all == 0 || all > Self::MAX_COMBINATIONS) {
            let span = reader
                .keys
                .get(&section.path("matrix"))
                .copied()
                .unwrap_or(node.span);
            reader.wrong(
                span,
                format!(
                    "a matrix has 1 to {} combinations; every parameter needs at least one value",
                    Self::MAX_COMBINATIONS
                ),
            );
            return None;
        }
        Some(step)
    }
}

impl Read for Select {
    fn read(reader: &mut Reader, node: &Node, path: &str) -> Option<Self> {
        let section = Section::open(reader, node, path, &["min", "max"])?;
        match (
            section.optional(reader, "min"),
            section.optional(reader, "max"),
        ) {
            (Some(metric), None) => Some(Self::Min(metric)),
            (None, Some(metric)) => Some(Self::Max(metric)),
            _ => {
                reader.wrong(
                    node.span,
                    "select takes exactly one of `min: METRIC` and `max: METRIC`",
                );
                None
            }
        }
    }
}

impl Read for Against {
    fn read(reader: &mut Reader, node: &Node, _: &str) -> Option<Self> {
        reader.word(node, "comparison", &[("champion", Self::Champion)])
    }
}

impl StepResources {
    pub(crate) const KEYS: &[&str] = &["cpu", "memory", "gpu"];
}

impl Read for StepResources {
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

impl Retry {
    pub(crate) const KEYS: &[&str] = &["times", "backoff"];
    const MOST: u32 = 100;
}

impl Read for Retry {
    fn read(reader: &mut Reader, node: &Node, path: &str) -> Option<Self> {
        let mut retry = Self::default();
        if let Value::Scalar { .. } = node.value {
            retry.times = u32::read(reader, node, path)?;
        } else {
            let section = Section::open(reader, node, path, Self::KEYS)?;
            retry.backoff = section.or(reader, "backoff", retry.backoff);
            retry.times = section.required(reader, "times")?;
        }
        if retry.times > Self::MOST {
            reader.wrong(
                node.span,
                format!("a step is tried again at most {} times", Self::MOST),
            );
            return None;
        }
        Some(retry)
    }
}

impl Read for FilePath {
    fn read(reader: &mut Reader, node: &Node, path: &str) -> Option<Self> {
        let text = String::read(reader, node, path)?;
        let outside = text.starts_with('/')
            || text.contains('\\')
            || text.split('/').any(|part| part == "..");
        if outside {
            reader.wrong(node.span, format!("`{}` is not a path inside the project's folder; write it relative to this file", crate::diagnostic::shown(&text)));
            return None;
        }
        Some(Self(text))
    }
}
