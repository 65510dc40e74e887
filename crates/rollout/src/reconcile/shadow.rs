//! The stage before the first: the new version gets copies of requests, and clients none of its answers.
//!
//! What the copies show is for people, kept with the roll-out. It passes when as many copies were compared as a stage needs
//! requests; a version that fails what the other one answers is held there. It is no judgement that takes back: many copies
//! can fail at one instant by one replica's end, which counts as one event only where blocks of time are the unit.

use super::{Fault, Reconciler, drive::percent};
use crate::{
    freeze,
    judge::{Judge, Policy, Then},
    traffic::Traffic,
};
use gateway::{Evidence as Counted, Mirror, MirrorEvidence};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::time::Duration;
use store::{Deployment, Rollout, RolloutState, Verdict};

/// Where a roll-out keeps the share of requests that are copied; `null` when there is no such stage.
pub(super) const SHARE: &str = "shadow";
/// Where it keeps how many copies were compared when that was last written.
const COMPARED: &str = "shadow_compared";
/// How the reason of a shadow that is held begins.
const HELD: &str = "shadow is held";
/// Failing may be so much more frequent, and so frequent, as for the judge of errors.
const TOLERANCE: f64 = 1.25;
const FLOOR: f64 = 0.001;

/// What to do, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    /// Go on looking.
    Wait(String),
    /// Stay until a person decides, or it looks better.
    Hold(String),
    /// To the first stage.
    Pass(String),
}

/// What copies a route's candidate gets now.
pub(super) fn mirror(rollout: &Rollout) -> Option<Mirror> {
    let is_shadow = rollout.state == RolloutState::Running && rollout.stage < 0;
    let share = rollout.baseline[SHARE].as_f64().filter(|_| is_shadow)?;
    Some(Mirror {
        version: rollout.to,
        share,
    })
}

/// Decides by what the copies have shown after so much time.
pub(super) fn decide(
    found: Option<&MirrorEvidence>,
    share: f64,
    passed: Duration,
    policy: &Policy,
) -> Next {
    let wanted = policy.at_least.requests.max(1);
    let compared = found.map_or(0, |found| found.report.requests);
    let said = found.map_or_else(String::new, |found| found.report.headline());
    if let Some(why) = found.and_then(|found| worse(found, policy)) {
        return Next::Hold(format!("{HELD}: {why}"));
    }
    if compared >= wanted && passed >= policy.at_least.lasting {
        return Next::Pass(format!("shadow: {said}"));
    }
    if let Some(quiet) = policy.quiet.filter(|quiet| passed >= quiet.after) {
        let few = format!(
            "{compared} of {wanted} copies were compared after {:?}",
            quiet.after
        );
        return match quiet.then {
            Then::Promote => Next::Pass(format!("shadow: {few}")),
            Then::Hold => Next::Hold(format!("{HELD}: {few}")),
        };
    }
    // In tenths, so that it changes seldom.
    let tenths = (compared * 10 / wanted).min(10);
    Next::Wait(format!(
        "shadow: copies of {} of requests; {}% of {wanted} compared",
        percent(share),
        10 * tenths
    ))
}

/// In a freeze nothing goes on; the copies do.
fn unless_frozen(next: Next, held: Option<String>) -> Next {
    match (next, held) {
        (Next::Pass(reason), Some(held)) => Next::Wait(format!("{reason}; {held}")),
        (next, _) => next,
    }
}

/// Whether the new version fails what the other one answers, by more than chance accounts for.
fn worse(found: &MirrorEvidence, policy: &Policy) -> Option<String> {
    let judged = policy
        .judges
        .iter()
        .any(|judge| matches!(judge, Judge::Errors { .. }));
    let failures = &found.report.failures;
    let share = failures.after as f64 / found.report.requests.max(1) as f64;
    // Of the requests that only one of them fails, it is the new one's as often as the other's.
    let evidence =
        stats::coin::log_evidence_two_arms(failures.after, failures.before, 0.5, TOLERANCE);
    let is_sure = evidence >= -policy.false_rollbacks.ln();
    (judged && is_sure && share > FLOOR).then(|| {
        format!(
            "version {} fails {} of {} copies that were answered, and answers {} that failed",
            found.version, failures.after, found.report.requests, failures.before
        )
    })
}

impl<T: Traffic> Reconciler<T> {
    /// Begins to copy.
    pub(super) async fn begin_shadow(
        &self,
        rollout: &Rollout,
        share: f64,
        now: Timestamp,
    ) -> Result<(), Fault> {
        self.steady.begin_anew(&rollout.id);
        let mut next = rollout.clone();
        next.state = RolloutState::Running;
        next.stage = -1;
        next.stage_started_at = Some(now);
        next.reason = format!("shadow: copies of {} of requests", percent(share));
        self.step(next, rollout.state, now).await
    }

    /// One look at the copies.
    pub(super) async fn shadow(
        &self,
        rollout: &Rollout,
        deployment: &Deployment,
        counted: Option<&Counted>,
        last: bool,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let (Some(counted), Ok(mirrors)) = (counted, self.parts.traffic.mirrors().await) else {
            return Ok(());
        };
        let policy: Policy = serde_json::from_value(rollout.policy.clone())?;
        let share = rollout.baseline[SHARE].as_f64().unwrap_or_default();
        let found = mirrors
            .iter()
            .find(|mirror| mirror.salt == rollout.id && mirror.version == rollout.to);
        let passed = self.steady.since_first(&rollout.id);
        let is_held = rollout.reason.starts_with(HELD);
        // What is held is looked at several times a second, and written seldom.
        let known = rollout.baseline[COMPARED].as_u64().unwrap_or(0);
        let has_grown = found.is_some_and(|found| found.report.requests > known + known / 2);
        let held = freeze::holds(deployment, rollout, now);
        match unless_frozen(decide(found, share, passed, &policy), held) {
            Next::Wait(reason) if reason == rollout.reason => Ok(()),
            Next::Hold(_) if is_held && !has_grown => Ok(()),
            Next::Wait(reason) => {
                self.keep_shadow(rollout, reason, None, found).await?;
                Ok(())
            }
            Next::Hold(reason) => {
                let row = (!is_held).then(|| verdict(rollout, "hold", &reason, found, now));
                self.keep_shadow(rollout, reason, row, found).await?;
                Ok(())
            }
            Next::Pass(reason) => {
                let row = verdict(rollout, "promote", &reason, found, now);
                let next = self.keep_shadow(rollout, reason, Some(row), found).await?;
                self.begin_stages(&next, deployment, counted, last, now)
                    .await
            }
        }
    }

    /// Keeps what was seen with the roll-out.
    async fn keep_shadow(
        &self,
        rollout: &Rollout,
        reason: String,
        verdict: Option<Verdict>,
        found: Option<&MirrorEvidence>,
    ) -> Result<Rollout, Fault> {
        let mut next = Rollout {
            reason,
            ..rollout.clone()
        };
        if let Some(found) = found {
            let seen = json!({
                "version": found.version,
                "share": rollout.baseline[SHARE],
                "copies": found.copies,
                "dropped": found.dropped,
                "report": found.report,
            });
            next.baseline[COMPARED] = found.report.requests.into();
            self.keep_comparison(&next, SHARE, seen).await?;
        }
        self.keep(next.clone(), verdict).await?;
        Ok(next)
    }
}

fn verdict(
    rollout: &Rollout,
    decision: &str,
    reason: &str,
    found: Option<&MirrorEvidence>,
    now: Timestamp,
) -> Verdict {
    let counts = |found: &MirrorEvidence| -> Value {
        let report = &found.report;
        json!({
            "copies": found.copies,
            "dropped": found.dropped,
            "requests": report.requests,
            "rows": report.rows,
            "changed": report.changed,
            "failed_before": report.failures.before,
            "failed_after": report.failures.after,
        })
    };
    Verdict {
        rollout_id: rollout.id.clone(),
        seq: 0,
        at: now,
        stage: rollout.stage,
        decision: decision.to_owned(),
        reasons: json!({ "text": [reason], "reasons": [] }),
        evidence: json!({ "shadow": found.map(counts) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::policy::{History, fix};

    /// Evidence of so many compared copies, of which the versions failed so many alone.
    fn found(requests: u64, before: u64, after: u64) -> MirrorEvidence {
        let report = json!({
            "tolerance": { "absolute": 0.0, "relative": 0.0 },
            "requests": requests, "rows": requests, "same": requests, "near": 0, "changed": 0, "unlike": 0,
            "failures": { "before": before, "after": after, "both": 0, "unread": 0, "messages": [] },
            "outputs": [], "more_outputs": 0, "worst": [], "slices": [],
        });
        serde_json::from_value(json!({
            "route": "flights/prod/delay", "salt": "r", "version": 2, "copies": requests, "dropped": 0, "report": report,
        }))
        .unwrap()
    }

    #[test]
    fn nothing_passes_in_a_freeze() {
        let held = || Some("frozen until Monday".to_owned());
        let pass = Next::Pass("shadow: all same".into());
        let waits = Next::Wait("shadow: all same; frozen until Monday".into());
        assert_eq!(unless_frozen(pass.clone(), held()), waits);
        assert_eq!(unless_frozen(pass.clone(), None), pass);
        let hold = Next::Hold("shadow is held".into());
        assert_eq!(unless_frozen(hold.clone(), held()), hold);
    }

    #[test]
    fn what_copies_lead_to() {
        let check = |rules: &str, found: Option<MirrorEvidence>, seconds: u64, expect: &str| {
            let rules: spec::Rollout = serde_json::from_str(rules).unwrap();
            let policy = fix(&rules, &History::default(), false).policy;
            let passed = Duration::from_secs(seconds);
            let got = format!("{:?}", decide(found.as_ref(), 0.2, passed, &policy));
            assert!(got.starts_with(expect), "{got}");
        };
        let rules = r#"{"stages": ["5%"], "judge": ["errors"], "at_least": "200 requests", "quiet": "hold after 1m"}"#;
        check(
            rules,
            None,
            0,
            "Wait(\"shadow: copies of 20% of requests; 0% of 200",
        );
        check(
            rules,
            Some(found(119, 0, 0)),
            9,
            "Wait(\"shadow: copies of 20% of requests; 50% of",
        );
        check(
            rules,
            Some(found(200, 0, 0)),
            9,
            "Pass(\"shadow: 0 of 200 answers change",
        );
        // A judged stage lasts five seconds.
        check(rules, Some(found(200, 0, 0)), 4, "Wait");
        check(
            rules,
            Some(found(119, 0, 0)),
            60,
            "Hold(\"shadow is held: 119 of 200 copies",
        );
        check(
            &rules.replace("hold after", "promote after"),
            None,
            60,
            "Pass",
        );
        let fails = "Hold(\"shadow is held: version 2 fails 20 of 200 copies";
        check(rules, Some(found(200, 1, 20)), 9, fails);
        check(rules, Some(found(200, 12, 20)), 9, "Pass");
        check(rules, Some(found(200, 0, 2)), 9, "Pass");
        check(
            &rules.replace("errors", "latency.p99"),
            Some(found(200, 1, 20)),
            9,
            "Pass",
        );
    }
}
