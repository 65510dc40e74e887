//! One setting of the table, played many times by the product's judge and by Kayenta's rule.

use super::{ALPHA, SOON, kayenta};
use rollout::judge::{
    Decision, Judge,
    worlds::{Play, Series, World, learn},
};
use stats::rng::Rng;
use std::time::Duration;

const MINUTES: usize = 60;

/// What is played.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    /// The world.
    pub(super) world: World,
    /// What the candidate is like.
    pub(super) name: &'static str,
    /// Its rate over the champion's.
    pub(super) ratio: f64,
    /// How many times as many errors both arms have as in the hour before.
    pub(super) risen: f64,
    /// How many metrics are judged at once.
    pub(super) metrics: usize,
    /// Where its random numbers begin.
    pub(super) seed: u64,
}

impl Setting {
    /// Whether it is this candidate in this world.
    pub(super) fn is(&self, world: World, name: &str) -> bool {
        self.world == world && self.name == name
    }
}

/// What came of it: minutes, one for each run in which it happened.
#[derive(Clone, Debug, Default)]
pub(super) struct Cell {
    runs: usize,
    rolled_back: Vec<usize>,
    kayenta_failed: Vec<usize>,
    /// Of the runs in which a stage of [`SOON`] minutes was passed.
    pub(super) promoted: Vec<usize>,
    /// The same by Kayenta's rule.
    pub(super) kayenta_promoted: Vec<usize>,
}

impl Cell {
    /// The percentage of runs that were rolled back by this minute.
    pub(super) fn found(&self, minute: usize) -> f64 {
        percent(&self.rolled_back, minute, self.runs)
    }

    fn add(&mut self, other: Self) {
        self.runs += other.runs;
        self.rolled_back.extend(other.rolled_back);
        self.kayenta_failed.extend(other.kayenta_failed);
        self.promoted.extend(other.promoted);
        self.kayenta_promoted.extend(other.kayenta_promoted);
    }
}

/// Plays all settings, `runs` times each, on every core there is.
pub(super) fn play(settings: &[Setting], runs: usize) -> anyhow::Result<Vec<Cell>> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut cells = vec![Cell::default(); settings.len()];
    std::thread::scope(|scope| {
        let parts: Vec<_> = (0..threads)
            .map(|part| {
                let mine = move || -> Vec<(usize, Cell)> {
                    let mine = settings.iter().enumerate().skip(part).step_by(threads);
                    mine.map(|(index, setting)| (index, one(setting, runs)))
                        .collect()
                };
                scope.spawn(mine)
            })
            .collect();
        for part in parts {
            let played = part
                .join()
                .map_err(|_| anyhow::anyhow!("a play panicked"))?;
            for (index, cell) in played {
                cells[index].add(cell);
            }
        }
        Ok(cells)
    })
}

fn one(setting: &Setting, runs: usize) -> Cell {
    let mut rng = Rng::new(setting.seed);
    let judges: Vec<Judge> = (0..setting.metrics).map(judge).collect();
    let forever = Play {
        judges,
        alpha: ALPHA,
        lasting: None,
    };
    let stage = Play {
        lasting: Some(Duration::from_secs(60 * SOON as u64)),
        ..forever.clone()
    };
    let mut cell = Cell {
        runs,
        ..Cell::default()
    };
    for _ in 0..runs {
        let mut draw = |risen: f64, ratio: f64| -> Vec<Series> {
            let world = World {
                rate: risen * setting.world.rate,
                ..setting.world
            };
            (0..setting.metrics)
                .map(|_| world.draw(&mut rng, MINUTES, ratio))
                .collect()
        };
        let (history, events) = (draw(1.0, 1.0), draw(setting.risen, setting.ratio));
        let methods: Vec<_> = history
            .iter()
            .map(|series| learn(&setting.world, series))
            .collect();
        cell.rolled_back
            .extend(forever.rolled_back(&setting.world, &methods, &events));
        let failed = events.iter().filter_map(|series| kayenta::fails(series));
        let failed = failed.min();
        cell.kayenta_failed.extend(failed);
        if failed.is_none_or(|minute| minute > SOON) {
            cell.kayenta_promoted.push(SOON);
        }
        if setting.ratio == 1.0 {
            let (decision, minute) = stage.verdict(&setting.world, &methods, &events);
            if decision == Decision::Promote {
                cell.promoted.push(minute);
            }
        }
    }
    cell
}

/// Errors first, then counts of slow answers, all with the tolerance of errors and without a floor above them.
fn judge(index: usize) -> Judge {
    match index {
        0 => Judge::errors(),
        _ => Judge::Latency {
            quantile: 0.99,
            threshold: Duration::from_millis(20),
            tolerance: Judge::ERRORS_TOLERANCE,
            floor: 0.0,
        },
    }
}

/// The table's first two lines.
pub(super) const HEAD: &str = "\
| noise | requests/min/arm, rate | candidate | rolled back | by minute 12 | median minute | Kayenta | median minute |
|---|---|---|---|---|---|---|---|";

/// A line of the table.
pub(super) fn row(setting: &Setting, cell: &Cell) -> String {
    let World {
        name,
        requests,
        rate,
        ..
    } = setting.world;
    let minute = |minutes: &[usize]| {
        if minutes.is_empty() {
            "–".to_owned()
        } else {
            median(minutes).to_string()
        }
    };
    format!(
        "| {name} | {requests}, {}% | {} | {:.1}% | {:.1}% | {} | {:.1}% | {} |",
        rate * 100.0,
        setting.name,
        cell.found(MINUTES),
        cell.found(SOON),
        minute(&cell.rolled_back),
        percent(&cell.kayenta_failed, MINUTES, cell.runs),
        minute(&cell.kayenta_failed),
    )
}

/// The middle minute.
pub(super) fn median(minutes: &[usize]) -> f64 {
    super::super::report::median(minutes.iter().map(|&minute| minute as f64).collect())
}

fn percent(minutes: &[usize], until: usize, runs: usize) -> f64 {
    let count = minutes.iter().filter(|&&minute| minute <= until).count();
    100.0 * count as f64 / runs.max(1) as f64
}
