//! The canonical shape of everything a file owns.
//!
//! What [`super::plan`] compares and the server stores. Two files that mean the same have the
//! same shapes, whatever order and shorthand they are written in.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::{ResourceKey, ResourceKind};
use crate::ProjectFile;

/// The shape of each resource of a project, with overrides applied and defaults filled in.
///
/// Of a service the shape is a [`crate::Service`] with its environment's `freeze` and without its
/// `monitor`, which is a resource of its own; of a pipeline, dataset and alert it is the type of that name, of a monitor
/// [`crate::Monitor`].
pub fn resources(file: &ProjectFile) -> BTreeMap<ResourceKey, Value> {
    let mut all = BTreeMap::new();
    let project = json!({
        "environments": file.environments,
        "timezone": file.timezone.as_deref().unwrap_or("UTC"),
    });
    all.insert(
        ResourceKey::new(ResourceKind::Project, &file.project),
        project,
    );
    for (name, dataset) in &file.datasets {
        all.insert(
            ResourceKey::new(ResourceKind::Dataset, name),
            shape(dataset),
        );
    }
    for (name, pipeline) in &file.pipelines {
        all.insert(
            ResourceKey::new(ResourceKind::Pipeline, name),
            shape(pipeline),
        );
    }
    for (model, pipelines) in models(file) {
        all.insert(
            ResourceKey::new(ResourceKind::Model, model),
            json!({ "pipelines": pipelines }),
        );
    }
    for environment in &file.environments {
        let freeze = file.freeze(environment);
        for (name, service) in file.for_environment(environment).unwrap_or_default() {
            let mut whole = shape(service);
            if let Some(freeze) = &freeze {
                whole["freeze"] = shape(freeze);
            }
            let monitor = whole
                .as_object_mut()
                .and_then(|service| service.remove("monitor"));
            all.insert(
                ResourceKey::in_environment(ResourceKind::Service, name, environment),
                whole,
            );
            if let Some(monitor) = monitor.filter(|monitor| {
                monitor
                    .as_object()
                    .is_some_and(|monitor| !monitor.is_empty())
            }) {
                all.insert(
                    ResourceKey::in_environment(ResourceKind::Monitor, name, environment),
                    monitor,
                );
            }
        }
    }
    for (name, alert) in &file.alerts {
        all.insert(ResourceKey::new(ResourceKind::Alert, name), shape(alert));
    }
    all
}

/// The pipelines that register each model, sorted.
fn models(file: &ProjectFile) -> BTreeMap<&str, Vec<&str>> {
    let mut all: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, pipeline) in &file.pipelines {
        if let Some(register) = &pipeline.register {
            all.entry(&register.model).or_default().push(name);
        }
    }
    for pipelines in all.values_mut() {
        pipelines.sort_unstable();
    }
    all
}

/// A value in its canonical form: serde_json sorts the keys of objects.
fn shape(value: &impl Serialize) -> Value {
    serde_json::to_value(value).expect("the types of the project file have JSON forms")
}
