//! Deployments: the truth of what serves where. Their history is in the events.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::error::Result;

/// What serves a service in an environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Deployment {
    /// The project.
    pub project: String,
    /// The environment.
    pub environment: String,
    /// The service.
    pub service: String,
    /// The model whose versions serve.
    pub model: String,
    /// The version that serves; none until the first roll-out ends.
    pub version: Option<u32>,
    /// The version that served before.
    pub previous: Option<u32>,
    /// Since when `version` serves; without one, since when the deployment is there.
    pub since: Timestamp,
    /// The roll-out that brought it.
    pub rollout_id: Option<String>,
    /// Why it serves, for people.
    pub reason: String,
    /// The commit of the version.
    pub commit: Option<String>,
    /// The service as the project file shapes it.
    pub shape: Json,
    /// The project's generation that gave the shape.
    pub generation: u64,
    /// Until when the previous version stays warm.
    pub keep_previous_until: Option<Timestamp>,
}

/// Deployments.
pub trait Deployments {
    /// Creates the deployment, or replaces all of it.
    fn put_deployment(&mut self, deployment: &Deployment) -> Result<()>;
    /// One deployment.
    fn deployment(
        &mut self,
        project: &str,
        environment: &str,
        service: &str,
    ) -> Result<Option<Deployment>>;
    /// The deployments of a project (or of all), by project, environment, service.
    fn deployments(&mut self, project: Option<&str>) -> Result<Vec<Deployment>>;
    /// Removes it; false when there was none.
    fn delete_deployment(
        &mut self,
        project: &str,
        environment: &str,
        service: &str,
    ) -> Result<bool>;
}
