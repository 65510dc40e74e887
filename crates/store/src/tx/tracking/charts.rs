//! What charts and their menus ask for: samples of histories, and the datasets of experiments.

use super::metrics::{PointRow, point_columns};
use super::{experiments, marks};
use crate::error::Result;
use crate::tracking::{MetricPoint, UsedDataset};
use crate::tx::column::Value;
use crate::tx::{Tx, params};

impl Tx<'_> {
    /// See [`metric_sample`](crate::TrackingRead::metric_sample).
    pub(super) fn sample(
        &mut self,
        run_id: &str,
        key: &str,
        steps: Option<(i64, i64)>,
        most: u32,
    ) -> Result<Vec<MetricPoint>> {
        let run = self.tracked(run_id)?;
        let (from, to) = steps.unwrap_or((i64::MIN, i64::MAX));
        let columns = point_columns("m.\"value\"", "m.\"nan\"", "m.\"at\"", "m.\"step\"");
        // Of `total` rows in `?5` parts the first `total % ?5` parts have one row more than the others.
        let sql = format!(
            "SELECT {columns} FROM (SELECT s.*, s.total / ?5 AS small, s.total % ?5 AS large FROM (\
             SELECT p.*, '' AS model_id, '' AS dataset_name, '' AS dataset_digest, \
             ROW_NUMBER() OVER (ORDER BY p.\"step\", p.\"at\", p.\"value\", p.\"nan\") - 1 AS place, COUNT(*) OVER () AS total \
             FROM (SELECT DISTINCT m.\"key\", p.\"value\", p.\"nan\", p.\"at\", p.\"step\" \
             FROM metric_points p JOIN metric_series m ON m.\"id\" = p.\"series\" \
             WHERE m.\"run\" = ?1 AND m.\"key\" = ?2 AND p.\"step\" >= ?3 AND p.\"step\" <= ?4) p) s) m \
             WHERE CASE WHEN m.total <= ?5 OR m.place = m.total - 1 THEN 1 \
             WHEN m.place < m.large * (m.small + 1) THEN CASE WHEN m.place % (m.small + 1) = 0 THEN 1 ELSE 0 END \
             WHEN (m.place - m.large * (m.small + 1)) % m.small = 0 THEN 1 ELSE 0 END = 1 ORDER BY m.place"
        );
        let rows = self.rows(
            &sql,
            params![run, key, from, to, i64::from(most)],
            PointRow::read,
        )?;
        let mut points: Vec<_> = rows.into_iter().map(|PointRow(point)| point).collect();
        // The last point takes the place of the one before it where there is one too many.
        if points.len() > most as usize {
            points.remove(points.len() - 2);
        }
        Ok(points)
    }

    /// See [`datasets_of`](crate::TrackingRead::datasets_of).
    pub(super) fn used_datasets(&mut self, ids: &[String]) -> Result<Vec<UsedDataset>> {
        let numbers: Vec<Value<'_>> = ids
            .iter()
            .filter_map(|id| experiments::number(id).ok())
            .map(Value::Int)
            .collect();
        if numbers.is_empty() {
            return Ok(Vec::new());
        }
        let sql = format!(
            "SELECT DISTINCT t.\"experiment\", i.\"name\", i.\"digest\", NULLIF(i.\"context\", '') \
             FROM run_inputs i JOIN tracked_runs t ON t.\"number\" = i.\"run\" \
             WHERE t.\"experiment\" IN ({}) AND i.\"digest\" <> '' ORDER BY 1, 2, 3, 4 LIMIT 1000",
            marks(1, numbers.len())
        );
        self.rows(&sql, &numbers, |cols| {
            let experiment: i64 = cols.get()?;
            Ok(UsedDataset {
                experiment_id: experiment.to_string(),
                name: cols.get()?,
                digest: cols.get()?,
                context: cols.get()?,
            })
        })
    }
}
