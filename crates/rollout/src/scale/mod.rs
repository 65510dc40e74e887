//! How many replicas a version needs: a pure function of what its requests were.
//!
//! Called by the reconciler ([`crate::reconcile`]) and by the simulation beside it (`examples/scale`).
//! Must never read a clock: times are passed in. docs/serving.md says how it decides, in words.
//!
//! The base is Knative's pod autoscaler (knative/serving, pkg/autoscaler/scaling/autoscaler.go): requests at a time,
//! averaged over a stable window and over a short one, by what a replica takes. It differs where that went wrong in
//! simulation:
//!
//! - **Requests that wait are no demand.** Those that gather while a replica starts would call for replicas that have
//!   nothing to do once they are there. Demand is how many come times how long one takes at a replica (Little's law), in
//!   both windows. What waits is counted apart, as work to be done once, and forgotten as soon as it is done.
//! - **The short window is as long as a request takes**, so that its demand is the requests that would be there at a time if
//!   none had to wait.
//! - **Peaks are kept**, and the longer the longer a replica takes to start: throwing one away is a bet that it will not
//!   be needed until another would be there.
//! - **Replicas that are starting are counted**, since the answer is how many there should be and not how many more.

mod arms;
mod window;

pub use arms::{Arm, Role, Wanted, replicas};
pub use window::Reading;

use std::{collections::VecDeque, fmt, time::Duration};
use window::Window;

/// What is decided by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tuning {
    /// The stable window.
    pub stable: Duration,
    /// How much of what replicas take should be taken on average over the stable window.
    pub utilisation: f64,
    /// A peak may have waited so long.
    pub wait: Duration,
    /// What waits should be gone within this time.
    pub clear: Duration,
    /// A peak is kept for the stable window, and for so many times what a replica takes to start.
    pub keep: f64,
}

impl Tuning {
    /// The usual one.
    pub const USUAL: Tuning = Tuning {
        stable: Duration::from_secs(60),
        utilisation: 0.75,
        wait: Duration::from_millis(500),
        clear: Duration::from_millis(1500),
        keep: 15.0,
    };

    /// The usual one with another stable window, and what is kept as much shorter or longer.
    #[must_use]
    pub fn with_window(stable: Duration) -> Self {
        let part = stable.as_secs_f64() / Self::USUAL.stable.as_secs_f64();
        Tuning {
            stable,
            keep: Self::USUAL.keep * part,
            ..Self::USUAL
        }
    }

    /// How long a peak is kept if a replica takes `start` until it answers.
    fn kept(&self, start: Duration) -> Duration {
        let kept = self.stable + start.mul_f64(self.keep);
        kept.min(self.stable * LONGEST)
    }
}

/// A peak is kept for so many stable windows at the most.
const LONGEST: u32 = 10;
/// Readings closer to each other than this are taken together.
const APART: Duration = Duration::from_millis(400);
/// A request takes this long as long as none has shown how long.
const FIRST_GUESS: f64 = 1.0;

/// What replicas there are for, and what they can do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Replicas {
    /// Those that answer.
    pub ready: u32,
    /// Requests that one takes at a time.
    pub concurrency: u32,
    /// How long one takes from its start until it answers.
    pub start: Duration,
}

/// Replicas that are needed, in fractions of one, and why.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Need {
    /// How many.
    pub replicas: f64,
    /// Why.
    pub why: Why,
}

/// What a need comes from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Why {
    /// No request for this long.
    Quiet(Duration),
    /// So many requests at a time on average over this window.
    Steady(f64, Duration),
    /// So many at a time in a peak, this long ago.
    Peak(f64, Duration),
    /// So many wait.
    Waiting(u64),
    /// Replicas ran already when this began to look, this long ago.
    Found(Duration),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::Quiet(time) => write!(f, "no request for {} s", time.as_secs()),
            Why::Steady(requests, time) => write!(
                f,
                "{requests:.1} requests at a time over {} s",
                time.as_secs()
            ),
            Why::Peak(requests, ago) => write!(
                f,
                "a peak of {requests:.1} requests at a time {} s ago",
                ago.as_secs()
            ),
            Why::Waiting(1) => f.write_str("a request waits"),
            Why::Waiting(requests) => write!(f, "{requests} requests wait"),
            Why::Found(ago) => write!(
                f,
                "it ran already when looking began, {} s ago",
                ago.as_secs()
            ),
        }
    }
}

/// Watches one version, or all of a service together.
#[derive(Debug, Clone)]
pub struct Scaler {
    tuning: Tuning,
    window: Window,
    /// Seconds that a request takes at a replica.
    takes: f64,
    /// Needs of the past, each with its time.
    past: VecDeque<(Duration, Need)>,
    /// When a request was there last.
    busy: Duration,
}

impl Scaler {
    /// One that has seen nothing yet, while `running` replicas run: they are kept as a peak is.
    #[must_use]
    pub fn new(tuning: Tuning, running: u32, now: Duration) -> Self {
        let found = Need {
            replicas: f64::from(running),
            why: Why::Found(Duration::ZERO),
        };
        Scaler {
            tuning,
            window: Window::default(),
            takes: FIRST_GUESS,
            past: VecDeque::from([(now, found)]),
            busy: now,
        }
    }

    /// Takes a reading and says how many replicas are needed now.
    pub fn see(&mut self, reading: Reading, replicas: Replicas) -> Need {
        let tuning = self.tuning;
        let now = reading.at;
        let room = f64::from(replicas.ready) * f64::from(replicas.concurrency);
        let each = f64::from(replicas.concurrency.max(1));
        let before = self.window.last().map(|last| last.arrived);
        if reading.present > 0 || before.is_some_and(|before| before != reading.arrived) {
            self.busy = now;
        }
        let longest = tuning.stable * LONGEST;
        let reach = tuning.stable.max(self.short()).min(longest);
        self.window.push(reading, room, APART, reach);
        let at_replicas = (reading.present as f64).min(room);
        let waiting = reading.present as f64 - at_replicas;
        let (worked, requests) = self.window.worked(tuning.stable);
        if worked > 0.0 {
            self.takes = worked / requests.max(1.0);
        }
        let short = self.rate(self.short()) * self.takes;
        let peak = Need {
            replicas: short.max(at_replicas) / each,
            why: Why::Peak(short.max(at_replicas), Duration::ZERO),
        };
        let steady = self.rate(tuning.stable) * self.takes;
        let steady = Need {
            replicas: steady / each / tuning.utilisation,
            why: Why::Steady(steady, tuning.stable),
        };
        let clear = waiting * self.takes / tuning.clear.as_secs_f64();
        let waiting = Need {
            replicas: if waiting > 0.0 {
                (short + clear) / each
            } else {
                0.0
            },
            why: Why::Waiting(waiting.ceil() as u64),
        };
        let quiet = Need {
            replicas: 0.0,
            why: Why::Quiet(now.saturating_sub(self.busy)),
        };
        let kept = self.keep(now, peak, tuning.kept(replicas.start));
        [quiet, kept, steady, waiting]
            .into_iter()
            .reduce(|most, need| {
                if need.replicas > most.replicas {
                    need
                } else {
                    most
                }
            })
            .unwrap_or(quiet)
    }

    /// The short window.
    fn short(&self) -> Duration {
        secs(self.takes) + self.tuning.wait
    }

    /// Requests that came in a second, of late.
    fn rate(&self, window: Duration) -> f64 {
        self.window.arrived(window) / window.as_secs_f64()
    }

    /// Keeps a peak; answers the highest that is still kept.
    fn keep(&mut self, now: Duration, peak: Need, kept: Duration) -> Need {
        // What is no higher than a later one never counts again.
        while self
            .past
            .back()
            .is_some_and(|(_, past)| past.replicas <= peak.replicas)
        {
            self.past.pop_back();
        }
        self.past.push_back((now, peak));
        while self.past.len() > 1 && self.past[0].0 + kept < now {
            self.past.pop_front();
        }
        let (at, mut highest) = self.past[0];
        let ago = now.saturating_sub(at);
        highest.why = match highest.why {
            Why::Peak(requests, _) => Why::Peak(requests, ago),
            Why::Found(_) => Why::Found(ago),
            other => other,
        };
        highest
    }
}

fn secs(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX / 4)
}

#[cfg(test)]
mod tests;
