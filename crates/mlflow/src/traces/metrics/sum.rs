//! Rows of numbers, grouped and summed.
//!
//! Percentiles interpolate linearly between the two nearest values (R. J. Hyndman and Y. Fan, "Sample Quantiles in
//! Statistical Packages", 1996, definition 7).

use super::Plan;
use serde::Serialize;
use std::collections::BTreeMap;

/// One group with its sums.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct DataPoint {
    /// What is measured.
    pub metric_name: String,
    /// The group.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub dimensions: BTreeMap<String, String>,
    /// A number for each way of summing.
    pub values: BTreeMap<String, f64>,
}

/// A way of summing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sum {
    /// How many.
    Count,
    /// All together.
    Total,
    /// The mean.
    Mean,
    /// The smallest.
    Least,
    /// The largest.
    Most,
    /// A percentile.
    Percentile(f64),
}

/// One row that is summed: its group and its number.
pub type Row = (Vec<String>, f64);

impl Plan {
    /// Sums rows by their group; groups come in their order. The first member of a group is its time, when there are
    /// buckets. `shown` writes a time, in milliseconds, as answers show it.
    pub fn points(&self, rows: Vec<Row>, shown: impl Fn(i64) -> String) -> Vec<DataPoint> {
        let mut groups: BTreeMap<(Option<i64>, Vec<String>), Vec<f64>> = BTreeMap::new();
        if self.bucket.is_none() && self.dimensions.is_empty() && self.sums.contains(&Sum::Count) {
            // Nothing is a number of things, where it is not grouped.
            groups.insert((None, Vec::new()), Vec::new());
        }
        for (mut group, number) in rows {
            let time = self.bucket.map(|bucket| {
                let at: i64 = group.remove(0).parse().unwrap_or_default();
                at.div_euclid(bucket) * bucket
            });
            groups.entry((time, group)).or_default().push(number);
        }
        let point = |((time, group), mut numbers): ((Option<i64>, Vec<String>), Vec<f64>)| {
            numbers.sort_by(f64::total_cmp);
            let named = self.dimensions.iter().cloned().zip(group);
            let time = time.map(|time| ("time_bucket".to_owned(), shown(time)));
            DataPoint {
                metric_name: self.metric.clone(),
                dimensions: time.into_iter().chain(named).collect(),
                values: self
                    .sums
                    .iter()
                    .filter_map(|sum| Some((sum.name(), sum.of(&numbers)?)))
                    .collect(),
            }
        };
        groups.into_iter().take(self.limit).map(point).collect()
    }
}

impl Sum {
    fn name(self) -> String {
        match self {
            Sum::Count => "COUNT".to_owned(),
            Sum::Total => "SUM".to_owned(),
            Sum::Mean => "AVG".to_owned(),
            Sum::Least => "MIN".to_owned(),
            Sum::Most => "MAX".to_owned(),
            Sum::Percentile(place) => format!("P{place:?}"),
        }
    }

    /// Of numbers that are sorted; of none there is a count only.
    fn of(self, sorted: &[f64]) -> Option<f64> {
        let total: f64 = sorted.iter().sum();
        let count = sorted.len() as f64;
        let (least, most) = match (sorted.first(), sorted.last()) {
            (Some(least), Some(most)) => (*least, *most),
            _ => return (self == Sum::Count).then_some(0.0),
        };
        Some(match self {
            Sum::Count => count,
            Sum::Total => total,
            Sum::Mean => total / count,
            Sum::Least => least,
            Sum::Most => most,
            Sum::Percentile(place) => {
                let at = place / 100.0 * (count - 1.0);
                let below = at.floor() as usize;
                let above = (below + 1).min(sorted.len() - 1);
                let part = at - at.floor();
                (1.0 - part) * sorted[below] + part * sorted[above]
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traces::metrics::View;

    fn plan() -> Plan {
        Plan {
            view: View::Traces,
            metric: "latency".into(),
            sums: Vec::new(),
            dimensions: Vec::new(),
            filters: Vec::new(),
            bucket: None,
            limit: 1000,
        }
    }

    #[test]
    fn groups_and_sums() {
        let plan = Plan {
            bucket: Some(1000),
            sums: vec![
                Sum::Count,
                Sum::Mean,
                Sum::Percentile(50.0),
                Sum::Percentile(99.9),
            ],
            dimensions: vec!["trace_name".into()],
            ..plan()
        };
        let row = |at: i64, name: &str, number| (vec![at.to_string(), name.to_owned()], number);
        let rows = vec![
            row(2500, "b", 4.0),
            row(1100, "a", 1.0),
            row(1900, "a", 4.0),
            row(1000, "a", 2.0),
        ];
        let got = plan.points(rows, |at| at.to_string());
        assert_eq!(got.len(), 2);
        assert_eq!(got[0].dimensions["time_bucket"], "1000");
        assert_eq!((got[0].values["COUNT"], got[0].values["P50.0"]), (3.0, 2.0));
        assert!((got[0].values["P99.9"] - 3.996).abs() < 1e-9);
        assert_eq!(got[1].dimensions["trace_name"], "b");
        let whole = Plan {
            bucket: None,
            dimensions: Vec::new(),
            ..plan
        };
        let none = whole.points(Vec::new(), |at| at.to_string());
        assert_eq!(
            (none.len(), none[0].values.len(), none[0].values["COUNT"]),
            (1, 1, 0.0)
        );
    }
}
