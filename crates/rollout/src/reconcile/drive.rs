//! Taking active roll-outs on: start, look, judge, next stage, end. The decision is [`crate::judge::judge`]'s; this
//! gathers its evidence and writes what it said.

use super::{
    Fault, Reconciler,
    policy::{self, History},
    situation::Situation,
    table,
};
use crate::{
    judge::{Counters, Decision, Evidence, Judge, Look, Loss, Policy, Side, judge},
    record,
    traffic::Traffic,
};
use gateway::{Evidence as Counted, Health, VersionEvidence};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use spec::{LiveMetric, Measure, Service};
use store::{
    Deployment, JoinLog as _, LossFilter, Priority, Rollout, RolloutKind, RolloutState,
    Rollouts as _, Verdict,
};

/// The roll-out's evidence as it is stored: what the judge keeps, and how far labels were read.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Stored {
    judged: Evidence,
    /// The last loss that was counted.
    cursor: u64,
    /// The last verdict's decision, so that only changes are recorded.
    last: Option<Decision>,
}

/// How long a version's replicas may take until they answer.
const START_PATIENCE: SignedDuration = SignedDuration::from_secs(60);
/// Losses read at a time, and kept of the champion's history.
const LOSSES: u32 = 20_000;

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
                    false,
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
                    self.ready(rollout, deployment, health, last, now).await?
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
                    false,
                    now,
                )
                .await;
        };
        let history = self.history(deployment, &service, counted).await?;
        let at_once = rollout.kind == RolloutKind::ManualRollback
            || rollout.policy["at_once"].as_bool().unwrap_or(false);
        let fixed = policy::fix(&service.rollout, &history, at_once);
        let mut next = rollout.clone();
        next.from = deployment.version;
        next.policy = serde_json::to_value(&fixed.policy)?;
        next.baseline = json!({ "left_out": fixed.left_out, "fixed_at": now });
        next.state = RolloutState::Starting;
        next.stage_started_at = Some(now);
        self.step(next, RolloutState::Pending, now).await
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
        let mut history = History::default();
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
        health: Option<&Health>,
        last: bool,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let Some(health) = health else { return Ok(()) };
        let wanted = table::service_of(deployment).map_or(1, |service| service.scale.min.max(1));
        let place = table::place(deployment, rollout.to);
        let units = self.parts.platform.list().await?;
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
            return self.begin(rollout, deployment, last, now).await;
        }
        let waited = rollout
            .stage_started_at
            .map_or(SignedDuration::ZERO, |since| now.duration_since(since));
        let died = mine.iter().filter(|unit| matches!(&unit.state, platform::State::Exited(exit) if exit.reason != platform::Reason::Stopped)).count();
        if waited < START_PATIENCE && died < 2 {
            return Ok(());
        }
        let why = self.last_words(&mine).await;
        let reason = format!("version {} does not start: {why}", rollout.to);
        self.end(
            rollout.clone(),
            RolloutState::RolledBack,
            reason,
            false,
            now,
        )
        .await
    }

    /// The end of the newest failed replica's output, which says more than we could.
    async fn last_words(&self, units: &[&platform::UnitStatus]) -> String {
        let Some(failed) = units.iter().rev().find(|unit| unit.state.is_over()) else {
            return "its replicas do not answer; look at `mainspan logs --replicas`".to_owned();
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
        last: bool,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let policy: Policy = serde_json::from_value(rollout.policy.clone())?;
        if policy.stages.is_empty() || deployment.version.is_none() {
            let reason = match (deployment.version, rollout.kind) {
                (None, _) => "the first version".to_owned(),
                (_, RolloutKind::Automatic) => "all at once, as the file says".to_owned(),
                _ => rollout.reason.clone(),
            };
            return self.promote(rollout.clone(), reason, last, now).await;
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
        let stored = Stored {
            judged: Evidence::begin(&policy, now),
            cursor: self.newest_loss(deployment, now).await?,
            last: None,
        };
        next.evidence = serde_json::to_value(&stored)?;
        self.step(next, RolloutState::Starting, now).await
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

    /// One look, one verdict.
    async fn look(
        &self,
        rollout: &Rollout,
        deployment: &Deployment,
        counted: Option<&Counted>,
        last: bool,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let Some(counted) = counted else {
            return Ok(());
        };
        let policy: Policy = serde_json::from_value(rollout.policy.clone())?;
        let mut stored: Stored = serde_json::from_value(rollout.evidence.clone())?;
        let look = self
            .gather(rollout, deployment, &policy, &mut stored, counted, now)
            .await?;
        stored.judged.look(&policy, &look);
        let verdict = judge(&stored.judged, &policy, now);
        let changed = stored.last != Some(verdict.decision)
            || matches!(verdict.decision, Decision::Promote | Decision::RollBack);
        stored.last = Some(verdict.decision);
        let said: Vec<String> = verdict.reasons.iter().map(ToString::to_string).collect();
        let reason = said.first().cloned().unwrap_or_default();
        let row = changed.then(|| Verdict {
            rollout_id: rollout.id.clone(),
            seq: 0,
            at: now,
            stage: rollout.stage,
            decision: serde_json::to_value(verdict.decision).ok().and_then(|d| d.as_str().map(str::to_owned)).unwrap_or_default(),
            reasons: json!({ "text": said, "reasons": verdict.reasons }),
            evidence: json!({ "total": stored.judged.total, "in_stage": stored.judged.in_stage, "peaks": stored.judged.peaks, "entered": stored.judged.entered }),
        });
        let mut next = rollout.clone();
        match verdict.decision {
            Decision::RollBack => {
                next.evidence = serde_json::to_value(&stored)?;
                self.keep(next.clone(), row).await?;
                self.end(next, RolloutState::RolledBack, reason, false, now)
                    .await
            }
            Decision::Promote if stored.judged.stage + 1 < policy.stages.len() => {
                let stage = stored.judged.stage + 1;
                stored.judged.enter(&policy, stage, now);
                stored.last = None;
                next.stage += 1;
                next.stage_started_at = Some(now);
                next.reason = format!(
                    "stage {} of {}: {} of traffic; {reason}",
                    stage + 1,
                    policy.stages.len(),
                    percent(policy.stages[stage])
                );
                next.evidence = serde_json::to_value(&stored)?;
                self.keep(next.clone(), row).await?;
                self.step(next, RolloutState::Running, now).await
            }
            Decision::Promote => {
                next.evidence = serde_json::to_value(&stored)?;
                self.keep(next.clone(), row).await?;
                self.promote(next, reason, last, now).await
            }
            Decision::Continue | Decision::Hold => {
                next.evidence = serde_json::to_value(&stored)?;
                if verdict.decision == Decision::Hold {
                    next.reason = format!("held: {reason}");
                }
                self.keep(next, row).await
            }
        }
    }

    async fn gather(
        &self,
        rollout: &Rollout,
        deployment: &Deployment,
        policy: &Policy,
        stored: &mut Stored,
        counted: &Counted,
        now: Timestamp,
    ) -> Result<Look, Fault> {
        let counters = |version| {
            of_version(counted, deployment, version)
                .map(|evidence| counters(evidence, policy))
                .unwrap_or_default()
        };
        let (from, to) = (rollout.from, rollout.to);
        let metrics: Vec<LiveMetric> = policy.judges.iter().filter_map(metric_of).collect();
        let mut losses = vec![Vec::new(); metrics.len()];
        let mut pending = 0;
        if !metrics.is_empty() {
            let (route, after, since) = (
                route_key(deployment),
                stored.cursor,
                stored.judged.entered.first().map(|(_, at)| *at),
            );
            let read = self.parts.store.read(move |tx| {
                let filter = LossFilter {
                    after,
                    predicted_since: since,
                    limit: LOSSES,
                    ..LossFilter::default()
                };
                Ok((tx.losses(&route, &filter)?, tx.join_counts(&route)?))
            });
            let (fresh, counts) = read.await?;
            pending = counts.waiting_predictions;
            for loss in fresh {
                stored.cursor = loss.seq;
                let side = match loss.version {
                    version if version == to => Side::Candidate,
                    version if Some(version) == from => Side::Champion,
                    _ => continue,
                };
                for (metric, losses) in metrics.iter().zip(&mut losses) {
                    losses.push(Loss {
                        side,
                        answered_at: loss.predicted_at,
                        loss: metric.loss(loss.prediction, loss.label),
                    });
                }
            }
        }
        Ok(Look {
            at: now,
            champion: from.map(counters),
            candidate: counters(to),
            losses,
            pending,
        })
    }

    async fn keep(&self, rollout: Rollout, verdict: Option<Verdict>) -> Result<(), Fault> {
        // Looks come several times a second; only what somebody would read wakes the others.
        let priority = if verdict.is_some() {
            Priority::Normal
        } else {
            Priority::Bulk
        };
        self.parts
            .store
            .write(priority, move |tx| {
                if !still_active(tx, &rollout)? {
                    return Ok(());
                }
                tx.update_rollout(&rollout)?;
                if let Some(verdict) = &verdict {
                    tx.append_verdict(verdict)?;
                }
                Ok(())
            })
            .await?;
        Ok(())
    }

    async fn step(
        &self,
        rollout: Rollout,
        before: RolloutState,
        now: Timestamp,
    ) -> Result<(), Fault> {
        self.parts
            .store
            .write(Priority::Urgent, move |tx| {
                if still_active(tx, &rollout)? {
                    record::step(tx, &rollout, before, now)
                } else {
                    Ok(())
                }
            })
            .await?;
        Ok(())
    }

    async fn promote(
        &self,
        rollout: Rollout,
        reason: String,
        last: bool,
        now: Timestamp,
    ) -> Result<(), Fault> {
        self.parts
            .store
            .write(Priority::Urgent, move |tx| {
                if !still_active(tx, &rollout)? {
                    return Ok(());
                }
                record::promote(tx, &mut rollout.clone(), &reason, last, now)
            })
            .await?;
        Ok(())
    }

    async fn end(
        &self,
        rollout: Rollout,
        state: RolloutState,
        reason: String,
        _last: bool,
        now: Timestamp,
    ) -> Result<(), Fault> {
        self.parts
            .store
            .write(Priority::Urgent, move |tx| {
                if !still_active(tx, &rollout)? {
                    return Ok(());
                }
                record::end(tx, &mut rollout.clone(), state, &reason, now)
            })
            .await?;
        Ok(())
    }
}

/// A person may have ended or paused it since it was read; their word counts.
fn still_active(tx: &mut store::Tx<'_>, rollout: &Rollout) -> store::Result<bool> {
    let stored = tx.rollout(&rollout.id)?;
    Ok(stored
        .is_some_and(|stored| !stored.state.is_final() && stored.state != RolloutState::Paused))
}

fn same_place(deployment: &Deployment, rollout: &Rollout) -> bool {
    deployment.project == rollout.project
        && deployment.environment == rollout.environment
        && deployment.service == rollout.service
}

fn route_key(deployment: &Deployment) -> String {
    format!(
        "{}/{}/{}",
        deployment.project, deployment.environment, deployment.service
    )
}

fn of_version<'a>(
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

fn counters(evidence: &VersionEvidence, policy: &Policy) -> Counters {
    let slow = policy.judges.iter().filter_map(|judge| match judge {
        Judge::Latency { threshold, .. } => Some(
            evidence
                .latency
                .exceeding(u64::try_from(threshold.as_micros()).unwrap_or(u64::MAX)),
        ),
        _ => None,
    });
    Counters {
        requests: evidence.requests,
        errors: evidence.errors,
        slow: slow.collect(),
    }
}

fn metric_of(judge: &Judge) -> Option<LiveMetric> {
    let Judge::Live { metric, .. } = judge else {
        return None;
    };
    match format!("live.{metric}").parse() {
        Ok(Measure::Live(metric)) => Some(metric),
        _ => None,
    }
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

fn percent(share: f64) -> String {
    format!("{}%", (share * 1e4).round() / 1e2)
}
