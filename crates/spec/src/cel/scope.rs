//! The names that a condition may use, by what it is for.
//!
//! Made from the project file by whoever compiles a condition: fields of a data profile in
//! checks, declared metrics in gates, alarms in alerts.

use std::collections::BTreeMap;
use std::fmt;

use crate::file::{Against, Format, Pipeline, ProjectFile};

/// What a column's profile tells, all numbers: the share and count of nulls, the count of
/// distinct values (approximate above 10,000), and of numeric columns the range, mean and
/// standard deviation of what is not null.
pub const COLUMN_FIELDS: [&str; 7] = [
    "null_fraction",
    "nulls",
    "distinct",
    "min",
    "max",
    "mean",
    "std",
];

/// The type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// True or false.
    Bool,
    /// A double.
    Number,
    /// A text.
    Text,
}

/// Names and what they stand for.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scope {
    pub(super) roots: BTreeMap<String, Entry>,
}

/// What a name stands for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Entry {
    Value(Type),
    /// More names behind a dot.
    Record(BTreeMap<String, Entry>),
    /// Any name behind a dot.
    Each(Box<Entry>),
    /// A name that would be there but for this reason.
    Absent(String),
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bool => "a truth value",
            Self::Number => "a number",
            Self::Text => "a text",
        })
    }
}

fn numbers<'a>(names: impl IntoIterator<Item = &'a str>) -> BTreeMap<String, Entry> {
    names
        .into_iter()
        .map(|name| (name.to_owned(), Entry::Value(Type::Number)))
        .collect()
}

impl Scope {
    /// For the checks of a dataset: `rows`, `bytes` and `columns.<name>.<field>` of tables,
    /// `files` and `bytes` of the rest.
    pub fn checks(format: Format) -> Self {
        let mut roots = numbers(["bytes"]);
        if format == Format::Files {
            roots.extend(numbers(["files"]));
            for name in ["rows", "columns"] {
                let why = format!(
                    "`{name}` needs a table, and this dataset has the format `files`; set `format`"
                );
                roots.insert(name.to_owned(), Entry::Absent(why));
            }
        } else {
            roots.extend(numbers(["rows"]));
            let column = Entry::Record(numbers(COLUMN_FIELDS));
            roots.insert("columns".to_owned(), Entry::Each(Box::new(column)));
        }
        Self { roots }
    }

    /// For the gate of a pipeline: `<step>.<declared metric>`, and `champion.<metric>` for the
    /// metrics of the step that runs `against: champion`.
    pub fn gate(pipeline: &Pipeline) -> Self {
        let mut roots = BTreeMap::new();
        for (name, step) in &pipeline.steps {
            let entry = if step.metrics.is_empty() {
                Entry::Absent(format!(
                    "step `{name}` declares no metrics; add `metrics: [NAME]` to it"
                ))
            } else {
                Entry::Record(numbers(step.metrics.iter().map(String::as_str)))
            };
            roots.insert(name.clone(), entry);
        }
        roots.insert(super::CHAMPION.to_owned(), champion(pipeline));
        Self { roots }
    }

    /// For an alert: `services.<service>.<environment>.alarm`.
    pub fn alerts(file: &ProjectFile) -> Self {
        let mut services = BTreeMap::new();
        for name in file.services.keys() {
            let each = file.environments.iter().map(|environment| {
                let monitored = file.service_in(environment, name).is_some_and(|service| service.monitor.alarm.is_some());
                let alarm = if monitored {
                    Entry::Value(Type::Bool)
                } else {
                    Entry::Absent(format!("service `{name}` has no alarm in {environment}; add `monitor: {{ alarm: … }}` to it"))
                };
                let entry = Entry::Record(BTreeMap::from([("alarm".to_owned(), alarm)]));
                (environment.clone(), entry)
            });
            services.insert(name.clone(), Entry::Record(each.collect()));
        }
        Self {
            roots: BTreeMap::from([("services".to_owned(), Entry::Record(services))]),
        }
    }
}

fn champion(pipeline: &Pipeline) -> Entry {
    let mut metrics = BTreeMap::new();
    for step in pipeline
        .steps
        .values()
        .filter(|step| step.against == Some(Against::Champion))
    {
        for metric in &step.metrics {
            let twice = metrics
                .insert(metric.clone(), Entry::Value(Type::Number))
                .is_some();
            if twice {
                let why = format!(
                    "several steps run `against: champion` and declare `{metric}`; give one of the metrics another name"
                );
                metrics.insert(metric.clone(), Entry::Absent(why));
            }
        }
    }
    if metrics.is_empty() {
        return Entry::Absent(
            "no step runs `against: champion`; add it to the step that evaluates".to_owned(),
        );
    }
    Entry::Record(metrics)
}
