//! The gateway's routing table as a pure function of deployments, roll-outs and replicas.

use super::{
    replicas::{Place, numbered},
    shadow,
    situation::{Situation, arms},
};
use gateway::{Arm, Limits, LogRules, Priority, Route, RoutingTable, Speaks};
use jiff::Timestamp;
use platform::UnitStatus;
use spec::{EngineKind, Service, Sticky};
use std::collections::BTreeMap;
use std::path::PathBuf;
use store::{Deployment, Rollout, RolloutState};

/// The share of traffic that an active roll-out's candidate takes now.
pub(super) fn share(rollout: &Rollout) -> f64 {
    if !matches!(rollout.state, RolloutState::Running | RolloutState::Paused) || rollout.stage < 0 {
        return 0.0;
    }
    let stages = rollout.policy["stages"].as_array();
    let stage = usize::try_from(rollout.stage).unwrap_or(0);
    stages
        .and_then(|stages| stages.get(stage))
        .and_then(serde_json::Value::as_f64)
        .unwrap_or(0.0)
}

/// The share that it takes in its next stage.
pub(super) fn next_share(rollout: &Rollout) -> f64 {
    let next = match rollout.state {
        RolloutState::Running | RolloutState::Paused => rollout.stage + 1,
        _ => 0,
    };
    let stages = rollout.policy["stages"].as_array();
    let next = usize::try_from(next).unwrap_or(0);
    stages
        .and_then(|stages| stages.get(next))
        .and_then(serde_json::Value::as_f64)
        .unwrap_or(1.0)
}

/// Builds the table. Replicas beyond those that are `wanted` are not in it, so that they have nothing to do when they are
/// stopped.
pub(super) fn table(
    situation: &Situation,
    units: &[UnitStatus],
    wanted: &BTreeMap<Place, u32>,
    default_environment: &str,
    generation: u64,
    now: Timestamp,
) -> RoutingTable {
    let sockets = sockets(units, wanted);
    let bare = bare_names(situation, default_environment);
    let routes = situation
        .deployments()
        .filter_map(|deployment| {
            let rollout = situation.rollout_of(deployment);
            let arms = arms(deployment, rollout, rollout.map_or(0.0, share), now);
            let root = deployment.environment == default_environment
                && bare.get(&deployment.service) == Some(&1);
            (!arms.is_empty()).then(|| route(deployment, rollout, &arms, &sockets, root))
        })
        .collect();
    RoutingTable { generation, routes }
}

/// How many projects have a service of this name in the default environment: only one may have the bare name.
fn bare_names(situation: &Situation, default_environment: &str) -> BTreeMap<String, u32> {
    let mut names = BTreeMap::new();
    for deployment in situation
        .deployments()
        .filter(|d| d.environment == default_environment)
    {
        *names.entry(deployment.service.clone()).or_default() += 1;
    }
    names
}

fn route(
    deployment: &Deployment,
    rollout: Option<&Rollout>,
    arms: &[(u32, f64)],
    sockets: &BTreeMap<Place, Vec<PathBuf>>,
    root: bool,
) -> Route {
    let service = service_of(deployment);
    let sticky = service
        .as_ref()
        .and_then(|service| match &service.rollout.sticky {
            Sticky::EachRequest => None,
            other => Some(other.to_string()),
        });
    let speaks = match service.as_ref().map(|service| service.engine) {
        Some(EngineKind::Command) => Speaks::Http,
        Some(EngineKind::Onnx | EngineKind::Pyfunc) | None => Speaks::Frames,
    };
    let limits = service.as_ref().map(limits).unwrap_or_default();
    let log = service
        .as_ref()
        .map_or_else(LogRules::default, |service| log_rules(&service.log));
    let labels = service.and_then(|service| service.monitor.labels);
    Route {
        project: deployment.project.clone(),
        environment: deployment.environment.clone(),
        service: deployment.service.clone(),
        root,
        sticky,
        join: labels.as_ref().map(|labels| labels.join.clone()),
        time: labels.and_then(|labels| labels.time),
        salt: rollout
            .map(|rollout| rollout.id.clone())
            .unwrap_or_default(),
        arms: arms
            .iter()
            .map(|(version, weight)| Arm {
                version: *version,
                model: deployment.model.clone(),
                weight: *weight,
                replicas: sockets
                    .get(&place(deployment, *version))
                    .cloned()
                    .unwrap_or_default(),
            })
            .collect(),
        limits,
        speaks,
        log,
        mirror: rollout.and_then(shadow::mirror),
    }
}

fn log_rules(log: &spec::Log) -> LogRules {
    LogRules {
        sample: log.sample.fraction(),
        redact: log.redact.clone(),
        keep_seconds: log.keep.map(|keep| keep.get().as_secs()),
        bodies: log.bodies,
    }
}

/// How many requests a service's replicas take, and how others wait.
fn limits(service: &Service) -> Limits {
    let (scale, queue) = (&service.scale, service.queue);
    // A service that may be without a replica says how many requests wait for one, and how long.
    let held = (scale.min == 0).then(|| (scale.held(), scale.held_for().get()));
    Limits {
        max_per_replica: scale.concurrency.map(|most| most as usize),
        max_waiting: queue.map(|queue| queue.length as usize),
        queue_ms: queue.map(|queue| queue.wait.as_millis()),
        priority: queue.map(|queue| match queue.priority {
            spec::Priority::High => Priority::High,
            spec::Priority::Normal => Priority::Normal,
            spec::Priority::Low => Priority::Low,
        }),
        max_held: held.map(|(most, _)| most as usize),
        hold_ms: held.and_then(|(_, wait)| u64::try_from(wait.as_millis()).ok()),
        ..Limits::default()
    }
}

/// The service as the file shapes it; `None` for a shape of another version.
pub(super) fn service_of(deployment: &Deployment) -> Option<Service> {
    serde_json::from_value(deployment.shape.clone()).ok()
}

/// The place of a deployment's version.
pub(super) fn place(deployment: &Deployment, version: u32) -> Place {
    Place {
        project: deployment.project.clone(),
        environment: deployment.environment.clone(),
        service: deployment.service.clone(),
        version,
    }
}

fn sockets(units: &[UnitStatus], wanted: &BTreeMap<Place, u32>) -> BTreeMap<Place, Vec<PathBuf>> {
    let mut sockets: BTreeMap<Place, Vec<PathBuf>> = BTreeMap::new();
    for unit in units.iter().filter(|unit| !unit.state.is_over()) {
        if let (Some((place, number)), Some(endpoint)) = (numbered(unit), &unit.endpoint)
            && wanted.get(&place).is_none_or(|count| number < *count)
        {
            sockets.entry(place).or_default().push(endpoint.clone());
        }
    }
    sockets
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{fixtures::deployment, reconcile::situation::ProjectView};
    use platform::State;
    use serde_json::json;

    fn unit(number: u32) -> UnitStatus {
        let (number, text) = (number.to_string(), str::to_owned);
        let labels = [
            ("kind", text("replica")),
            ("project", text("flights")),
            ("environment", text("prod")),
            ("service", text("delay")),
            ("version", text("1")),
            ("replica", number.clone()),
            ("restart", text("0")),
        ];
        UnitStatus {
            id: number.clone(),
            project: "flights".into(),
            labels: labels
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            endpoint: Some(number.into()),
            state: State::Running {
                pid: 1,
                since: Timestamp::UNIX_EPOCH,
            },
        }
    }

    /// The route of a service of this scale with three replicas that run, of which so many are wanted.
    fn route(scale: &serde_json::Value, wanted: Option<u32>) -> Route {
        let deployment = Deployment {
            shape: json!({ "model": "delay", "scale": scale }),
            ..deployment(Some(1), None)
        };
        let wanted = wanted.map(|count| (place(&deployment, 1), count));
        let situation = Situation {
            projects: vec![ProjectView {
                name: "flights".into(),
                environments: vec!["prod".into()],
                deployments: vec![deployment],
                rollouts: Vec::new(),
                passed: BTreeMap::new(),
            }],
        };
        let (units, wanted) = ([0, 1, 2].map(unit), wanted.into_iter().collect());
        let table = table(
            &situation,
            &units,
            &wanted,
            "prod",
            1,
            Timestamp::UNIX_EPOCH,
        );
        table.routes.into_iter().next().unwrap()
    }

    #[test]
    fn what_is_not_wanted_has_nothing_to_do() {
        let fixed = json!({ "min": 3 });
        for (wanted, expect) in [
            (Some(3), vec!["0", "1", "2"]),
            (Some(1), vec!["0"]),
            (Some(0), vec![]),
            (None, vec!["0", "1", "2"]),
        ] {
            let expect: Vec<PathBuf> = expect.into_iter().map(PathBuf::from).collect();
            assert_eq!(route(&fixed, wanted).arms[0].replicas, expect);
        }
    }

    #[test]
    fn only_where_there_may_be_no_replica_the_file_says_how_many_wait() {
        let limits = |scale| route(&scale, None).limits;
        assert_eq!(limits(json!({ "min": 1, "max": 4 })), Limits::default());
        let said = |max_held, hold_ms| Limits {
            max_held: Some(max_held),
            hold_ms: Some(hold_ms),
            ..Limits::default()
        };
        assert_eq!(limits(json!({ "min": 0 })), said(100, 30_000));
        let scale = json!({ "min": 0, "hold": 7, "wait": "2s" });
        assert_eq!(limits(scale), said(7, 2_000));
    }
}
