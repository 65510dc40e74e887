//! What changed in one output over all rows.

use crate::report::{Bar, OutputReport, Quantiles, Words};
use crate::row::{Change, OutputChange};
use stats::spread::Spread;
use std::collections::BTreeMap;

/// Pairs of words that are told apart; beyond that, they are counted only.
const PAIRS: usize = 200;
/// Pairs of words that a report names.
const SHOWN: usize = 10;

/// Counts of one output.
#[derive(Debug, Clone, Default)]
pub(crate) struct OutputTally {
    rows: u64,
    changed: u64,
    differences: Spread,
    words: BTreeMap<(String, String), u64>,
    other_words: u64,
}

impl OutputTally {
    pub(crate) fn add(&mut self, found: &OutputChange) {
        self.rows += 1;
        self.changed += u64::from(found.change == Change::Far);
        if let Some(difference) = found.difference {
            self.differences.add(difference);
        }
        if let Some(pair) = &found.words {
            let room = self.words.len() < PAIRS;
            match self.words.get_mut(pair) {
                Some(count) => *count += 1,
                None if room => {
                    self.words.insert(pair.clone(), 1);
                }
                None => self.other_words += 1,
            }
        }
    }

    pub(crate) fn report(&self, name: &str) -> OutputReport {
        let (differences, sizes) = (&self.differences, self.differences.sizes());
        let mut words: Vec<Words> = self
            .words
            .iter()
            .map(|((before, after), rows)| Words {
                before: before.clone(),
                after: after.clone(),
                rows: *rows,
            })
            .collect();
        // The map is in the order of the words, so equal counts keep it.
        words.sort_by_key(|pair| std::cmp::Reverse(pair.rows));
        let rest: u64 = words.iter().skip(SHOWN).map(|pair| pair.rows).sum();
        words.truncate(SHOWN);
        let bar = |(from, to, rows)| Bar { from, to, rows };
        OutputReport {
            name: name.to_owned(),
            rows: self.rows,
            changed: self.changed,
            mean: differences.mean(),
            difference: quantiles(differences),
            size: quantiles(&sizes),
            histogram: differences.decades().into_iter().map(bar).collect(),
            words,
            other_words: rest + self.other_words,
        }
    }
}

fn quantiles(spread: &Spread) -> Option<Quantiles> {
    let (smallest, largest) = spread.range()?;
    let at = |q| spread.quantile(q).unwrap_or_default();
    Some(Quantiles {
        smallest,
        p01: at(0.01),
        p10: at(0.1),
        p50: at(0.5),
        p90: at(0.9),
        p99: at(0.99),
        largest,
    })
}
