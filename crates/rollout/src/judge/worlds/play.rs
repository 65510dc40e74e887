//! The real judge in a simulated world, at one look a minute.

use super::super::{
    AtLeast, Basis, Counters, Decision, Evidence, Judge, Known, Look, Method, Policy, judge,
};
use super::World;
use jiff::{SignedDuration, Timestamp};
use stats::{
    noise::{Block, Halves, Noise},
    ratio::Arm,
};
use std::time::Duration;

/// Events of champion and candidate in each minute.
pub type Series = Vec<[u64; 2]>;

/// What is judged, and how strictly.
#[derive(Debug, Clone)]
pub struct Play {
    /// One for each series of events; errors or latency.
    pub judges: Vec<Judge>,
    /// The share of good candidates that may be rolled back.
    pub alpha: f64,
    /// When the stage is passed if nothing is found; `None`: never.
    pub lasting: Option<Duration>,
}

const MINUTE: Duration = Duration::from_secs(60);

impl Play {
    /// What the verdict was at last, and after how many minutes; [`Decision::Continue`] if the series end first.
    ///
    /// `methods` are what [`learn`] made of a history for each judge, or empty.
    pub fn verdict(
        &self,
        world: &World,
        methods: &[Method],
        events: &[Series],
    ) -> (Decision, usize) {
        let policy = Policy {
            stages: vec![0.5],
            judges: self.judges.clone(),
            false_rollbacks: self.alpha,
            at_least: AtLeast {
                requests: if self.lasting.is_some() { 1 } else { u64::MAX },
                lasting: self.lasting.unwrap_or_default(),
            },
            quiet: None,
            block: MINUTE,
            methods: methods.to_vec(),
        };
        let minutes = events.iter().map(Vec::len).min().unwrap_or(0);
        let mut evidence = Evidence::begin(&policy, at(0));
        let mut arms = [(); 2].map(|()| Counters {
            slow: vec![0; self.judges.len()],
            ..Counters::default()
        });
        for minute in 0..=minutes {
            if let Some(before) = minute.checked_sub(1) {
                for (arm, counters) in arms.iter_mut().enumerate() {
                    counters.requests += world.requests;
                    self.count(counters, events.iter().map(|series| series[before][arm]));
                }
            }
            let [champion, candidate] = arms.clone();
            let look = Look {
                at: at(minute),
                passed: MINUTE,
                champion,
                candidate,
                losses: Vec::new(),
                pending: 0,
            };
            evidence.look(&policy, &look);
            let decision = judge(&evidence, &policy).decision;
            if decision != Decision::Continue {
                return (decision, minute);
            }
        }
        (Decision::Continue, minutes)
    }

    /// The minute after which the verdict rolls back, if it does.
    pub fn rolled_back(
        &self,
        world: &World,
        methods: &[Method],
        events: &[Series],
    ) -> Option<usize> {
        let (decision, minute) = self.verdict(world, methods, events);
        (decision == Decision::RollBack).then_some(minute)
    }

    fn count(&self, counters: &mut Counters, events: impl Iterator<Item = u64>) {
        let mut slow = 0;
        for (judge, events) in self.judges.iter().zip(events) {
            match judge {
                Judge::Latency { .. } => {
                    counters.slow[slow] += events;
                    slow += 1;
                }
                _ => counters.errors += events,
            }
        }
    }
}

fn at(minute: usize) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minute as i64)
}

/// How to judge after a series of the champion alone, split into two arms.
pub fn learn(world: &World, series: &[[u64; 2]]) -> Method {
    let halves = series.iter().map(|events| Halves {
        seconds: MINUTE.as_secs_f64(),
        counts: events.map(|events| Arm {
            requests: world.requests,
            events,
        }),
    });
    let halves: Vec<Halves> = halves.collect();
    let totals: Vec<Block> = halves.iter().map(Halves::total).collect();
    Method {
        basis: Basis::of(Known::of(&totals)),
        noise: Noise::of_halves(&halves),
    }
}
