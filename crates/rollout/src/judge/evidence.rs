//! All that has been seen of a roll-out so far.
//!
//! [`Evidence`] is stored beside the roll-out and updated by [`Evidence::look`] only. It takes the gateway's monotonic
//! counters as they are (the first look is the base line) and each joined label once: the caller moves its label
//! cursor in the transaction that stores the evidence.

use super::measure::{Losses, Measure, Tally};
use super::policy::{Judge, Policy};
use super::share::ShareCheck;
use inference::latency::Histogram;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use stats::difference::Side;
use std::time::Duration;

/// One version's monotonic counters, as the gateway reports them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counters {
    /// Requests answered or failed by the model's fault; a client's own mistakes left out.
    pub requests: u64,
    /// Those that failed by the model's fault.
    pub errors: u64,
    /// Those slower than the threshold, for each latency judge in the policy's order.
    pub slow: Vec<u64>,
}

impl Counters {
    /// From the gateway's counters of one version: `requests` without the client's own mistakes.
    pub fn of(policy: &Policy, requests: u64, errors: u64, latency: &Histogram) -> Self {
        let thresholds = policy.judges.iter().filter_map(|judge| match judge {
            Judge::Latency { threshold, .. } => Some(*threshold),
            _ => None,
        });
        let micros = |t: Duration| u64::try_from(t.as_micros()).unwrap_or(u64::MAX);
        let slow = thresholds.map(|t| latency.exceeding(micros(t))).collect();
        Self {
            requests,
            errors,
            slow,
        }
    }
}

/// One joined label.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Loss {
    /// Which version answered.
    pub side: Side,
    /// When the request came, which says what share was in force.
    pub answered_at: Timestamp,
    /// The loss, 0 or more; larger is worse.
    pub loss: f64,
}

/// One look: what the counters say now, and the labels that were joined since the last look.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Look {
    /// When the counters were read.
    pub at: Timestamp,
    /// Time since the look before by a clock that nobody sets, so that a wall clock that jumps neither passes a stage
    /// nor holds it up; zero for the first look, and for the first after a restart.
    pub passed: Duration,
    /// The champion's.
    pub champion: Counters,
    /// The candidate's.
    pub candidate: Counters,
    /// New losses for each live judge in the policy's order.
    pub losses: Vec<Vec<Loss>>,
    /// The candidate's predictions that still wait for a label.
    pub pending: u64,
}

/// What has been seen since the roll-out began; serialise it to resume.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The stage the roll-out is in, from 0.
    pub stage: usize,
    /// Each stage entered so far and when; the first entry is when the roll-out began.
    pub entered: Vec<(usize, Timestamp)>,
    /// The last look, if any.
    pub last_look: Option<Timestamp>,
    /// How long the present stage has been looked at.
    pub lasted: Duration,
    /// Both arms since the roll-out began.
    pub total: [Tally; 2],
    /// Both arms since the stage began.
    pub in_stage: [Tally; 2],
    /// The candidate's predictions that still wait for a label.
    pub pending: u64,
    /// Highest log evidence each judge ever had, which is what counts.
    pub peaks: Vec<f64>,
    pub(super) seen: [Counters; 2],
    pub(super) block: [Tally; 2],
    block_lasted: Duration,
    pub(super) measures: Vec<Measure>,
    pub(super) shares: ShareCheck,
    /// Whether the stage's first block, in which its share came into force, is behind us.
    settled: bool,
}

const CHAMPION: usize = 0;
const CANDIDATE: usize = 1;
/// Less than this is a clock that is slewed, not one that was set.
const SET_BACK: SignedDuration = SignedDuration::from_secs(1);

impl Evidence {
    /// The state of a roll-out that begins now, in its first stage.
    pub fn begin(policy: &Policy, now: Timestamp) -> Self {
        let slow = policy
            .judges
            .iter()
            .filter(|j| matches!(j, Judge::Latency { .. }))
            .count();
        let live = policy
            .judges
            .iter()
            .filter(|j| matches!(j, Judge::Live { .. }))
            .count();
        let empty = Tally::empty(slow, live);
        Self {
            stage: 0,
            entered: vec![(0, now)],
            last_look: None,
            lasted: Duration::ZERO,
            total: [empty.clone(), empty.clone()],
            in_stage: [empty.clone(), empty.clone()],
            pending: 0,
            peaks: vec![0.0; policy.judges.len()],
            seen: [Counters::default(), Counters::default()],
            block: [empty.clone(), empty],
            block_lasted: Duration::ZERO,
            measures: Measure::begin(&policy.judges, &policy.methods),
            shares: ShareCheck::default(),
            settled: false,
        }
    }

    /// The candidate's share of traffic now; 1 without stages or beyond the last.
    pub fn share(&self, policy: &Policy) -> f64 {
        policy.stages.get(self.stage).copied().unwrap_or(1.0)
    }

    /// When the present stage began.
    pub fn stage_started(&self) -> Timestamp {
        self.entered
            .last()
            .map_or(Timestamp::UNIX_EPOCH, |&(_, since)| since)
    }

    /// Goes on to `stage`, whose share is in force from `now`. Take a look just before, so that what the old share
    /// brought is counted under it.
    pub fn enter(&mut self, policy: &Policy, stage: usize, now: Timestamp) {
        self.close_block(policy);
        self.stage = stage;
        self.lasted = Duration::ZERO;
        self.settled = false;
        self.entered.push((stage, now));
        for tally in &mut self.in_stage {
            tally.clear();
        }
    }

    /// Takes one look in. Looks may come as often as wanted; what is counted as one observation is a block.
    pub fn look(&mut self, policy: &Policy, look: &Look) {
        let arms = [&look.champion, &look.candidate];
        let first = self.last_look.is_none();
        self.take_time(look);
        for (arm, counters) in arms.into_iter().enumerate() {
            let new = Tally::since(&self.seen[arm], counters);
            self.seen[arm] = counters.clone();
            if !first {
                for tally in [&mut self.total, &mut self.in_stage, &mut self.block] {
                    tally[arm].add(&new);
                }
            }
        }
        self.take_losses(policy, look);
        self.pending = look.pending;
        self.last_look = Some(look.at);
        let full = self.block_lasted >= policy.block;
        if full && self.block.iter().all(|arm| arm.requests > 0) {
            self.close_block(policy);
        }
        self.raise_peaks();
    }

    /// Takes this look's counters for a base line, because they are not those of the looks before: nothing is known of
    /// what came between, and the block under way is given up.
    pub fn rebase(&mut self, look: &Look) {
        self.seen = [look.champion.clone(), look.candidate.clone()];
        for tally in &mut self.block {
            tally.clear();
        }
        self.block_lasted = Duration::ZERO;
        self.settled = false;
    }

    /// Counts the time, and follows a wall clock that was set back: requests are stamped by it from then on, and those
    /// that come now must not look like those of before the roll-out.
    fn take_time(&mut self, look: &Look) {
        let Some(last) = self.last_look else { return };
        self.lasted += look.passed;
        self.block_lasted += look.passed;
        let back = last.duration_since(look.at);
        if back > SET_BACK {
            for (_, since) in &mut self.entered {
                *since = since.saturating_sub(back).unwrap_or(Timestamp::MIN);
            }
        }
    }

    fn close_block(&mut self, policy: &Policy) {
        let share = self.share(policy);
        let [champion, candidate] = &self.block;
        for measure in &mut self.measures {
            measure.observe(champion, candidate, self.block_lasted);
        }
        if self.settled {
            self.shares
                .observe(share, champion.requests, candidate.requests);
        }
        self.settled = true;
        for tally in &mut self.block {
            tally.clear();
        }
        self.block_lasted = Duration::ZERO;
    }

    fn take_losses(&mut self, policy: &Policy, look: &Look) {
        let mut live = 0;
        for (judge, measure) in policy.judges.iter().zip(&mut self.measures) {
            let Judge::Live { cap, .. } = judge else {
                continue;
            };
            for loss in look.losses.get(live).into_iter().flatten() {
                let before = self
                    .entered
                    .iter()
                    .rev()
                    .find(|(_, since)| loss.answered_at >= *since);
                let Some(&(stage, _)) = before else { continue };
                let share = policy.stages.get(stage).copied().unwrap_or(1.0);
                measure.observe_loss(loss, share);
                let arm = if loss.side == Side::Champion {
                    CHAMPION
                } else {
                    CANDIDATE
                };
                for tally in [&mut self.total, &mut self.in_stage] {
                    Losses::add(&mut tally[arm].losses[live], loss.loss, *cap);
                }
            }
            live += 1;
        }
    }

    fn raise_peaks(&mut self) {
        for (peak, measure) in self.peaks.iter_mut().zip(&self.measures) {
            *peak = peak.max(measure.log_evidence(&self.total[CANDIDATE]));
        }
    }
}
