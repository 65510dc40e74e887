//! Taking active roll-outs on: rules are fixed, replicas awaited, the first stage begun. Judging is [`super::look`]'s.

use super::{
    Fault, Reconciler, fit,
    look::Stored,
    policy::{self, History},
    shadow,
    situation::Situation,
    table,
};
use crate::{
    freeze,
    judge::{Evidence, Policy},
    traffic::Traffic,
};
use gateway::{Evidence as Counted, Health, VersionEvidence};
use jiff::{SignedDuration, Timestamp};
use platform::{Admit, Capacity, Claim};
use serde_json::json;
use spec::{LiveMetric, Measure, Service};
use std::time::Duration;
use store::{
    Deployment, JoinLog as _, LossFilter, Models as _, Rollout, RolloutKind, RolloutState,
};

/// How long a version's replicas may take until they answer.
const START_PATIENCE: Duration = Duration::from_secs(60);
/// Where a roll-out keeps what it said before it waited.
const WAITED: &str = "waited";
/// Losses read at a time, and kept of the champion's history.
pub(super) const LOSSES: u32 = 20_000;

impl<T: Traffic> Reconciler<T> {
    /// Takes every active roll-out as far as it goes now.
    pub(super) async fn drive(
        &self,
        situation: &Situation,
        health: Option<&Health>,
        counted: Option<&Counted>,
        now: Timestamp,
    ) -> Result<(), Fault> {
        for rollout in situation.active() {
            let Some(deployment) = situation.deployments().find(|d| same_place(d, rollout)) else {
                let gone = rollout.clone();
                self.end(
                    gone,
                    RolloutState::Aborted,
                    "the service is gone".to_owned(),
                    now,
                )
                .await?;
                continue;
            };
            let last = situation
                .projects
                .iter()
                .find(|p| p.name == rollout.project)
                .and_then(|p| p.environments.last());
            let last = last == Some(&rollout.environment);
            match rollout.state {
                RolloutState::Pending => self.fix(rollout, deployment, counted, now).await?,
                RolloutState::Starting => {
                    if let (Some(health), Some(counted)) = (health, counted) {
                        self.ready(rollout, deployment, (health, counted), last, now)
                            .await?;
                    }
                }
                RolloutState::Running if rollout.stage < 0 => {
                    self.shadow(rollout, deployment, counted, last, now).await?;
                }
                RolloutState::Running => self.look(rollout, deployment, counted, last, now).await?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Fixes the rules from what is known of the version that serves, and lets replicas start.
    async fn fix(
        &self,
        rollout: &Rollout,
        deployment: &Deployment,
        counted: Option<&Counted>,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let service = table::service_of(deployment);
        let Some(service) = service else {
            return self
                .end(
                    rollout.clone(),
                    RolloutState::Aborted,
                    "the service's shape is of another version: apply the file again".to_owned(),
                    now,
                )
                .await;
        };
        if let Some(what) = too_large(&service, &self.parts.platform.capacity()) {
            let reason = format!("version {} cannot run here: {what}", rollout.to);
            return self
                .end(rollout.clone(), RolloutState::Aborted, reason, now)
                .await;
        }
        if let Some(reason) = self.unfit(rollout, deployment).await? {
            return self
                .end(rollout.clone(), RolloutState::Aborted, reason, now)
                .await;
        }
        let history = self.history(deployment, &service, counted).await?;
        let at_once = rollout.kind == RolloutKind::ManualRollback
            || rollout.policy["at_once"].as_bool().unwrap_or(false);
        let fixed = policy::fix(&service.rollout, &history, at_once);
        let mut next = rollout.clone();
        next.from = deployment.version;
        next.policy = serde_json::to_value(&fixed.policy)?;
        let shadow = service.rollout.shadow.filter(|_| !at_once);
        next.baseline = json!({
            "left_out": fixed.left_out,
            "fixed_at": now,
            shadow::SHARE: shadow.map(spec::Percent::fraction),
        });
        freeze::carry(rollout, &mut next);
        next.state = RolloutState::Starting;
        next.stage_started_at = Some(now);
        self.step(next, RolloutState::Pending, now).await
    }

    /// Why the requests of today do not fit the new version, unless a person wants it all the same.
    async fn unfit(
        &self,
        rollout: &Rollout,
        deployment: &Deployment,
    ) -> Result<Option<String>, Fault> {
        let (RolloutKind::Automatic, Some(old)) = (rollout.kind, deployment.version) else {
            return Ok(None);
        };
        let (project, model, new) = (rollout.project.clone(), rollout.model.clone(), rollout.to);
        let read = self.parts.store.read(move |tx| {
            let mut signature = |version| tx.version(&project, &model, version);
            Ok((signature(old)?, signature(new)?))
        });
        let (Some(old), Some(new)) = read.await? else {
            return Ok(None);
        };
        Ok(
            fit::difference(&old.signature, &new.signature).map(|difference| {
                format!(
                    "{difference}: if those who call it know, `mainspan promote {} --version {} --reason …` rolls it out",
                    rollout.service, rollout.to
                )
            }),
        )
    }

    async fn history(
        &self,
        deployment: &Deployment,
        service: &Service,
        counted: Option<&Counted>,
    ) -> Result<History, Fault> {
        let Some(version) = deployment.version else {
            return Ok(History::default());
        };
        let mut history = History {
            past: self.past.of(deployment),
            ..History::default()
        };
        if let Some(evidence) = counted.and_then(|counted| of_version(counted, deployment, version))
        {
            history.latency = evidence.latency.clone();
        }
        if let Some(metric) = live_metric(service) {
            let route = route_key(deployment);
            let read = self.parts.store.read(move |tx| {
                let mut all = Vec::new();
                let mut after = 0;
                loop {
                    let filter = LossFilter {
                        version: Some(version),
                        after,
                        limit: LOSSES,
                        ..LossFilter::default()
                    };
                    let page = tx.losses(&route, &filter)?;
                    let Some(last) = page.last() else {
                        return Ok(all);
                    };
                    after = last.seq;
                    all.extend(page);
                    let surplus = all.len().saturating_sub(LOSSES as usize);
                    all.drain(..surplus);
                }
            });
            history.losses = read
                .await?
                .iter()
                .map(|loss| metric.loss(loss.prediction, loss.label))
                .collect();
        }
        Ok(history)
    }

    /// Waits for replicas; then the first stage begins, or the version serves at once.
    async fn ready(
        &self,
        rollout: &Rollout,
        deployment: &Deployment,
        (health, counted): (&Health, &Counted),
        last: bool,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let least = table::service_of(deployment).map_or(1, |service| service.scale.min.max(1));
        let place = table::place(deployment, rollout.to);
        let units = self.parts.platform.list().await?;
        let waited = self.steady.since_first(&rollout.id);
        // More than the least is waited for neither for ever nor where there is no room for it.
        let wanted = match self.scaling.count(&place) {
            Some(wanted) if waited < START_PATIENCE && self.lacks(&place).is_none() => {
                wanted.max(least)
            }
            _ => least,
        };
        let mine: Vec<_> = units
            .iter()
            .filter(|unit| super::replicas::place_of(unit).as_ref() == Some(&place))
            .collect();
        let connected = mine.iter().filter(|unit| {
            health.replicas.iter().any(|replica| {
                Some(&replica.path) == unit.endpoint.as_ref()
                    && replica.connections >= health.threads
            })
        });
        if connected.count() >= wanted as usize {
            let held = freeze::holds(deployment, rollout, now);
            if self.waits(rollout, held, now).await? {
                return Ok(());
            }
            return self.begin(rollout, deployment, counted, last, now).await;
        }
        let lacks = self.lacks(&place);
        let lacks = lacks.map(|what| format!("waits for room: {what}"));
        if self.waits(rollout, lacks, now).await? {
            return Ok(());
        }
        let died = mine.iter().filter(|unit| matches!(&unit.state, platform::State::Exited(exit) if exit.reason != platform::Reason::Stopped)).count();
        if waited < START_PATIENCE && died < 2 {
            return Ok(());
        }
        let why = self.last_words(&mine).await;
        let reason = format!("version {} does not start: {why}", rollout.to);
        self.end(rollout.clone(), RolloutState::RolledBack, reason, now)
            .await
    }

    /// Whether a roll-out waits for what is no fault of its version, which it then says.
    async fn waits(
        &self,
        rollout: &Rollout,
        why: Option<String>,
        now: Timestamp,
    ) -> Result<bool, Fault> {
        let waits = why.is_some();
        let mut next = rollout.clone();
        let said = next.baseline[WAITED].as_str().map(str::to_owned);
        match (why, said) {
            (Some(why), said) => {
                self.steady.begin_anew(&rollout.id);
                next.baseline[WAITED] = said.unwrap_or_else(|| rollout.reason.clone()).into();
                next.reason = why;
            }
            (None, Some(said)) => {
                next.baseline[WAITED] = serde_json::Value::Null;
                next.reason = said;
            }
            (None, None) => {}
        }
        let changes = next.reason != rollout.reason;
        if changes {
            self.step(next, RolloutState::Starting, now).await?;
        }
        // What begins has the words that it had before it waited: they are read in the next pass.
        Ok(waits || changes)
    }

    /// The end of the newest failed replica's output, which says more than we could.
    async fn last_words(&self, units: &[&platform::UnitStatus]) -> String {
        let Some(failed) = units.iter().rev().find(|unit| unit.state.is_over()) else {
            return format!(
                "its replicas do not answer after {} s",
                START_PATIENCE.as_secs()
            );
        };
        let log = self
            .parts
            .platform
            .logs(&failed.id, 0)
            .await
            .map(|chunk| String::from_utf8_lossy(&chunk.bytes).into_owned())
            .unwrap_or_default();
        let line = log
            .lines()
            .rev()
            .find(|line| !line.trim().is_empty())
            .unwrap_or("its replica exited and said nothing");
        line.chars().take(500).collect()
    }

    async fn begin(
        &self,
        rollout: &Rollout,
        deployment: &Deployment,
        counted: &Counted,
        last: bool,
        now: Timestamp,
    ) -> Result<(), Fault> {
        match rollout.baseline[shadow::SHARE].as_f64() {
            Some(share) if deployment.version.is_some() => {
                self.begin_shadow(rollout, share, now).await
            }
            _ => {
                self.begin_stages(rollout, deployment, counted, last, now)
                    .await
            }
        }
    }

    /// Begins the first stage, or lets the version serve where there are none.
    pub(super) async fn begin_stages(
        &self,
        rollout: &Rollout,
        deployment: &Deployment,
        counted: &Counted,
        last: bool,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let policy: Policy = serde_json::from_value(rollout.policy.clone())?;
        if policy.stages.is_empty() || deployment.version.is_none() {
            let reason = match (deployment.version, rollout.kind) {
                (None, RolloutKind::Automatic) => "the first version".to_owned(),
                (_, RolloutKind::Automatic) => "all at once, as the file says".to_owned(),
                _ => rollout.reason.clone(),
            };
            // Nobody judges it: it is the decision of whoever began it.
            let by = rollout.by.clone();
            return self.promote(rollout.clone(), by, reason, last, now).await;
        }
        let mut next = rollout.clone();
        next.state = RolloutState::Running;
        next.stage = 0;
        next.stage_started_at = Some(now);
        next.reason = format!(
            "stage 1 of {}: {} of traffic",
            policy.stages.len(),
            percent(policy.stages[0])
        );
        let mut stored = Stored {
            judged: Evidence::begin(&policy, now),
            cursor: self.newest_loss(deployment, now).await?,
            last: None,
            epoch: Some(counted.epoch),
        };
        // The base line: read before any traffic reaches the candidate, so that none of it is missed.
        let base = self
            .gather(&next, deployment, &policy, &mut stored, counted, now)
            .await?;
        stored.judged.look(&policy, &base);
        next.evidence = serde_json::to_value(&stored)?;
        self.step(next, rollout.state, now).await
    }

    /// Where the labels of this roll-out's own requests begin.
    async fn newest_loss(&self, deployment: &Deployment, now: Timestamp) -> Result<u64, Fault> {
        let route = route_key(deployment);
        let since = now
            .checked_sub(SignedDuration::from_secs(60))
            .unwrap_or(now);
        let recent = self.parts.store.read(move |tx| {
            let filter = LossFilter {
                predicted_since: Some(since),
                limit: LOSSES,
                ..LossFilter::default()
            };
            tx.losses(&route, &filter)
        });
        Ok(recent.await?.last().map_or(0, |loss| loss.seq))
    }
}

/// What is larger than this machine, if a replica of the service can never run on it.
fn too_large(service: &Service, capacity: &Capacity) -> Option<String> {
    let empty = Capacity {
        used: Claim::default(),
        ..capacity.clone()
    };
    let claim = Claim {
        cpu: 0.0,
        memory: service.resources.memory.bytes(),
        gpus: service.resources.gpu,
    };
    match platform::capacity::admit(&empty, &claim) {
        Admit::Never(what) => Some(what),
        _ => None,
    }
}

fn same_place(deployment: &Deployment, rollout: &Rollout) -> bool {
    deployment.project == rollout.project
        && deployment.environment == rollout.environment
        && deployment.service == rollout.service
}

pub(super) fn route_key(deployment: &Deployment) -> String {
    format!(
        "{}/{}/{}",
        deployment.project, deployment.environment, deployment.service
    )
}

pub(super) fn of_version<'a>(
    counted: &'a Counted,
    deployment: &Deployment,
    version: u32,
) -> Option<&'a VersionEvidence> {
    let route = counted.routes.iter().find(|route| {
        route.project == deployment.project
            && route.environment == deployment.environment
            && route.service == deployment.service
    })?;
    route
        .versions
        .iter()
        .find(|evidence| evidence.version == version)
}

fn live_metric(service: &Service) -> Option<LiveMetric> {
    service
        .rollout
        .judge
        .iter()
        .find_map(|measure| match measure {
            Measure::Live(metric) => Some(*metric),
            _ => None,
        })
}

pub(super) fn percent(share: f64) -> String {
    format!("{}%", (share * 1e4).round() / 1e2)
}
