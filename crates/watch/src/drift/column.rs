//! One column against its reference: bins, counts, distances.
//!
//! Called by [`super::Report`]. Pure.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use stats::distance;

use super::{ColumnDrift, MOVED};

/// A reference column, and what was counted against it.
pub(super) struct Reference {
    bins: Bins,
    /// Shares of the reference; the last one is missing values.
    shares: Vec<f64>,
    /// Rows of the reference.
    rows: f64,
    /// Mean of the reference; numbers only.
    mean: Option<f64>,
    /// Counts of what came, in the order of `shares`.
    counts: Vec<u64>,
    /// Sum and count of the numbers that came.
    sum: f64,
    numbers: u64,
    /// Rows that had the column at all.
    present: u64,
}

enum Bins {
    /// Inclusive upper edges; above the last there is one bin more.
    Numbers(Vec<f64>),
    /// Words with their bin; others share the last.
    Words(BTreeMap<String, usize>),
}

impl Reference {
    /// From a column of a data profile; none when it says too little to compare with.
    pub(super) fn read(column: &Json) -> Option<Self> {
        let (count, nulls) = (
            column["count"].as_u64()?,
            column["nulls"].as_u64().unwrap_or(0),
        );
        let rows = (count + nulls) as f64;
        if count == 0 {
            return None;
        }
        let (bins, mut shares) = match column["kind"].as_str()? {
            "number" => numbers(column)?,
            "text" => words(column, count)?,
            _ => return None,
        };
        let values = count as f64 / rows;
        shares.iter_mut().for_each(|share| *share *= values);
        shares.push(1.0 - values);
        let counts = vec![0; shares.len()];
        Some(Self {
            bins,
            shares,
            rows,
            mean: column["mean"].as_f64(),
            counts,
            sum: 0.0,
            numbers: 0,
            present: 0,
        })
    }

    /// Counts one row's value.
    pub(super) fn add(&mut self, value: Option<&Json>) {
        self.present += u64::from(value.is_some());
        let missing = self.counts.len() - 1;
        let bin = match (&self.bins, value) {
            (_, None | Some(Json::Null)) => missing,
            (Bins::Numbers(edges), Some(value)) => match number(value) {
                Some(x) => {
                    self.sum += x;
                    self.numbers += 1;
                    edges.partition_point(|edge| *edge < x)
                }
                None => missing,
            },
            (Bins::Words(known), Some(value)) => {
                let word = value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned);
                known.get(&word).copied().unwrap_or(missing - 1)
            }
        };
        self.counts[bin] += 1;
    }

    /// How far what was counted is from the reference; none when no row had the column.
    pub(super) fn drift(self, name: &str) -> Option<ColumnDrift> {
        if self.present == 0 {
            return None;
        }
        let current = distance::shares(&self.counts);
        let rows: u64 = self.counts.iter().sum();
        // Under no change the index is about chi-squared over n (Yurdakul 2018): bins − 1 degrees of freedom.
        let used = self
            .shares
            .iter()
            .zip(&self.counts)
            .filter(|(r, c)| **r > 0.0 || **c > 0)
            .count();
        let noise = used.saturating_sub(1) as f64 * (1.0 / rows as f64 + 1.0 / self.rows);
        let psi = distance::psi(&self.shares, &current);
        Some(ColumnDrift {
            column: name.to_owned(),
            psi,
            noise,
            jensen_shannon: distance::jensen_shannon(&self.shares, &current),
            moved: psi > MOVED + noise,
            what: self.what(&current),
        })
    }

    fn what(&self, current: &[f64]) -> String {
        let last = current.len() - 1;
        let lost = current[last] - self.shares[last];
        if lost.abs() > 0.05 {
            return format!(
                "missing {:.0}%, was {:.0}%",
                100.0 * current[last],
                100.0 * self.shares[last]
            );
        }
        match (&self.bins, self.mean) {
            (Bins::Numbers(_), Some(mean)) if self.numbers > 0 => {
                format!(
                    "mean {}, was {}",
                    short(self.sum / self.numbers as f64),
                    short(mean)
                )
            }
            (Bins::Numbers(_), _) => "another distribution".to_owned(),
            (Bins::Words(known), _) => {
                let gap = |bin: usize| (current[bin] - self.shares[bin]).abs();
                let most = (0..last)
                    .max_by(|a, b| gap(*a).total_cmp(&gap(*b)))
                    .unwrap_or(0);
                let word = known
                    .iter()
                    .find(|(_, bin)| **bin == most)
                    .map_or("other words", |(word, _)| word);
                format!(
                    "{word} {:.0}%, was {:.0}%",
                    100.0 * current[most],
                    100.0 * self.shares[most]
                )
            }
        }
    }
}

/// Edges and shares from the quantiles at equal steps of probability. A value that several quantiles share is one
/// edge. Where values repeat, more than a quantile's probability lies at or below it; the profile says how much.
fn numbers(column: &Json) -> Option<(Bins, Vec<f64>)> {
    let quantiles: Vec<f64> = column["quantiles"]
        .as_array()?
        .iter()
        .filter_map(Json::as_f64)
        .collect();
    let masses: Vec<f64> = column["masses"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Json::as_f64)
        .collect();
    let exact = masses.len() == quantiles.len();
    let steps = quantiles.len().checked_sub(1).filter(|steps| *steps > 0)?;
    let (mut edges, mut below): (Vec<f64>, Vec<f64>) = (Vec::new(), Vec::new());
    for (step, quantile) in quantiles.iter().enumerate().take(steps).skip(1) {
        let mass = if exact {
            masses[step]
        } else {
            step as f64 / steps as f64
        };
        if edges.last() == Some(quantile) {
            below.pop();
            below.push(if exact {
                mass
            } else {
                mass + 0.5 / steps as f64
            });
        } else {
            edges.push(*quantile);
            below.push(mass);
        }
    }
    if edges.last() == quantiles.last() {
        below.pop();
        below.push(1.0);
    }
    let so_far = std::iter::once(0.0).chain(below.iter().copied());
    let shares = below
        .iter()
        .copied()
        .chain([1.0])
        .zip(so_far)
        .map(|(mass, before)| mass - before)
        .collect();
    Some((Bins::Numbers(edges), shares))
}

fn words(column: &Json, count: u64) -> Option<(Bins, Vec<f64>)> {
    let (mut known, mut shares) = (BTreeMap::new(), Vec::new());
    for top in column["top"].as_array()? {
        known.insert(top["value"].as_str()?.to_owned(), shares.len());
        shares.push(top["count"].as_f64()? / count as f64);
    }
    shares.push((1.0 - shares.iter().sum::<f64>()).max(0.0));
    Some((Bins::Words(known), shares))
}

fn number(value: &Json) -> Option<f64> {
    let number = match value {
        Json::String(text) => text.trim().parse().ok(),
        Json::Bool(truth) => Some(f64::from(u8::from(*truth))),
        other => other.as_f64(),
    };
    number.filter(|x: &f64| x.is_finite())
}

fn short(x: f64) -> String {
    let digits = if x.abs() >= 100.0 {
        0
    } else if x.abs() >= 1.0 {
        1
    } else {
        3
    };
    format!("{x:.digits$}")
}
