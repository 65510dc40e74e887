//! The whole file.
//!
//! Made by [`crate::parse`] and by nobody else, so that every reference in it holds.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde::Serialize;

use super::{Alert, Dataset, Override, Pipeline, Service};
use crate::diagnostic::{Diagnostic, Source, Span};
use crate::names::NameKind;
use crate::read::{Node, Read, Reader, Section, join};

/// A project as its file describes it.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(
    title = "mainspan.yaml",
    description = "Everything a Mainspan project runs."
)]
pub struct ProjectFile {
    /// Version of this schema, always 1.
    pub mainspan: u32,
    /// Name of the project.
    pub project: String,
    /// Environments in the order of promotion; the last one holds the champion.
    pub environments: Vec<String>,
    /// Time zone of schedules, like `Europe/Berlin`; UTC when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// Whether applying this file deletes what it no longer names.
    #[schemars(default)]
    pub prune: bool,
    /// What pipelines read from outside.
    #[schemars(default)]
    pub datasets: IndexMap<String, Dataset>,
    /// What runs.
    #[schemars(default)]
    pub pipelines: IndexMap<String, Pipeline>,
    /// What answers requests.
    #[schemars(default)]
    pub services: IndexMap<String, Service>,
    /// Conditions over alarms.
    #[schemars(default)]
    pub alerts: IndexMap<String, Alert>,
    /// What is different in one environment.
    #[schemars(default)]
    pub overrides: IndexMap<String, Override>,
    #[serde(skip)]
    pub(crate) source: Source,
    #[serde(skip)]
    pub(crate) places: BTreeMap<String, Span>,
    #[serde(skip)]
    pub(crate) keys: BTreeMap<String, Span>,
}

impl ProjectFile {
    pub(crate) const KEYS: &[&str] = &[
        "mainspan",
        "project",
        "environments",
        "timezone",
        "prune",
        "datasets",
        "pipelines",
        "services",
        "alerts",
        "overrides",
    ];
    const MOST_ENVIRONMENTS: usize = 16;

    /// The text this was read from.
    pub fn text(&self) -> &str {
        &self.source.text
    }

    /// The last environment, where the champion is.
    pub fn last_environment(&self) -> &str {
        self.environments.last().map_or("", String::as_str)
    }

    /// A mistake at a dotted path of the file (`services.delay.scale`), or at the nearest part
    /// around it that the file spells out.
    pub fn diagnostic_at(&self, path: &str, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(&self.source, self.place(path), message)
    }

    /// The same at the key rather than the value.
    pub fn diagnostic_at_key(&self, path: &str, message: impl Into<String>) -> Diagnostic {
        let span = self
            .keys
            .get(path)
            .copied()
            .unwrap_or_else(|| self.place(path));
        Diagnostic::new(&self.source, span, message)
    }

    /// Where the value at a path stands, or what is nearest around it.
    pub(crate) fn place(&self, path: &str) -> Span {
        let mut path = path;
        loop {
            if let Some(span) = self.places.get(path).or_else(|| self.keys.get(path)) {
                return *span;
            }
            match path.rsplit_once('.') {
                Some((around, _)) => path = around,
                None => {
                    return Span {
                        line: 1,
                        column: 1,
                        ..Span::default()
                    };
                }
            }
        }
    }
}

/// Reads the root of the tree; the references in it are not checked yet.
pub(crate) fn read(reader: &mut Reader, root: &Node) -> Option<ProjectFile> {
    let section = Section::open(reader, root, "", ProjectFile::KEYS)?;
    let mainspan = section.required(reader, "mainspan").unwrap_or(1);
    if let (true, Some(node)) = (mainspan != 1, section.node("mainspan")) {
        reader.wrong(node.span, format!("this file is of schema {mainspan}, and this Mainspan knows 1; write `mainspan: 1` or use a newer one"));
    }
    let project = section.required_name(reader, "project", NameKind::Address);
    let environments = environments(reader, &section);
    let timezone = section
        .optional::<Zone>(reader, "timezone")
        .map(|zone| zone.0);
    let prune = section.or(reader, "prune", false);
    let datasets = section.named(reader, "datasets", NameKind::Word);
    let pipelines = section.named(reader, "pipelines", NameKind::Word);
    let services = section.named(reader, "services", NameKind::Address);
    let alerts = section.named(reader, "alerts", NameKind::Word);
    let overrides = overrides(reader, &section);
    Some(ProjectFile {
        mainspan,
        project: project?,
        environments,
        timezone,
        prune,
        datasets,
        pipelines,
        services,
        alerts,
        overrides,
        source: reader.source.clone(),
        places: BTreeMap::new(),
        keys: BTreeMap::new(),
    })
}

fn environments(reader: &mut Reader, section: &Section<'_>) -> Vec<String> {
    let names = match section.node("environments") {
        Some(_) => section.names(reader, "environments", NameKind::Word),
        None => {
            section.missing(reader, "environments");
            return Vec::new();
        }
    };
    if let (true, Some(node)) = (
        names.is_empty() || names.len() > ProjectFile::MOST_ENVIRONMENTS,
        section.node("environments"),
    ) {
        let most = ProjectFile::MOST_ENVIRONMENTS;
        reader.wrong(
            node.span,
            format!("a project has 1 to {most} environments, like `[staging, prod]`"),
        );
    }
    names
}

fn overrides(reader: &mut Reader, section: &Section<'_>) -> IndexMap<String, Override> {
    let mut all = IndexMap::new();
    let Some(node) = section.node("overrides") else {
        return all;
    };
    for (key, value) in reader.entries(node, "overrides").unwrap_or_default() {
        let path = join("overrides", &key.name);
        reader.keys.insert(path.clone(), key.span);
        if let Some(over) = Override::read_over(reader, value, &path, section.node("services")) {
            all.insert(key.name.clone(), over);
        }
    }
    all
}

struct Zone(String);

impl Read for Zone {
    fn read(reader: &mut Reader, node: &Node, path: &str) -> Option<Self> {
        let name = String::read(reader, node, path)?;
        if crate::schedule::zone(Some(&name)).is_err() {
            let known = jiff::tz::TimeZoneDatabase::bundled();
            let names: Vec<String> = known.available().map(|name| name.to_string()).collect();
            let hint = crate::diagnostic::did_you_mean(&name, names.iter().map(String::as_str));
            reader.wrong(
                node.span,
                format!(
                    "`{}` is not a time zone like `Europe/Berlin`{hint}",
                    crate::diagnostic::shown(&name)
                ),
            );
            return None;
        }
        Some(Self(name))
    }
}
