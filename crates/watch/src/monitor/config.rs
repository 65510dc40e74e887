//! How a monitor of live error is set up: what the project file says, and the method's own constants.
//!
//! The constants were fixed on flights up to the end of May and are not tuned per service; docs/monitors.md has the
//! study. Nothing here is read from a clock or a store.

use std::time::Duration;

use spec::LiveMetric;

/// What a monitor does. Everything but `metric`, `budget` and `tolerance` is the method's.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The figure that is watched.
    pub metric: LiveMetric,
    /// One false alarm in so much event time, at most.
    pub budget: Duration,
    /// A rise of the figure that is not worth an alarm, as a share of the reference (0.05 is 5 %).
    pub tolerance: f64,
    /// Length of a block of event time. Losses within a block are dependent and count as one observation.
    pub block: Duration,
    /// A block with fewer labelled answers than this is taken together with the next.
    pub min_rows: u64,
    /// So many blocks are learnt before anything is judged.
    pub warm_up: usize,
    /// So many blocks make the reference; then it is fixed, so that a slow creep cannot move it.
    pub reference: usize,
    /// No block counts for more than so many standard deviations: one storm is not a change.
    pub cap: f64,
    /// Mean length, in blocks, of the stretches that the bootstrap keeps together.
    pub stretch: f64,
    /// How many blocks a simulated future has.
    pub horizon: usize,
    /// How many futures are simulated.
    pub simulations: usize,
}

impl Config {
    /// The method's constants with the three things that a project file may say.
    #[must_use]
    pub fn new(metric: LiveMetric, budget: Duration, tolerance: f64) -> Self {
        Self {
            metric,
            budget,
            tolerance,
            block: Duration::from_hours(24),
            min_rows: 30,
            warm_up: 28,
            reference: 56,
            cap: 3.0,
            stretch: 7.0,
            horizon: 90,
            simulations: 1000,
        }
    }

    /// The budget in blocks for one false alarm, at least one.
    #[must_use]
    pub fn blocks_per_alarm(&self) -> f64 {
        (self.budget.as_secs_f64() / self.block.as_secs_f64()).max(1.0)
    }

    /// The factor by which the mean loss may rise without counting as harm.
    #[must_use]
    pub fn allowed(&self) -> f64 {
        1.0 + self.tolerance
    }
}
