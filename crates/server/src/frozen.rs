//! Which environments are frozen now: told with the plan, and shown by `status`.
//!
//! Pure; the present is passed in.

use jiff::Timestamp;
use rollout::freeze;
use serde::Serialize;
use spec::ProjectFile;
use store::Deployment;

/// A service to which nothing is deployed for a while.
#[derive(Debug, Serialize)]
pub(crate) struct FrozenService {
    environment: String,
    service: String,
    /// When something may be deployed again.
    until: Timestamp,
    /// The window that holds, in the project's time zone.
    window: String,
}

/// Those of a project's deployments that are frozen.
pub(crate) fn services(deployments: &[Deployment], now: Timestamp) -> Vec<FrozenService> {
    let frozen = |deployment: &Deployment| {
        let frozen = freeze::frozen(deployment, now)?;
        Some(FrozenService {
            environment: deployment.environment.clone(),
            service: deployment.service.clone(),
            until: frozen.until,
            window: frozen.window.to_string(),
        })
    };
    deployments.iter().filter_map(frozen).collect()
}

/// One sentence for each environment of a file that is frozen.
pub(crate) fn notes(file: &ProjectFile, now: Timestamp) -> Vec<String> {
    let note = |environment: &String| {
        let frozen = file.freeze(environment)?.at(now)?;
        let words = freeze::words(&frozen);
        Some(format!(
            "{environment} is {words}: new versions wait, roll-backs do not"
        ))
    };
    file.environments.iter().filter_map(note).collect()
}
