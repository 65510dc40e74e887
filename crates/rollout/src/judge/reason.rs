//! Why a verdict is what it is, in numbers and in a sentence.
//!
//! Stored with the verdict and shown by the command line, the API and the event log.

use super::policy::Then;
use super::reading::{Rate, Reading, odds, short, thousands};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// One reason; `Display` is a readable sentence without a full stop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "reason")]
pub enum Reason {
    /// A judge is sure that the candidate does harm.
    Harm {
        /// Its numbers.
        reading: Reading,
    },
    /// A judge has not found harm.
    NotFound {
        /// Its numbers.
        reading: Reading,
    },
    /// A judge's evidence stands so high that the stage goes on longer.
    Suspicious {
        /// Its numbers.
        reading: Reading,
        /// The log evidence now, which must fall before the stage may be passed.
        log_evidence: f64,
    },
    /// The candidate does not get the traffic that it should.
    Share {
        /// The share that it should get.
        expected: f64,
        /// Its requests in this stage …
        candidate: u64,
        /// … of all.
        all: u64,
        /// The log evidence.
        log_evidence: f64,
        /// The evidence that holds.
        threshold: f64,
    },
    /// The stage has seen too few requests.
    FewRequests {
        /// The candidate's in this stage.
        seen: u64,
        /// What it needs.
        need: u64,
    },
    /// The stage has not lasted long enough.
    TooShort {
        /// How long it has lasted.
        lasted: Duration,
        /// How long it should.
        need: Duration,
    },
    /// The stage has seen too few labels.
    FewLabels {
        /// Whose.
        judge: String,
        /// The candidate's in this stage.
        seen: u64,
        /// What it needs.
        need: u64,
        /// Predictions that still wait for theirs.
        pending: u64,
    },
    /// The stage stayed quiet for as long as the policy allows.
    Quiet {
        /// How long that is.
        after: Duration,
        /// What happens.
        then: Then,
    },
    /// The stage is passed.
    Passed {
        /// Its number, from 1.
        stage: usize,
        /// Of how many.
        of: usize,
        /// Whether it was the last one, so that the candidate takes everything.
        last: bool,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Harm { reading } | Self::NotFound { reading } => write!(f, "{reading}"),
            Self::Suspicious {
                reading,
                log_evidence,
            } => {
                write!(
                    f,
                    "{reading}; now {} : 1, so the stage goes on until that falls or decides",
                    odds(*log_evidence)
                )
            }
            Self::Share {
                expected,
                candidate,
                all,
                log_evidence,
                threshold,
            } => write!(
                f,
                "the candidate got {} where {}% were meant; evidence {} : 1, threshold {} : 1; check the routing and \
                 the sticky key, then promote or roll back by hand",
                Rate::Share {
                    events: *candidate,
                    requests: *all
                },
                short(100.0 * expected),
                odds(*log_evidence),
                short(*threshold)
            ),
            Self::FewRequests { seen, need } => {
                write!(
                    f,
                    "{} of the {} requests that this stage needs",
                    thousands(*seen),
                    thousands(*need)
                )
            }
            Self::TooShort { lasted, need } => {
                write!(
                    f,
                    "{} of the {} that this stage needs",
                    time(*lasted),
                    time(*need)
                )
            }
            Self::FewLabels {
                judge,
                seen,
                need,
                pending,
            } => write!(
                f,
                "{judge}: {} of the {} labels that this stage needs, {} predictions wait for theirs",
                thousands(*seen),
                thousands(*need),
                thousands(*pending)
            ),
            Self::Quiet {
                after,
                then: Then::Hold,
            } => {
                write!(
                    f,
                    "too quiet for {}: held; promote or roll back by hand, or send traffic",
                    time(*after)
                )
            }
            Self::Quiet {
                after,
                then: Then::Promote,
            } => {
                write!(
                    f,
                    "too quiet for {}: passed without evidence, as the policy says",
                    time(*after)
                )
            }
            Self::Passed {
                stage,
                of,
                last: false,
            } => write!(f, "stage {stage} of {of} passed without finding harm"),
            Self::Passed { of: 0, .. } => f.write_str("no stages: straight to all traffic"),
            Self::Passed {
                stage,
                of,
                last: true,
            } => {
                write!(
                    f,
                    "stage {stage} of {of} passed without finding harm: all traffic goes to the candidate"
                )
            }
        }
    }
}

/// A duration as people write it.
fn time(d: Duration) -> String {
    let seconds = d.as_secs();
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7200 => format!("{}m", seconds / 60),
        _ => format!("{}h", seconds / 3600),
    }
}
