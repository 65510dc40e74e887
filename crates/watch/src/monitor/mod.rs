//! The monitor of live error: a one-sided cumulative sum over blocks of event time, with a budget of false alarms.
//!
//! The reconciler feeds it joined losses and tells it which version took over; it answers with what changed. Pure:
//! no clock, no store, no randomness but a fixed seed, so that a monitor replays. It must never learn from a version
//! that did not serve on its own, and never raise twice for one incident. docs/monitors.md has the study behind it
//! and what it guarantees.

mod blocks;
mod calibrate;
mod config;
mod reference;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use self::blocks::OpenBlocks;
pub use self::config::Config;
pub use self::reference::Block;
use self::reference::{floor, spread};

/// The threshold is computed again when the reference has grown by so many blocks.
const RECALIBRATE_EVERY: usize = 7;
/// While an alarm is up the cumulative sum stays under so many thresholds, so that it can end.
const RAISED_AT_MOST: f64 = 2.0;
/// So many closed blocks are kept for showing.
const KEPT: usize = 180;

/// A joined answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// When it happened.
    pub event_at: Timestamp,
    /// The version that answered.
    pub version: u32,
    /// The answer.
    pub prediction: f64,
    /// The truth.
    pub label: f64,
}

/// What a monitor remembers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct MonitorState {
    /// The version that serves now.
    pub version: Option<u32>,
    /// The versions that this reference covers, each with its mean loss relative to the first of them.
    pub scales: BTreeMap<u32, f64>,
    /// What is held as normal.
    pub reference: Vec<Block>,
    /// Blocks since the cumulative sum last stood at zero.
    pub excursion: Vec<Block>,
    /// The cumulative sum, in standard deviations of a block.
    pub statistic: f64,
    /// The level it must pass for an alarm; none while the reference is learnt.
    pub threshold: Option<f64>,
    /// How many blocks the reference had when the threshold was computed.
    calibrated_on: usize,
    /// Whether an alarm is up.
    pub raised: bool,
    /// Why there is no reference yet, or why it began anew; for people.
    pub since: String,
    /// Losses that came after their block had closed.
    pub late: u64,
    /// Losses that were not finite numbers.
    pub not_finite: u64,
    /// The last closed blocks with the cumulative sum after each, for showing.
    pub history: Vec<Point>,
    open: OpenBlocks,
}

/// A closed block as a chart shows it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// The block.
    pub block: Block,
    /// The cumulative sum after it; none while the reference is learnt.
    pub statistic: Option<f64>,
    /// The threshold then.
    pub threshold: Option<f64>,
}

/// What a look changed.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// The alarm went up.
    Raised(Rise),
    /// The alarm is over.
    Cleared(Cleared),
}

/// Why an alarm is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cleared {
    /// The error went back to its reference; the incident joined the history that the reference is made of.
    Passed,
    /// Another version serves now.
    VersionChanged(u32),
}

/// The numbers of an alarm, in the units of the version that serves.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rise {
    /// The version that serves.
    pub version: u32,
    /// When the rise began, in seconds since 1970.
    pub from: i64,
    /// Until when it is known.
    pub until: i64,
    /// Blocks of the rise.
    pub blocks: usize,
    /// Labelled answers in it.
    pub rows: u64,
    /// The figure over the rise.
    pub figure: f64,
    /// When the reference begins.
    pub reference_from: i64,
    /// When the reference ends.
    pub reference_until: i64,
    /// Blocks of the reference.
    pub reference_blocks: usize,
    /// The figure over the reference.
    pub reference_figure: f64,
    /// Standard deviation of a block's mean loss, as a share of the reference's mean.
    pub block_sd: f64,
    /// The cumulative sum.
    pub statistic: f64,
    /// The level it passed.
    pub threshold: f64,
}

impl MonitorState {
    /// Says which version serves alone from now on. `ratio(other)` is this version's mean loss divided by the other's,
    /// measured on the same rows, when that is known. With a ratio to a version that the reference covers, the
    /// reference stays and the new version's losses are brought to its scale; without one, or after an alarm, the
    /// reference begins anew.
    pub fn deployed(&mut self, version: u32, ratio: impl Fn(u32) -> Option<f64>) -> Option<Change> {
        if self.version == Some(version) {
            return None;
        }
        let before = self.version.replace(version);
        if self.raised {
            self.begin_anew(format!(
                "version {version} answered an alarm, so its own first weeks are the reference"
            ));
            return Some(Change::Cleared(Cleared::VersionChanged(version)));
        }
        if self.scales.contains_key(&version) {
            return None;
        }
        let known = before.and_then(|before| {
            let scale = self.scales.get(&before)?;
            let ratio = ratio(before).filter(|r| r.is_finite() && *r > 0.0)?;
            Some(scale * ratio)
        });
        match known {
            Some(scale) => {
                self.scales.insert(version, scale);
            }
            None if before.is_none() => {
                self.begin_anew(format!("version {version} was the first to serve"));
            }
            None => self.begin_anew(format!(
                "version {version} was never measured beside the one before"
            )),
        }
        None
    }

    /// Takes losses in the order in which they were joined, and says what they change. How they are batched makes no
    /// difference.
    pub fn observe(&mut self, samples: &[Sample], config: &Config) -> Vec<Change> {
        let mut changes = Vec::new();
        for sample in samples {
            let loss = config.metric.loss(sample.prediction, sample.label);
            if !loss.is_finite() {
                self.not_finite += 1;
                continue;
            }
            if !self
                .open
                .add(sample.event_at.as_second(), sample.version, loss, config)
            {
                self.late += 1;
                continue;
            }
            while let Some(block) = self.open.close_next(&self.scales, config) {
                changes.extend(self.judge(block, config));
            }
        }
        changes
    }

    /// Forgets the threshold, because the budget has changed; the next block brings a new one.
    pub(crate) fn recalibrate(&mut self) {
        self.threshold = None;
        self.calibrated_on = 0;
    }

    /// The figure of the reference in the units of the version that serves; none before there is one.
    #[must_use]
    pub fn reference_figure(&self) -> Option<f64> {
        (!self.reference.is_empty()).then(|| self.null().mean * self.scale())
    }

    fn judge(&mut self, block: Block, config: &Config) -> Option<Change> {
        let change = if self.reference.len() < config.warm_up {
            self.reference.push(block);
            None
        } else {
            self.calibrate(config);
            self.accumulate(block, config)
        };
        let judged = self.threshold.is_some();
        self.history.push(Point {
            block,
            statistic: judged.then_some(self.statistic),
            threshold: self.threshold,
        });
        if self.history.len() > KEPT {
            self.history.remove(0);
        }
        change
    }

    fn calibrate(&mut self, config: &Config) {
        let n = self.reference.len();
        let grown = n >= self.calibrated_on + RECALIBRATE_EVERY || n >= config.reference;
        if self.threshold.is_some() && (n == self.calibrated_on || !grown) {
            return;
        }
        self.threshold = Some(calibrate::threshold(
            &self.values(),
            floor(&self.reference),
            config,
        ));
        self.calibrated_on = n;
    }

    fn accumulate(&mut self, block: Block, config: &Config) -> Option<Change> {
        let threshold = self.threshold?;
        self.statistic += calibrate::step(block.mean, self.null(), config);
        self.excursion.push(block);
        if self.statistic <= 0.0 {
            return self.settle(config);
        }
        if self.statistic <= threshold {
            return None;
        }
        let rise = (!self.raised).then(|| Change::Raised(self.rise(threshold)));
        self.raised = true;
        // However long the harm lasts, the way back to zero is not longer than this.
        self.statistic = self.statistic.min(RAISED_AT_MOST * threshold);
        rise
    }

    /// The sum is back at zero: what happened since it last was there is normal after all.
    fn settle(&mut self, config: &Config) -> Option<Change> {
        self.statistic = 0.0;
        let passed = std::mem::take(&mut self.raised);
        let room = if passed {
            self.excursion.len()
        } else {
            config.reference.saturating_sub(self.reference.len())
        };
        self.reference.extend(self.excursion.drain(..).take(room));
        passed.then_some(Change::Cleared(Cleared::Passed))
    }

    fn rise(&self, threshold: f64) -> Rise {
        let null = self.null();
        let rows: u64 = self.excursion.iter().map(|b| b.rows).sum();
        let sum: f64 = self.excursion.iter().map(|b| b.mean * b.rows as f64).sum();
        let figure = |loss: f64| loss * self.scale();
        let edge = |block: Option<&Block>, of: fn(&Block) -> i64| block.map_or(0, of);
        Rise {
            version: self.version.unwrap_or_default(),
            from: edge(self.excursion.first(), |b| b.start),
            until: edge(self.excursion.last(), |b| b.end),
            blocks: self.excursion.len(),
            rows,
            figure: figure(sum / rows.max(1) as f64),
            reference_from: edge(self.reference.first(), |b| b.start),
            reference_until: edge(self.reference.last(), |b| b.end),
            reference_blocks: self.reference.len(),
            reference_figure: figure(null.mean),
            block_sd: if null.mean > 0.0 {
                null.sd / null.mean
            } else {
                0.0
            },
            statistic: self.statistic,
            threshold,
        }
    }

    fn begin_anew(&mut self, why: String) {
        let version = self.version;
        self.scales = version.into_iter().map(|v| (v, 1.0)).collect();
        self.reference.clear();
        self.excursion.clear();
        self.statistic = 0.0;
        self.threshold = None;
        self.calibrated_on = 0;
        self.raised = false;
        self.since = why;
        self.open.drop_carried();
    }

    fn scale(&self) -> f64 {
        self.version
            .and_then(|v| self.scales.get(&v))
            .copied()
            .unwrap_or(1.0)
    }

    fn values(&self) -> Vec<f64> {
        self.reference.iter().map(|b| b.mean).collect()
    }

    fn null(&self) -> reference::Spread {
        spread(&self.values(), floor(&self.reference))
    }
}
