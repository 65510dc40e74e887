//! What the reconciler reads before it decides anything: one consistent look at the store.

use jiff::Timestamp;
use serde::Deserialize as _;
use spec::plan::{ResourceKey, ResourceKind};
use std::collections::BTreeMap;
use store::{
    Deployment, Deployments as _, GateState, ModelVersion, Models as _, Projects as _, Result,
    Rollout, RolloutFilter, Rollouts as _, Tx,
};

/// A project's part of the situation.
#[derive(Clone, Debug)]
pub(super) struct ProjectView {
    /// Its name.
    pub name: String,
    /// Environments in the order of promotion.
    pub environments: Vec<String>,
    /// What serves.
    pub deployments: Vec<Deployment>,
    /// Roll-outs, newest first, those that are over included.
    pub rollouts: Vec<Rollout>,
    /// The newest version of each model that passed its gate.
    pub passed: BTreeMap<String, ModelVersion>,
}

/// All projects at one instant.
#[derive(Clone, Debug, Default)]
pub(super) struct Situation {
    /// By name.
    pub projects: Vec<ProjectView>,
}

/// Roll-outs looked back upon; a version is not rolled out again while it is among them.
const HISTORY: u32 = 1000;

impl Situation {
    /// Reads it in one transaction.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(super) fn read(tx: &mut Tx<'_>) -> Result<Self> {
        let mut projects = Vec::new();
        for project in tx.projects()? {
            let deployments = tx.deployments(Some(&project.name))?;
            // Looked at after every commit: without services, the file is not worth reading.
            let environments = if deployments.is_empty() {
                Vec::new()
            } else {
                environments(tx, &project.name)?
            };
            let filter = RolloutFilter {
                project: Some(project.name.clone()),
                limit: HISTORY,
                ..RolloutFilter::default()
            };
            let rollouts = tx.rollouts(&filter)?;
            let mut passed = BTreeMap::new();
            for deployment in &deployments {
                if !passed.contains_key(&deployment.model) {
                    let versions = tx.versions(&project.name, &deployment.model)?;
                    if let Some(newest) = versions
                        .into_iter()
                        .find(|v| v.gate_state == GateState::Passed && v.artifact.is_some())
                    {
                        passed.insert(deployment.model.clone(), newest);
                    }
                }
            }
            projects.push(ProjectView {
                name: project.name,
                environments,
                deployments,
                rollouts,
                passed,
            });
        }
        Ok(Situation { projects })
    }

    /// Roll-outs that are not over.
    pub(super) fn active(&self) -> impl Iterator<Item = &Rollout> {
        self.projects
            .iter()
            .flat_map(|project| &project.rollouts)
            .filter(|rollout| !rollout.state.is_final())
    }

    /// Every deployment.
    pub(super) fn deployments(&self) -> impl Iterator<Item = &Deployment> {
        self.projects
            .iter()
            .flat_map(|project| &project.deployments)
    }

    /// The active roll-out of a deployment.
    pub(super) fn rollout_of(&self, deployment: &Deployment) -> Option<&Rollout> {
        self.active().find(|r| {
            r.project == deployment.project
                && r.environment == deployment.environment
                && r.service == deployment.service
        })
    }
}

/// The environments of the file that was applied last.
fn environments(tx: &mut Tx<'_>, project: &str) -> Result<Vec<String>> {
    let key = ResourceKey::new(ResourceKind::Project, project).to_string();
    Ok(tx.applied(project)?.map_or_else(Vec::new, |applied| {
        Vec::<String>::deserialize(&applied.resources[key.as_str()]["environments"])
            .unwrap_or_default()
    }))
}

/// The versions a deployment needs replicas of, with their shares of traffic: the candidate last, as the gateway
/// wants it.
pub(super) fn arms(
    deployment: &Deployment,
    rollout: Option<&Rollout>,
    share: f64,
    now: Timestamp,
) -> Vec<(u32, f64)> {
    let mut arms: Vec<(u32, f64)> = Vec::new();
    let mut add = |version: Option<u32>, weight: f64| {
        if let Some(version) = version
            && !arms.iter().any(|(known, _)| *known == version)
        {
            arms.push((version, weight));
        }
    };
    let candidate = rollout
        .map(|rollout| rollout.to)
        .filter(|to| Some(*to) != deployment.version);
    // With nothing that serves yet, there is no traffic to share.
    let share = if candidate.is_some() && deployment.version.is_some() {
        share
    } else {
        0.0
    };
    add(deployment.version, 1.0 - share);
    if deployment
        .keep_previous_until
        .is_some_and(|until| until > now)
        && deployment.previous != candidate
    {
        add(deployment.previous, 0.0);
    }
    add(candidate, share);
    if deployment.version.is_none()
        && let [only] = arms.as_mut_slice()
    {
        only.1 = 1.0;
    }
    arms
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{deployment, rollout};

    #[test]
    fn who_takes_which_share() {
        let check = |deployment: Deployment,
                     rollout: Option<Rollout>,
                     second: i64,
                     expect: &[(u32, f64)]| {
            let now = Timestamp::from_second(second).unwrap();
            assert_eq!(arms(&deployment, rollout.as_ref(), 0.05, now), expect);
        };
        check(deployment(None, None), None, 0, &[]);
        check(
            deployment(None, None),
            Some(rollout(None, 1)),
            0,
            &[(1, 1.0)],
        );
        check(deployment(Some(1), None), None, 0, &[(1, 1.0)]);
        check(deployment(Some(2), Some(1)), None, 0, &[(2, 1.0), (1, 0.0)]);
        check(deployment(Some(2), Some(1)), None, 100, &[(2, 1.0)]);
        check(
            deployment(Some(2), Some(1)),
            Some(rollout(Some(2), 3)),
            0,
            &[(2, 0.95), (1, 0.0), (3, 0.05)],
        );
        check(
            deployment(Some(2), Some(1)),
            Some(rollout(Some(2), 1)),
            0,
            &[(2, 0.95), (1, 0.05)],
        );
    }
}
