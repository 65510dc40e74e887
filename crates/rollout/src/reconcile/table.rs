//! The gateway's routing table as a pure function of deployments, roll-outs and replicas.

use super::{
    replicas::{Place, place_of},
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

/// Builds the table.
pub(super) fn table(
    situation: &Situation,
    units: &[UnitStatus],
    default_environment: &str,
    generation: u64,
    now: Timestamp,
) -> RoutingTable {
    let sockets = sockets(units);
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
    let queue = service.queue;
    Limits {
        max_per_replica: service.scale.concurrency.map(|most| most as usize),
        max_waiting: queue.map(|queue| queue.length as usize),
        queue_ms: queue.map(|queue| queue.wait.as_millis()),
        priority: queue.map(|queue| match queue.priority {
            spec::Priority::High => Priority::High,
            spec::Priority::Normal => Priority::Normal,
            spec::Priority::Low => Priority::Low,
        }),
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

fn sockets(units: &[UnitStatus]) -> BTreeMap<Place, Vec<PathBuf>> {
    let mut sockets: BTreeMap<Place, Vec<PathBuf>> = BTreeMap::new();
    for unit in units.iter().filter(|unit| !unit.state.is_over()) {
        if let (Some(place), Some(endpoint)) = (place_of(unit), &unit.endpoint) {
            sockets.entry(place).or_default().push(endpoint.clone());
        }
    }
    sockets
}
