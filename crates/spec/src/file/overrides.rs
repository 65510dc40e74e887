//! `overrides`: what is different in one environment.
//!
//! [`crate::ProjectFile::for_environment`] applies them; nobody else needs to look.

use indexmap::IndexMap;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde::Serialize;

use super::Service;
use crate::diagnostic::did_you_mean;
use crate::quantity::Window;
use crate::read::{Node, Read, Reader, Section, Value, join};

/// What one environment has of its own.
#[derive(Debug, Clone, PartialEq, Default, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Override {
    /// Whether a person must approve what is deployed here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approve: Option<Approval>,
    /// When nothing is deployed here, in the project's time zone: a window like `Fri 16:00 - Mon 08:00` or
    /// `2026-12-19 - 2027-01-03`, or several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "one_or_more")]
    pub freeze: Vec<Window>,
    /// The platform, as the server knows it, that this environment runs on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// The services that differ here, as they are with the override applied.
    pub services: IndexMap<String, Service>,
}

/// One window, or a list of them.
fn windows(reader: &mut Reader, section: &Section<'_>) -> Vec<Window> {
    match section.node("freeze").map(|node| &node.value) {
        Some(Value::Scalar { .. }) => section.optional(reader, "freeze").into_iter().collect(),
        _ => section.or(reader, "freeze", Vec::new()),
    }
}

fn one_or_more(generator: &mut SchemaGenerator) -> Schema {
    let one = generator.subschema_for::<Window>();
    json_schema!({ "anyOf": [one, { "type": "array", "items": one }], "default": [] })
}

/// Who lets a version in.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Approval {
    /// A person.
    Manual,
    /// The gate.
    Auto,
}

impl Read for Approval {
    fn read(reader: &mut Reader, node: &Node, _: &str) -> Option<Self> {
        reader.word(
            node,
            "approval",
            &[("manual", Self::Manual), ("auto", Self::Auto)],
        )
    }
}

impl Override {
    pub(crate) const KEYS: &[&str] = &["approve", "freeze", "platform", "services"];

    /// Reads one environment's overrides, laid over the services as the file has them.
    pub(crate) fn read_over(
        reader: &mut Reader,
        node: &Node,
        path: &str,
        base: Option<&Node>,
    ) -> Option<Self> {
        let section = Section::open(reader, node, path, Self::KEYS)?;
        let mut services = IndexMap::new();
        if let Some(node) = section.node("services") {
            let path = section.path("services");
            for (key, over) in reader.entries(node, &path).unwrap_or_default() {
                let Some(service) = base.and_then(|base| base.get(&key.name)) else {
                    let known = base.map(Node::keys).unwrap_or_default();
                    let hint = did_you_mean(&key.name, known);
                    reader.wrong(
                        key.span,
                        format!(
                            "there is no service `{}`{hint}",
                            crate::diagnostic::shown(&key.name)
                        ),
                    );
                    continue;
                };
                let inner = join(&path, &key.name);
                reader.keys.insert(inner.clone(), key.span);
                let before = reader.diagnostics.len();
                if let Some(service) = reader.read(&service.overlaid(over), &inner) {
                    services.insert(key.name.clone(), service);
                }
                reader.forget_repeated(before);
            }
        }
        Some(Self {
            approve: section.optional(reader, "approve"),
            freeze: windows(reader, &section),
            platform: section.optional(reader, "platform"),
            services,
        })
    }
}
