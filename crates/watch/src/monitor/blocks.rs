//! Losses gathered into blocks of event time, and the rule by which a block closes.
//!
//! Labels come late and out of order. A block closes when blocks that begin at least one whole block after its end
//! hold enough labelled answers: the service's own events are the clock, and one request with a wild time moves
//! nothing, nor does a clock that is wrong for a day or two. Whatever comes for a closed block afterwards is counted as late. The result does not depend on how the
//! losses were batched.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::config::Config;
use super::reference::Block;

/// More open blocks than this means that times are wild; losses for further blocks are counted as late.
const MOST_OPEN: usize = 1024;
/// More versions than this share no block; losses of further ones are not monitored.
const MOST_VERSIONS: usize = 64;

/// Blocks later than this are far: what comes next after a long silence, or what a clock that was wrong for a while has
/// left. So many of them must have answers before they say that something is over.
const NEAR: i64 = 8;
const FAR_BLOCKS: u64 = 3;

/// Sums of losses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tally {
    n: u64,
    sum: f64,
    sum_sq: f64,
}

impl Tally {
    fn add(&mut self, loss: f64) {
        self.n += 1;
        self.sum += loss;
        self.sum_sq += loss * loss;
    }

    fn merge(&mut self, other: &Self) {
        self.n += other.n;
        self.sum += other.sum;
        self.sum_sq += other.sum_sq;
    }
}

type ByVersion = BTreeMap<u32, Tally>;

/// Blocks that may still receive losses.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct OpenBlocks {
    /// By start, in seconds since 1970.
    open: BTreeMap<i64, ByVersion>,
    /// Everything before this is closed.
    closed_until: Option<i64>,
    /// A closed stretch with too few rows, which goes on into the next block: its start and its sums.
    carried: Option<(i64, ByVersion)>,
}

impl OpenBlocks {
    /// Takes a loss that happened at `second`; false when it came too late for its block.
    pub(crate) fn add(&mut self, second: i64, version: u32, loss: f64, config: &Config) -> bool {
        let length = length(config);
        let start = second.div_euclid(length) * length;
        if self.closed_until.is_some_and(|until| start < until) {
            return false;
        }
        if !self.open.contains_key(&start) && self.open.len() >= MOST_OPEN {
            return false;
        }
        let block = self.open.entry(start).or_default();
        if block.len() < MOST_VERSIONS || block.contains_key(&version) {
            block.entry(version).or_default().add(loss);
        }
        true
    }

    /// The oldest block, if it may close now: the mean of the losses of the versions in `scales`, each divided by the
    /// scale of its version.
    pub(crate) fn close_next(
        &mut self,
        scales: &BTreeMap<u32, f64>,
        config: &Config,
    ) -> Option<Block> {
        loop {
            let (&first, _) = self.open.first_key_value()?;
            let end = first + length(config);
            if self.later(end, config) < config.min_rows {
                return None;
            }
            let mut tallies = self.open.remove(&first).unwrap_or_default();
            self.closed_until = Some(end);
            let start = match self.carried.take() {
                Some((start, carried)) => {
                    for (version, tally) in &carried {
                        tallies.entry(*version).or_default().merge(tally);
                    }
                    start
                }
                None => first,
            };
            let block = block(start, end, &tallies, scales);
            if block.rows >= config.min_rows {
                return Some(block);
            }
            self.carried = Some((start, tallies));
        }
    }

    /// Labelled answers that begin at least one whole block after `end`.
    fn later(&self, end: i64, config: &Config) -> u64 {
        let (length, share) = (length(config), config.min_rows.div_ceil(FAR_BLOCKS));
        let rows = |(&start, block): (&i64, &ByVersion)| {
            let rows: u64 = block.values().map(|tally| tally.n).sum();
            if start < end + NEAR * length {
                rows
            } else {
                rows.min(share)
            }
        };
        self.open.range(end + length..).map(rows).sum()
    }

    /// Forgets what waits for the next block, because the reference begins anew.
    pub(crate) fn drop_carried(&mut self) {
        self.carried = None;
    }
}

fn block(start: i64, end: i64, tallies: &ByVersion, scales: &BTreeMap<u32, f64>) -> Block {
    let (mut rows, mut sum, mut sum_sq) = (0_u64, 0.0, 0.0);
    for (version, tally) in tallies {
        let Some(scale) = scales.get(version) else {
            continue;
        };
        rows += tally.n;
        sum += tally.sum / scale;
        sum_sq += tally.sum_sq / (scale * scale);
    }
    let n = rows.max(1) as f64;
    let mean = sum / n;
    let noise = (sum_sq / n - mean * mean).max(0.0) / n;
    Block {
        start,
        end,
        rows,
        mean,
        noise,
    }
}

fn length(config: &Config) -> i64 {
    i64::try_from(config.block.as_secs())
        .unwrap_or(i64::MAX)
        .max(1)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use spec::LiveMetric;

    use super::*;

    fn config() -> Config {
        Config {
            block: Duration::from_secs(10),
            min_rows: 3,
            ..Config::new(LiveMetric::Mae, Duration::from_secs(3600), 0.05)
        }
    }

    /// Feeds `(second, version, loss)` and returns the blocks that close, with the number of late losses.
    fn feed(losses: &[(i64, u32, f64)]) -> (Vec<Block>, usize) {
        let (config, mut open) = (config(), OpenBlocks::default());
        let scales = BTreeMap::from([(1, 1.0), (2, 0.5)]);
        let (mut blocks, mut late) = (Vec::new(), 0);
        for &(second, version, loss) in losses {
            late += usize::from(!open.add(second, version, loss, &config));
            while let Some(block) = open.close_next(&scales, &config) {
                blocks.push(block);
            }
        }
        (blocks, late)
    }

    #[test]
    fn a_block_closes_when_enough_happened_a_whole_block_later() {
        let three = |at: i64, loss: f64| [(at, 1, loss), (at + 1, 1, loss), (at + 2, 1, loss)];
        let mut losses = [three(0, 1.0), three(10, 2.0)].concat();
        assert_eq!(
            feed(&losses),
            (vec![], 0),
            "the next block alone closes nothing"
        );
        losses.extend([(20, 1, 9.0), (999, 1, 9.0)]);
        assert_eq!(feed(&losses).0.len(), 0, "a wild time is one row only");
        losses.push((21, 1, 9.0));
        let (blocks, _) = feed(&losses);
        assert_eq!(
            blocks
                .iter()
                .map(|b| (b.start, b.end, b.rows, b.mean))
                .collect::<Vec<_>>(),
            [(0, 10, 3, 1.0)]
        );
        losses.push((5, 1, 100.0));
        assert_eq!(feed(&losses).1, 1, "late for its block");
    }

    #[test]
    fn versions_are_brought_to_one_scale_and_strangers_left_out() {
        let losses = [
            (0, 1, 2.0),
            (1, 2, 1.0),
            (2, 2, 1.0),
            (3, 7, 50.0),
            (20, 1, 0.0),
            (21, 1, 0.0),
            (22, 7, 0.0),
        ];
        let (blocks, _) = feed(&losses);
        assert_eq!(
            blocks.iter().map(|b| (b.rows, b.mean)).collect::<Vec<_>>(),
            [(3, 2.0)]
        );
    }

    #[test]
    fn a_clock_that_was_wrong_for_a_while_closes_nothing() {
        let day = |at: i64| (0..5).map(move |n| (at + n, 1, 1.0));
        // Every answer of a block is stamped a year ahead, then the clock is right again.
        let days = [0, 10, 10_000, 10_010, 20, 30, 40];
        let (blocks, late) = feed(&days.into_iter().flat_map(day).collect::<Vec<_>>());
        let starts: Vec<i64> = blocks.iter().map(|block| block.start).collect();
        assert_eq!((starts, late), (vec![0, 10, 20], 0));
        // After a long silence, the third block says that what was before is over.
        let days = [0, 10, 5_000, 5_010, 5_020];
        let (blocks, late) = feed(&days.into_iter().flat_map(day).collect::<Vec<_>>());
        let starts: Vec<i64> = blocks.iter().map(|block| block.start).collect();
        assert_eq!((starts, late), (vec![0, 10, 5_000], 0));
    }

    #[test]
    fn thin_blocks_go_on_into_the_next() {
        let losses: Vec<_> = (0..12).map(|i| (i * 5, 1, i as f64)).collect();
        let (blocks, _) = feed(&losses);
        assert_eq!(
            blocks
                .iter()
                .map(|b| (b.start, b.end, b.rows))
                .collect::<Vec<_>>(),
            [(0, 20, 4)]
        );
    }
}
