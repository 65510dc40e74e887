//! One look at a roll-out and what the judge says of it. The decision is [`crate::judge::judge`]'s; this gathers its
//! evidence and carries out what it said.

use super::{
    Fault, Reconciler,
    drive::{LOSSES, of_version, percent, route_key},
};
use crate::{
    freeze,
    judge::{Counters, Decision, Evidence, Judge, Look, Loss, Policy, Side, judge},
    record::RECONCILER,
    traffic::Traffic,
};
use gateway::{Evidence as Counted, VersionEvidence};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use spec::{LiveMetric, Measure};
use store::{Deployment, JoinLog as _, LossFilter, Rollout, RolloutState, Verdict};

/// The roll-out's evidence as it is stored: what the judge keeps, and how far labels were read.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Stored {
    pub(super) judged: Evidence,
    /// The last loss that was counted.
    pub(super) cursor: u64,
    /// The last verdict's decision, so that only changes are recorded.
    pub(super) last: Option<Decision>,
    /// Of which counters: those of another gateway, or that began anew, are not compared with what went before.
    #[serde(default)]
    pub(super) epoch: Option<i64>,
}

impl<T: Traffic> Reconciler<T> {
    /// One look, one verdict.
    pub(super) async fn look(
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
        let before = stored.epoch.replace(counted.epoch);
        if before.is_some_and(|epoch| epoch != counted.epoch) {
            stored.judged.rebase(&look);
        }
        stored.judged.look(&policy, &look);
        let verdict = judge(&stored.judged, &policy);
        let held = freeze::holds(deployment, rollout, now);
        let decision = freeze::allowed(verdict.decision, held.as_deref());
        let changed = stored.last != Some(decision)
            || matches!(decision, Decision::Promote | Decision::RollBack);
        stored.last = Some(decision);
        let held = held.filter(|_| decision != verdict.decision);
        let said = verdict.reasons.iter().map(ToString::to_string);
        let said: Vec<String> = held.into_iter().chain(said).collect();
        let reason = said.first().cloned().unwrap_or_default();
        let row = changed.then(|| Verdict {
            rollout_id: rollout.id.clone(),
            seq: 0,
            at: now,
            stage: rollout.stage,
            decision: serde_json::to_value(decision).ok().and_then(|d| d.as_str().map(str::to_owned)).unwrap_or_default(),
            reasons: json!({ "text": said, "reasons": verdict.reasons }),
            evidence: json!({ "total": stored.judged.total, "in_stage": stored.judged.in_stage, "peaks": stored.judged.peaks, "entered": stored.judged.entered }),
        });
        let mut next = rollout.clone();
        match decision {
            Decision::RollBack => {
                next.evidence = serde_json::to_value(&stored)?;
                self.keep(next.clone(), row).await?;
                self.end(next, RolloutState::RolledBack, reason, now).await
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
                self.promote(next, RECONCILER.to_owned(), reason, last, now)
                    .await
            }
            Decision::Continue | Decision::Hold => {
                next.evidence = serde_json::to_value(&stored)?;
                if decision == Decision::Hold {
                    next.reason = format!("held: {reason}");
                }
                self.keep(next, row).await
            }
        }
    }

    /// What the counters and the joined labels say now; moves the label cursor on.
    pub(super) async fn gather(
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
            passed: self.steady.since_last(&rollout.id),
            champion: from.map(counters).unwrap_or_default(),
            candidate: counters(to),
            losses,
            pending,
        })
    }
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
