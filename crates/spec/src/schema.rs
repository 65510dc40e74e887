//! The JSON Schema of the project file, for editors.
//!
//! Generated from the types and then taught the two shorthands that the types do not show. A
//! test holds it to the keys that the reader knows; `cargo xtask schema` writes it to disk.

use std::collections::BTreeSet;

use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use crate::ProjectFile;

/// The schema as JSON, in draft 2020-12.
pub fn schema() -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<ProjectFile>().to_value();
    schema["properties"]["mainspan"] =
        json!({ "description": "Version of this schema.", "const": 1 });
    if let Some(definitions) = schema["$defs"].as_object_mut() {
        let retry = definitions.remove("Retry").unwrap_or_default();
        let times = json!({ "type": "integer", "minimum": 0, "maximum": 100 });
        definitions.insert("Retry".to_owned(), json!({ "anyOf": [times, retry] }));
        partial(definitions);
    }
    schema
}

/// Of what an override spells out, nothing is required: it is laid over the service.
fn partial(definitions: &mut serde_json::Map<String, Value>) {
    let is_section = |(_, definition): &(&String, &Value)| definition.get("properties").is_some();
    let sections: BTreeSet<String> = definitions
        .iter()
        .filter(is_section)
        .map(|(name, _)| name.clone())
        .collect();
    let mut waiting = vec!["Service".to_owned()];
    let mut done: Vec<String> = Vec::new();
    while let Some(name) = waiting.pop() {
        let Some(definition) = definitions.get(&name).cloned() else {
            continue;
        };
        if done.contains(&name) {
            continue;
        }
        let mut definition = definition;
        if let Some(fields) = definition.as_object_mut() {
            fields.remove("required");
        }
        rename(&mut definition, &sections, &mut waiting);
        definitions.insert(format!("{name}Override"), definition);
        done.push(name);
    }
    if let Some(over) = definitions.get_mut("Override") {
        over["properties"]["services"]["additionalProperties"] =
            json!({ "$ref": "#/$defs/ServiceOverride" });
        if let Some(fields) = over.as_object_mut() {
            fields.remove("required");
        }
    }
}

/// Points every reference to a section at the version without requirements.
fn rename(value: &mut Value, sections: &BTreeSet<String>, waiting: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (key, inner) in fields {
                match inner
                    .as_str()
                    .and_then(|target| target.strip_prefix("#/$defs/"))
                {
                    Some(name) if key == "$ref" && sections.contains(name) => {
                        waiting.push(name.to_owned());
                        *inner = json!(format!("#/$defs/{name}Override"));
                    }
                    _ => rename(inner, sections, waiting),
                }
            }
        }
        Value::Array(items) => items
            .iter_mut()
            .for_each(|item| rename(item, sections, waiting)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::*;

    #[test]
    fn the_schema_and_the_reader_know_the_same_keys() {
        let schema = schema();
        let check = |name: &str, keys: &[&str]| {
            let definition = if name.is_empty() {
                &schema
            } else {
                &schema["$defs"][name]
            };
            let mut known: Vec<&str> = definition["properties"]
                .as_object()
                .unwrap_or_else(|| panic!("{name}"))
                .keys()
                .map(String::as_str)
                .collect();
            let mut keys = keys.to_vec();
            known.sort_unstable();
            keys.sort_unstable();
            assert_eq!(known, keys, "{name}");
            assert_eq!(definition["additionalProperties"], json!(false), "{name}");
        };
        check("", ProjectFile::KEYS);
        check("Dataset", Dataset::KEYS);
        check("Pipeline", Pipeline::KEYS);
        check("Triggers", Triggers::KEYS);
        check("Python", Python::KEYS);
        check("Step", Step::KEYS);
        check("StepResources", StepResources::KEYS);
        check("Register", Register::KEYS);
        check("Service", Service::KEYS);
        check("ServiceOverride", Service::KEYS);
        check("ServiceResources", ServiceResources::KEYS);
        check("Scale", Scale::KEYS);
        check("Rollout", Rollout::KEYS);
        check("Monitor", Monitor::KEYS);
        check("Labels", Labels::KEYS);
        check("Alarm", Alarm::KEYS);
        check("Drift", Drift::KEYS);
        check("Slo", Slo::KEYS);
        check("Alert", Alert::KEYS);
        check("Override", Override::KEYS);
    }

    #[test]
    fn what_must_be_given() {
        let schema = schema();
        let required = |name: &str| schema["$defs"][name]["required"].clone();
        assert_eq!(
            schema["required"],
            json!(["mainspan", "project", "environments"])
        );
        assert_eq!(required("Dataset"), json!(["source"]));
        assert_eq!(required("Pipeline"), json!(["steps"]));
        assert_eq!(required("Step"), json!(["run"]));
        assert_eq!(required("Service"), json!(["model"]));
        assert_eq!(required("ServiceOverride"), Value::Null);
        assert_eq!(required("RolloutOverride"), Value::Null);
        assert_eq!(required("Rollout"), json!(["stages"]));
    }
}
