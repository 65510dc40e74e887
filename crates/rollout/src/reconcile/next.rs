//! Which roll-outs should begin: a pure function of the situation.
//!
//! A version that passed its gate goes to the first environment, and from each environment where it serves to the
//! next. A version is rolled out to a place once: after a roll-back, by a judge or a person, it does not come again
//! by itself. While an environment is frozen nothing begins there; when the freeze is over, the newest version does.
//! A service that was deleted and came back is a new place, though it has the name of the old one.

use super::situation::{ProjectView, Situation};
use crate::freeze;
use jiff::Timestamp;
use store::{Deployment, ModelVersion, Rollout};

/// A roll-out to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Due {
    /// Project.
    pub project: String,
    /// Environment.
    pub environment: String,
    /// Service.
    pub service: String,
    /// Model.
    pub model: String,
    /// The version that serves there.
    pub from: Option<u32>,
    /// The version to roll out.
    pub to: u32,
    /// Why.
    pub reason: String,
    /// The deployment is of this time, so the roll-out is not of an earlier one, whatever this machine's clock says.
    pub not_before: Timestamp,
}

/// The roll-outs that should begin.
pub(super) fn due(situation: &Situation, now: Timestamp) -> Vec<Due> {
    situation
        .projects
        .iter()
        .flat_map(|project| {
            project
                .deployments
                .iter()
                .filter(|d| freeze::frozen(d, now).is_none())
                .filter_map(|d| of_deployment(project, d))
        })
        .collect()
}

fn of_deployment(project: &ProjectView, deployment: &Deployment) -> Option<Due> {
    let version = project.passed.get(&deployment.model)?;
    let place = project
        .environments
        .iter()
        .position(|name| *name == deployment.environment)?;
    let busy = here(project, deployment).any(|rollout| !rollout.state.is_final());
    let tried = here(project, deployment)
        .any(|rollout| rollout.to == version.version && !is_of_namesake(rollout, deployment));
    if busy || tried || deployment.version == Some(version.version) {
        return None;
    }
    let reason = if place == 0 {
        "it passed its gate".to_owned()
    } else {
        let before = &project.environments[place - 1];
        let serves = project.deployments.iter().any(|d| {
            d.environment == *before
                && d.service == deployment.service
                && d.version == Some(version.version)
        });
        if !serves || (place + 1 == project.environments.len() && is_dirty(version)) {
            return None;
        }
        format!("it serves in {before}")
    };
    Some(Due {
        project: deployment.project.clone(),
        environment: deployment.environment.clone(),
        service: deployment.service.clone(),
        model: deployment.model.clone(),
        from: deployment.version,
        to: version.version,
        reason,
        not_before: deployment.since,
    })
}

/// Whether a roll-out belongs to an earlier service of the same name. Until a version serves, `since` is when the
/// deployment came to be; from then on its whole past counts, so that nothing comes back by itself.
fn is_of_namesake(rollout: &Rollout, deployment: &Deployment) -> bool {
    deployment.version.is_none() && rollout.created_at < deployment.since
}

fn here<'a>(
    project: &'a ProjectView,
    deployment: &'a Deployment,
) -> impl Iterator<Item = &'a Rollout> {
    project
        .rollouts
        .iter()
        .filter(|r| r.environment == deployment.environment && r.service == deployment.service)
}

/// A tree with changes that were not committed may not reach the last environment.
fn is_dirty(version: &ModelVersion) -> bool {
    version.lineage["dirty"].as_bool().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{deployment, rollout, version};
    use serde_json::json;
    use std::collections::BTreeMap;
    use store::RolloutState;

    fn check(
        staging: Option<u32>,
        prod: Option<u32>,
        newest: (u32, bool),
        past: Vec<Rollout>,
        expect: &[&str],
    ) {
        let place = |environment: &str, version| Deployment {
            environment: environment.into(),
            ..deployment(version, None)
        };
        let project = ProjectView {
            name: "flights".into(),
            environments: vec!["staging".into(), "prod".into()],
            deployments: vec![place("staging", staging), place("prod", prod)],
            rollouts: past,
            passed: BTreeMap::from([("delay".to_owned(), version(newest.0, newest.1))]),
        };
        let situation = Situation {
            projects: vec![project],
        };
        let got: Vec<String> = due(&situation, Timestamp::UNIX_EPOCH)
            .iter()
            .map(|d| format!("{} {}", d.environment, d.to))
            .collect();
        assert_eq!(got, expect);
    }

    fn past(environment: &str, to: u32, state: RolloutState) -> Rollout {
        Rollout {
            environment: environment.into(),
            state,
            ..rollout(None, to)
        }
    }

    #[test]
    fn from_gate_to_production() {
        use RolloutState::*;
        check(None, None, (1, false), vec![], &["staging 1"]);
        check(
            Some(1),
            None,
            (1, false),
            vec![past("staging", 1, Promoted)],
            &["prod 1"],
        );
        check(
            Some(1),
            Some(1),
            (1, false),
            vec![past("staging", 1, Promoted), past("prod", 1, Promoted)],
            &[],
        );
        check(
            Some(1),
            Some(1),
            (2, false),
            vec![past("staging", 1, Promoted), past("prod", 1, Promoted)],
            &["staging 2"],
        );
        check(
            Some(1),
            Some(1),
            (2, false),
            vec![past("staging", 2, Running)],
            &[],
        );
        check(
            Some(1),
            Some(1),
            (2, false),
            vec![past("staging", 2, RolledBack)],
            &[],
        );
        check(
            Some(2),
            Some(1),
            (2, false),
            vec![past("prod", 2, RolledBack), past("staging", 2, Promoted)],
            &[],
        );
        check(
            Some(2),
            Some(1),
            (2, true),
            vec![past("staging", 2, Promoted)],
            &[],
        );
        // A person went back to 1: 2 has been here and does not return by itself.
        check(
            Some(2),
            Some(1),
            (2, false),
            vec![past("staging", 2, Promoted), past("prod", 2, Promoted)],
            &[],
        );
    }

    #[test]
    fn a_freeze_is_waited_out() {
        let window = json!({ "windows": ["1970-01-01 - 1970-01-01"] });
        let project = ProjectView {
            name: "flights".into(),
            environments: vec!["prod".into()],
            deployments: vec![Deployment {
                shape: json!({ "freeze": window }),
                ..deployment(Some(1), None)
            }],
            rollouts: vec![],
            passed: BTreeMap::from([("delay".to_owned(), version(2, false))]),
        };
        let situation = Situation {
            projects: vec![project],
        };
        let day = 24 * 3600;
        let begins = |second| due(&situation, Timestamp::from_second(second).unwrap()).len();
        assert_eq!([begins(0), begins(day - 1), begins(day)], [0, 0, 1]);
    }

    /// A place without a version that came to be at second 100, and a roll-out of version 1 from before or after.
    #[test]
    fn a_service_that_came_back_begins_anew() {
        use RolloutState::*;
        let check = |serves: Option<u32>, begun: i64, state, expect: &[u32]| {
            let at = |second| Timestamp::from_second(second).unwrap();
            let project = ProjectView {
                name: "flights".into(),
                environments: vec!["prod".into()],
                deployments: vec![Deployment {
                    since: at(100),
                    ..deployment(serves, None)
                }],
                rollouts: vec![Rollout {
                    created_at: at(begun),
                    ..past("prod", 1, state)
                }],
                passed: BTreeMap::from([("delay".to_owned(), version(1, false))]),
            };
            let situation = Situation {
                projects: vec![project],
            };
            let got: Vec<u32> = due(&situation, Timestamp::UNIX_EPOCH)
                .iter()
                .map(|due| due.to)
                .collect();
            assert_eq!(got, expect, "{serves:?} {begun} {state}");
        };
        check(None, 99, Promoted, &[1]);
        check(None, 99, RolledBack, &[1]);
        check(None, 99, Aborted, &[1]);
        // What still goes on is waited for: it ends as the roll-out of the place as it is now.
        check(None, 99, Running, &[]);
        // The first version did not start: not again and again.
        check(None, 100, RolledBack, &[]);
        check(None, 130, Aborted, &[]);
        // `since` is now when 2 began to serve, and says nothing of when 1 was tried.
        check(Some(2), 99, RolledBack, &[]);
        check(Some(2), 99, Promoted, &[]);
    }
}
