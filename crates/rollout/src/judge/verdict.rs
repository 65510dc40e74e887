//! The decision itself.
//!
//! Called by the reconciler after every look and by `plan` in simulation; pure.

use super::evidence::Evidence;
use super::policy::{Judge, Policy, Then};
use super::reading::Reading;
use super::reason::Reason;
use serde::{Deserialize, Serialize};

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// The stage is passed: on to the next one, or to all traffic after the last.
    Promote,
    /// Keep looking.
    Continue,
    /// Stay in this stage until a person decides or the reason goes away.
    Hold,
    /// Take the candidate back.
    RollBack,
}

/// A decision with its reasons, the decisive one first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// What to do.
    pub decision: Decision,
    /// Why, and what else was seen.
    pub reasons: Vec<Reason>,
}

/// A stage goes on for this many times its `at_least` while a judge is suspicious.
const PATIENCE: u32 = 4;

/// Judges a roll-out by all that has been seen of it.
///
/// In this order: harm rolls back; a share of traffic that is not the one meant holds; too little seen continues, or
/// ends as the quiet rule says; a suspicious judge prolongs the stage; otherwise the stage is passed. A roll-out
/// whose last stage is passed with nothing found is promoted: the burden of proof is on harm.
pub fn judge(evidence: &Evidence, policy: &Policy) -> Verdict {
    let readings = readings(evidence, policy);
    let (harm, clear): (Vec<_>, Vec<_>) = readings.into_iter().partition(Reading::crossed);
    let clear = clear
        .into_iter()
        .map(|reading| Reason::NotFound { reading });
    if !harm.is_empty() {
        let harm = harm.into_iter().map(|reading| Reason::Harm { reading });
        return verdict(Decision::RollBack, harm, clear);
    }
    if let Some(m) = evidence.shares.mismatch() {
        let super::share::Mismatch {
            expected,
            candidate,
            all,
            log_evidence,
            threshold,
        } = m;
        let reason = Reason::Share {
            expected,
            candidate,
            all,
            log_evidence,
            threshold,
        };
        return verdict(Decision::Hold, [reason], clear);
    }
    let missing = missing(evidence, policy, 1);
    if !missing.is_empty() {
        return wait(evidence, policy, missing, clear);
    }
    let suspicious = suspicious(evidence, policy);
    if !suspicious.is_empty() && !self::missing(evidence, policy, PATIENCE).is_empty() {
        let others = clear
            .filter(|reason| !doubted(&suspicious, reason))
            .collect::<Vec<_>>();
        return wait(evidence, policy, suspicious, others);
    }
    verdict(Decision::Promote, [passed(evidence, policy)], clear)
}

fn verdict(
    decision: Decision,
    first: impl IntoIterator<Item = Reason>,
    then: impl IntoIterator<Item = Reason>,
) -> Verdict {
    Verdict {
        decision,
        reasons: first.into_iter().chain(then).collect(),
    }
}

/// Continue, or what the quiet rule says once its time has come.
fn wait(
    evidence: &Evidence,
    policy: &Policy,
    missing: Vec<Reason>,
    clear: impl IntoIterator<Item = Reason>,
) -> Verdict {
    let rest = missing.into_iter().chain(clear);
    match policy.quiet {
        Some(quiet) if evidence.lasted >= quiet.after => {
            let decision = if quiet.then == Then::Hold {
                Decision::Hold
            } else {
                Decision::Promote
            };
            verdict(
                decision,
                [Reason::Quiet {
                    after: quiet.after,
                    then: quiet.then,
                }],
                rest,
            )
        }
        _ => verdict(Decision::Continue, rest, []),
    }
}

/// What the stage still lacks of `times` its `at_least`.
fn missing(evidence: &Evidence, policy: &Policy, times: u32) -> Vec<Reason> {
    let tally = &evidence.in_stage[1];
    let mut missing = Vec::new();
    let (lasted, need) = (
        evidence.lasted,
        policy.at_least.lasting.saturating_mul(times),
    );
    if lasted < need {
        missing.push(Reason::TooShort { lasted, need });
    }
    let need = policy.at_least.requests.saturating_mul(times.into()).max(1);
    if tally.requests < need {
        missing.push(Reason::FewRequests {
            seen: tally.requests,
            need,
        });
    }
    let live = policy.judges.iter().filter_map(|judge| match judge {
        Judge::Live { at_least, .. } => Some((judge, at_least.saturating_mul(times.into()))),
        _ => None,
    });
    for ((judge, need), losses) in live.zip(&tally.losses) {
        if losses.count < need {
            let (seen, pending) = (losses.count, evidence.pending);
            missing.push(Reason::FewLabels {
                judge: judge.name(),
                seen,
                need,
                pending,
            });
        }
    }
    missing
}

fn readings(evidence: &Evidence, policy: &Policy) -> Vec<Reading> {
    let threshold = policy.threshold();
    let judges = policy
        .judges
        .iter()
        .zip(&evidence.measures)
        .zip(&evidence.peaks)
        .enumerate();
    judges
        .map(|(index, ((judge, m), &peak))| {
            let basis = policy.basis(index);
            m.reading(judge.name(), basis, &evidence.total, peak, threshold)
        })
        .collect()
}

/// Judges whose evidence stands above the square root of what decides: half-way there, on the scale of logarithms.
fn suspicious(evidence: &Evidence, policy: &Policy) -> Vec<Reason> {
    let readings = readings(evidence, policy)
        .into_iter()
        .zip(&evidence.measures);
    let half_way = policy.threshold().ln() / 2.0;
    readings
        .map(|(reading, m)| Reason::Suspicious {
            log_evidence: m.log_evidence(&evidence.total[1]),
            reading,
        })
        .filter(
            |r| matches!(r, Reason::Suspicious { log_evidence, .. } if *log_evidence >= half_way),
        )
        .collect()
}

/// Whether a reading that found nothing belongs to a judge that is suspicious.
fn doubted(suspicious: &[Reason], clear: &Reason) -> bool {
    let judge = |reason: &Reason| match reason {
        Reason::NotFound { reading } | Reason::Suspicious { reading, .. } => {
            Some(reading.judge.clone())
        }
        _ => None,
    };
    suspicious
        .iter()
        .any(|reason| judge(reason) == judge(clear))
}

fn passed(evidence: &Evidence, policy: &Policy) -> Reason {
    let (stage, of) = (evidence.stage + 1, policy.stages.len());
    Reason::Passed {
        stage: stage.min(of),
        of,
        last: stage >= of,
    }
}
