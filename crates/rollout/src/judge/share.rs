//! Does the candidate get the share of traffic that it was meant to get?
//!
//! If it does not, something between the client and the counters is wrong (a lost replica's requests not counted, a
//! heavy sticky user, a stale routing table), and the comparison cannot be trusted: the roll-out is held.

use serde::{Deserialize, Serialize};
use stats::betting::Wealth;
use stats::coin::{Prior, log_evidence, theta};

/// The odds of going to the candidate may be off by this factor; sticky units make the split uneven without harm.
const TOLERANCE: f64 = 1.25;

/// How sure the check must be, on both sides together. It only holds, but it is not part of α, so it is strict.
const CHANCE: f64 = 1e-4;

/// The running check. As with rates, requests and blocks must agree before it speaks.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct ShareCheck {
    /// Per share: requests of champion and candidate.
    counts: Vec<(f64, u64, u64)>,
    over: Wealth,
    under: Wealth,
}

/// A mismatch that the check is sure of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Mismatch {
    pub(super) expected: f64,
    pub(super) candidate: u64,
    pub(super) all: u64,
    pub(super) log_evidence: f64,
    pub(super) threshold: f64,
}

impl ShareCheck {
    /// Takes one block's requests.
    pub(super) fn observe(&mut self, share: f64, champion: u64, candidate: u64) {
        let all = champion + candidate;
        if all == 0 || share >= 1.0 {
            return;
        }
        let part = candidate as f64 / all as f64;
        self.over.observe(part / theta(share, TOLERANCE));
        self.under
            .observe((1.0 - part) / theta(1.0 - share, TOLERANCE));
        match self.counts.iter_mut().find(|(known, ..)| *known == share) {
            Some((_, old, new)) => {
                *old += champion;
                *new += candidate;
            }
            None => self.counts.push((share, champion, candidate)),
        }
    }

    /// The mismatch, if the evidence now says so; it heals when traffic does.
    pub(super) fn mismatch(&self) -> Option<Mismatch> {
        let side = |over: bool| -> f64 {
            let log = |&(share, old, new): &(f64, u64, u64)| {
                if over {
                    log_evidence(new, old, theta(share, TOLERANCE), Prior::JEFFREYS)
                } else {
                    log_evidence(old, new, theta(1.0 - share, TOLERANCE), Prior::JEFFREYS)
                }
            };
            let blocks = if over { &self.over } else { &self.under };
            self.counts
                .iter()
                .map(log)
                .sum::<f64>()
                .min(blocks.log_evidence())
        };
        let (log, threshold) = (side(true).max(side(false)), 2.0 / CHANCE);
        let &(expected, old, candidate) = self.counts.last()?;
        let all = old + candidate;
        (log >= threshold.ln()).then_some(Mismatch {
            expected,
            candidate,
            all,
            log_evidence: log,
            threshold,
        })
    }
}
