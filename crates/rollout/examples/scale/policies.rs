//! Who decides how many replicas there are: ours, Knative's, Kubernetes', and nobody.

use super::simulation::{Policy, SLOTS, Seen};
use rollout::scale::{Arm, Reading, Replicas, Role, Scaler, Tuning, replicas};
use std::{collections::VecDeque, time::Duration};

/// What the reconciler does.
pub(crate) struct Ours {
    scaler: Scaler,
    start: Duration,
}

impl Ours {
    pub(crate) fn new(start: Duration) -> Self {
        let scaler = Scaler::new(Tuning::USUAL, 1, Duration::ZERO);
        Ours { scaler, start }
    }
}

impl Policy for Ours {
    fn period(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn wanted(&mut self, seen: &Seen) -> usize {
        let reading = Reading {
            at: seen.now,
            arrived: seen.arrived as u64,
            present: seen.present as u64,
            time: seen.time,
        };
        let there = Replicas {
            ready: seen.ready as u32,
            concurrency: SLOTS as u32,
            start: self.start,
        };
        let need = self.scaler.see(reading, there);
        let scale = spec::Scale {
            min: 1,
            max: 1000,
            concurrency: Some(SLOTS as u32),
            ..spec::Scale::default()
        };
        let arm = Arm {
            version: 1,
            role: Role::Serves,
            need,
        };
        let running = (seen.ready + seen.starting) as u32;
        replicas(&scale, &need, &arm, running).replicas as usize
    }
}

/// The requests at a time over the last while, by their times added up.
#[derive(Default)]
struct Averages(VecDeque<(Duration, Duration)>);

impl Averages {
    fn push(&mut self, seen: &Seen) {
        if self.0.is_empty() {
            self.0.push_back((Duration::ZERO, Duration::ZERO));
        }
        self.0.push_back((seen.now, seen.time));
    }

    fn over(&self, window: Duration) -> f64 {
        let Some((now, time)) = self.0.back() else {
            return 0.0;
        };
        let begin = now.saturating_sub(window);
        let after = self.0.partition_point(|(at, _)| *at < begin);
        let (at, then) = self.0[after.min(self.0.len() - 1)];
        let passed = (*now - at).as_secs_f64();
        if passed > 0.0 {
            (*time - then).as_secs_f64() / passed
        } else {
            0.0
        }
    }
}

/// The most that was recommended within a while.
struct Highest {
    window: Duration,
    past: VecDeque<(Duration, usize)>,
}

impl Highest {
    fn of(window: Duration) -> Self {
        let past = VecDeque::new();
        Highest { window, past }
    }

    fn with(&mut self, now: Duration, count: usize) -> usize {
        self.past.push_back((now, count));
        while self.past[0].0 + self.window < now {
            self.past.pop_front();
        }
        self.past
            .iter()
            .map(|(_, count)| *count)
            .max()
            .unwrap_or(count)
    }
}

/// Knative's pod autoscaler (pkg/autoscaler/scaling/autoscaler.go).
pub(crate) struct Kpa {
    target: f64,
    averages: Averages,
    panicking: Option<Duration>,
    most: usize,
    delay: Highest,
}

const STABLE: Duration = Duration::from_secs(60);
const PANIC: Duration = Duration::from_secs(6);

impl Kpa {
    pub(crate) fn new(utilisation: f64, delay: Duration) -> Self {
        Kpa {
            target: utilisation * SLOTS as f64,
            averages: Averages::default(),
            panicking: None,
            most: 0,
            delay: Highest::of(delay),
        }
    }
}

impl Policy for Kpa {
    fn period(&self) -> Duration {
        Duration::from_secs(2)
    }

    fn wanted(&mut self, seen: &Seen) -> usize {
        self.averages.push(seen);
        let ready = seen.ready.max(1);
        let desired = |window| {
            let count = (self.averages.over(window) / self.target).ceil() as usize;
            (count, count.clamp(ready / 2, 1000 * ready))
        };
        let ((_, stable), (sudden, panic)) = (desired(STABLE), desired(PANIC));
        if sudden >= 2 * ready {
            self.panicking = Some(seen.now);
        } else if self
            .panicking
            .is_some_and(|since| since + STABLE < seen.now)
        {
            (self.panicking, self.most) = (None, 0);
        }
        let count = match self.panicking {
            Some(_) => {
                self.most = self.most.max(stable).max(panic);
                self.most
            }
            None => stable,
        };
        self.delay.with(seen.now, count)
    }
}

/// Kubernetes' horizontal pod autoscaler on requests at a time, those that wait included, as KEDA sets it up.
pub(crate) struct Hpa(Highest);

impl Hpa {
    pub(crate) fn new() -> Self {
        Hpa(Highest::of(Duration::from_secs(300)))
    }
}

impl Policy for Hpa {
    fn period(&self) -> Duration {
        Duration::from_secs(15)
    }

    fn wanted(&mut self, seen: &Seen) -> usize {
        let now = (seen.ready + seen.starting).max(1);
        let ratio = seen.present as f64 / (0.7 * SLOTS as f64) / now as f64;
        let desired = if (ratio - 1.0).abs() <= 0.1 {
            now
        } else {
            (now as f64 * ratio).ceil() as usize
        };
        let highest = self.0.with(seen.now, desired);
        let stabilised = if desired < now {
            highest.min(now)
        } else {
            desired
        };
        stabilised.min((2 * now).max(now + 4))
    }
}

/// So many, known after the event.
pub(crate) struct Fixed(pub(crate) usize);

impl Policy for Fixed {
    fn period(&self) -> Duration {
        Duration::from_secs(3600)
    }

    fn wanted(&mut self, _: &Seen) -> usize {
        self.0
    }
}
