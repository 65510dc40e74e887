//! Topic `verdicts`: how often the verdict on a roll-out is false, and how soon it finds harm, in worlds where the truth
//! is known.
//!
//! The worlds are `rollout::judge::worlds`, the judge is the product's own, and every run has an hour of the champion's
//! own traffic before it. Seeds are fixed, so that the figures are the same on every machine.

mod cell;
mod kayenta;
mod settings;

use super::report::Figure;
use cell::{Cell, Setting};
use rollout::judge::worlds::frozen;
use std::io::Write as _;

const BENCH: &str = "verdicts";
/// The share of good candidates that may be rolled back.
const ALPHA: f64 = 0.05;
/// Runs of each setting.
const RUNS: usize = 1_000;
/// When twice the errors should have been found.
const SOON: usize = 12;

/// Plays everything and prints the table; takes a few minutes.
pub(super) fn measure() -> anyhow::Result<Vec<Figure>> {
    let settings = settings::all();
    let cells = cell::play(&settings, RUNS)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", cell::HEAD)?;
    for (setting, cell) in settings.iter().zip(&cells) {
        writeln!(out, "{}", cell::row(setting, cell))?;
    }
    writeln!(out)?;
    Ok(figures(&settings, &cells))
}

/// The bars, and what is told beside them.
fn figures(settings: &[Setting], cells: &[Cell]) -> Vec<Figure> {
    let of = |wanted: &dyn Fn(&Setting) -> bool| {
        settings
            .iter()
            .zip(cells)
            .find(|(setting, _)| wanted(setting))
            .map_or(Cell::default(), |(_, cell)| cell.clone())
    };
    let mut figures = Vec::new();
    for world in frozen() {
        let good = of(&|s| s.is(world, settings::GOOD));
        let name = format!("false, {}, {}", world.name, world.requests);
        figures.push(Figure::at_most(
            BENCH,
            name,
            good.found(60),
            "%",
            100.0 * ALPHA,
        ));
    }
    for (world, minute, goal) in [(1, SOON, 85.0), (4, SOON, 70.0), (7, 60, 60.0)] {
        let world = frozen()[world];
        let double = of(&|s| s.is(world, settings::DOUBLE));
        let name = format!("2x by minute {minute}, {}", world.name);
        figures.push(Figure::at_least(
            BENCH,
            name,
            double.found(minute),
            "%",
            goal,
        ));
    }
    for (setting, cell) in settings.iter().zip(cells) {
        if setting.name == settings::THREE {
            let name = format!("false of three, {}", setting.world.name);
            figures.push(Figure::told(BENCH, name, cell.found(60), "%"));
        }
    }
    for world in [1, 4, 7].map(|index| frozen()[index]) {
        let good = of(&|s| s.is(world, settings::GOOD));
        let [ours, kayenta] = [&good.promoted, &good.kayenta_promoted];
        let name = |whose: &str| format!("promoted by {whose}, {}", world.name);
        figures.push(Figure::told(BENCH, name("us"), cell::median(ours), "min"));
        figures.push(Figure::told(
            BENCH,
            name("Kayenta"),
            cell::median(kayenta),
            "min",
        ));
    }
    figures
}
