//! How a rate is told from the noise between two arms: chosen for each judge when a roll-out begins, from how much is known
//! of the champion, and kept until it ends.
//!
//! [`crate::reconcile::fix`] chooses; [`super::measure`] judges by it; readings say it with its reason. Pure.

use serde::{Deserialize, Serialize};
use stats::noise::{Block, Noise};
use std::{fmt, time::Duration};

/// How errors, or slow answers, of the arms are compared.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Method {
    /// By which test, and why.
    #[serde(flatten)]
    pub basis: Basis,
    /// What the champion's history says of its noise; nothing where the test needs none.
    #[serde(default)]
    pub noise: Noise,
}

/// A test and the reason for it. The default is that of roll-outs for which nothing is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Basis {
    /// The test.
    pub test: Test,
    /// What is known of the champion, which decides on it.
    pub known: Known,
}

/// Which test compares two rates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Test {
    /// By request and by block ([`stats::ratio`]), which need no history.
    #[default]
    Blocks,
    /// Against the noise that the champion's history shows ([`stats::contrast`]).
    Noise,
}

/// How much is known of the champion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Known {
    /// Time in which it was looked at and had requests.
    pub time: Duration,
    /// Its errors, or slow answers, in that time.
    pub events: u64,
}

impl Known {
    /// Shorter histories say nothing of noise that lasts for minutes.
    pub const TIME: Duration = Duration::from_secs(600);
    /// Fewer events differ by chance alone as much as by any noise.
    pub const EVENTS: u64 = 20;

    /// Of a history in blocks.
    pub fn of(history: &[Block]) -> Self {
        let busy = history.iter().filter(|block| block.counts.requests > 0);
        busy.fold(Self::default(), |known, block| Self {
            time: known.time + Duration::from_secs_f64(block.seconds),
            events: known.events + block.counts.events,
        })
    }
}

impl Method {
    /// The method for a champion with this history, whose blocks are longer than those that will be judged.
    pub fn after(history: &[Block]) -> Self {
        let basis = Basis::of(Known::of(history));
        let noise = match basis.test {
            Test::Blocks => Noise::default(),
            Test::Noise => Noise::of_series(history).for_shorter_blocks(),
        };
        Self { basis, noise }
    }
}

impl Basis {
    /// The test for a champion of whom so much is known.
    pub fn of(known: Known) -> Self {
        let enough = known.time >= Known::TIME && known.events >= Known::EVENTS;
        let test = if enough { Test::Noise } else { Test::Blocks };
        Self { test, known }
    }
}

impl fmt::Display for Basis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Known { time, events } = self.known;
        let minutes = time.as_secs() / 60;
        match self.test {
            Test::Noise => write!(f, "against the noise of {minutes} minutes before"),
            Test::Blocks if time < Known::TIME => write!(
                f,
                "by request and block ({minutes} minutes of history, noise takes {})",
                Known::TIME.as_secs() / 60
            ),
            Test::Blocks => write!(
                f,
                "by request and block ({events} events in {minutes} minutes of history, noise takes {})",
                Known::EVENTS
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stats::ratio::Arm;

    fn check(minutes: usize, requests: u64, events: u64, expect: &str) {
        let block = Block {
            seconds: 60.0,
            counts: Arm { requests, events },
        };
        let method = Method::after(&vec![block; minutes]);
        assert_eq!(method.basis.to_string(), expect);
        let knows = method.noise != Noise::default();
        assert_eq!(knows, method.basis.test == Test::Noise, "{expect}");
    }

    #[test]
    fn noise_is_known_after_ten_minutes_with_requests_and_twenty_events() {
        let short = "by request and block (9 minutes of history, noise takes 10)";
        let idle = "by request and block (0 minutes of history, noise takes 10)";
        let still = "by request and block (19 events in 19 minutes of history, noise takes 20)";
        check(0, 0, 0, idle);
        check(9, 600, 6, short);
        check(60, 0, 0, idle);
        check(19, 600, 1, still);
        check(10, 600, 2, "against the noise of 10 minutes before");
    }
}
