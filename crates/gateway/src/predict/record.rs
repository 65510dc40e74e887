//! What is kept of an answered request: predictions for the join log, a row for the traffic log.

use std::borrow::Cow;
use std::sync::Arc;

use inference::frame::Wire;

use super::{Call, Reached};
use crate::clock::event_micros;
use crate::fields::{Fields, Rows, text};
use crate::join::Prediction;
use crate::live::{LiveArm, LiveRoute};
use crate::traffic::Row;
use crate::worker::Worker;

/// An answered request.
pub(super) struct Record<'a> {
    pub(super) call: &'a Call,
    pub(super) route: &'a LiveRoute,
    pub(super) arm: &'a LiveArm,
    pub(super) rows: &'a Rows<'a>,
    pub(super) minted: Option<&'a str>,
    pub(super) reached: &'a Reached,
}

impl Record<'_> {
    /// Hands it to the logs; they take it or count it.
    pub(super) fn keep(&self, worker: &Worker) {
        let joins = self.route.route.join.is_some() && self.call.pinned.is_none();
        if joins && self.reached.status.is_success() {
            self.join(worker);
        }
        if let Some(tap) = &worker.tap
            && tap.admits(self.call.body.len(), &self.arm.counters)
        {
            tap.push(Row {
                time: self.call.arrived,
                route: Arc::clone(&self.route.route),
                version: self.arm.version,
                request_id: self
                    .id(&self.rows.first())
                    .map_or_else(String::new, Cow::into_owned),
                status: self.reached.status.as_u16(),
                latency_micros: i64::try_from(self.call.began.elapsed().as_micros())
                    .unwrap_or(i64::MAX),
                body: self.call.body.clone(),
                prediction: self
                    .reached
                    .predictions
                    .first()
                    .copied()
                    .unwrap_or(f64::NAN),
                counters: Arc::clone(&self.arm.counters),
            });
        }
    }

    /// One record a row that has an id. The rows of an Open Inference Protocol request share one,
    /// so from the second on `#1`, `#2` … is added.
    fn join(&self, worker: &Worker) {
        let predictions = &self.reached.predictions;
        match self.call.wire {
            Wire::Rows | Wire::V1 | Wire::Scoring | Wire::Csv => {
                for (at, row) in self.rows.as_slice().iter().enumerate() {
                    match (self.id(row), predictions.get(at)) {
                        (Some(id), Some(y)) => self.push(worker, &id, *y, row),
                        // Frames carry the first few thousand predictions only.
                        (Some(_), None) => self.arm.counters.unlogged(1),
                        (None, _) => {}
                    }
                }
            }
            Wire::Oip | Wire::OipRaw(_) | Wire::Grpc => {
                let row = self.rows.first();
                let Some(id) = self.id(&row) else {
                    return;
                };
                for (at, y) in predictions.iter().enumerate() {
                    match at {
                        0 => self.push(worker, &id, *y, &row),
                        _ => self.push(worker, &format!("{id}#{at}"), *y, &row),
                    }
                }
            }
        }
    }

    fn push(&self, worker: &Worker, id: &str, y: f64, row: &Fields<'_>) {
        let arrived = self.call.arrived;
        let prediction = Prediction {
            route: &self.route.key,
            version: self.arm.version,
            id,
            y,
            t: row.time.and_then(event_micros).unwrap_or(arrived),
            a: arrived,
        };
        worker.lane.push(&prediction, &self.arm.counters);
    }

    fn id<'a>(&'a self, row: &Fields<'a>) -> Option<Cow<'a, str>> {
        row.id.or(self.minted).map(text)
    }
}
