//! What is kept of an answered request: predictions for the join log, a row for the traffic log.

use std::borrow::Cow;
use std::sync::Arc;

use inference::frame::Wire;

use super::{Call, Reached};
use crate::clock::event_micros;
use crate::fields::{Fields, Rows, text};
use crate::join::Prediction;
use crate::live::{LiveArm, LiveRoute};
use crate::request_id;
use crate::traffic::{Instance, Payload, Protocol, Row, Tap};
use crate::worker::Worker;

/// Most rows of a request whose ids and predictions the traffic log has.
const MAX_ROWS: usize = 1024;

/// An answered request.
pub(super) struct Record<'a> {
    pub(super) call: &'a Call,
    pub(super) route: &'a LiveRoute,
    pub(super) arm: &'a LiveArm,
    pub(super) rows: &'a Rows<'a>,
    pub(super) minted: Option<&'a str>,
    pub(super) reached: &'a Reached,
    /// The request's id, whoever gave it.
    pub(super) id: &'a str,
}

impl Record<'_> {
    /// Hands it to the logs; they take it or count it.
    pub(super) fn keep(&self, worker: &Worker) {
        let joins = self.route.route.join.is_some() && self.call.pinned.is_none();
        if joins && self.reached.status.is_success() {
            self.join(worker);
        }
        if let Some(tap) = &worker.tap
            && self.route.route.log.samples(self.id)
        {
            self.log(worker, tap);
        }
    }

    fn log(&self, worker: &Worker, tap: &Tap) {
        let rules = &self.route.route.log;
        let json = match self.call.wire {
            Wire::OipRaw(json) => json,
            _ => 0,
        };
        let (body, answer) = match rules.bodies {
            true => (
                Payload::body(&self.call.body, json),
                Payload::answer(&self.reached.body, self.reached.json),
            ),
            false => <(Payload, Payload)>::default(),
        };
        if !tap.admits([&body, &answer], &self.arm.counters) {
            return;
        }
        let hides = self.route.route.hides_ids();
        let request_id = match hides {
            true => Cow::Owned(request_id::minted(worker.random())),
            false => Cow::Borrowed(self.id),
        };
        tap.push(|chunk| {
            let own = chunk.copy(request_id.as_bytes());
            let rows = self.each().take(MAX_ROWS).enumerate();
            let instance = |(at, (id, y, _)): (usize, (Option<Cow<'_, str>>, Option<f64>, _))| {
                let id = id.filter(|_| !hides);
                Instance {
                    id: match (id, at) {
                        (Some(id), _) if *id == *request_id => own.clone(),
                        (Some(id), _) => chunk.copy(id.as_bytes()),
                        (None, 0) => own.clone(),
                        (None, _) => chunk.copy(numbered(&request_id, at).as_bytes()),
                    },
                    prediction: y.unwrap_or(f64::NAN),
                }
            };
            let instances = rows.map(instance).collect();
            Row {
                time: self.call.arrived,
                route: Arc::clone(&self.route.route),
                version: self.arm.version,
                request_id: own,
                status: self.reached.status.as_u16(),
                latency_micros: i64::try_from(self.call.began.elapsed().as_micros())
                    .unwrap_or(i64::MAX),
                protocol: Protocol::of(self.call.wire),
                body,
                answer,
                instances,
                counters: Arc::clone(&self.arm.counters),
            }
        });
    }

    /// One record a row that has an id.
    fn join(&self, worker: &Worker) {
        for (id, y, row) in self.each() {
            match (id, y) {
                (Some(id), Some(y)) => self.push(worker, &id, y, row),
                // Frames carry the first few thousand predictions only.
                (Some(_), None) => self.arm.counters.unlogged(1),
                (None, _) => {}
            }
        }
    }

    /// The rows of the request: the id by which a label comes back, if it has one, and the prediction, if it is known.
    ///
    /// Rows of the Open Inference Protocol, and those that name none themselves, share the id of their request, so
    /// from the second on `#1`, `#2` … is added.
    fn each(&self) -> impl Iterator<Item = (Option<Cow<'_, str>>, Option<f64>, &Fields<'_>)> {
        let predictions = &self.reached.predictions;
        let named = self.rows.as_slice();
        let shared = matches!(self.call.wire, Wire::Oip | Wire::OipRaw(_) | Wire::Grpc);
        let (count, one) = match named {
            [first] if shared => (predictions.len(), Some(first)),
            [first] if first.id.is_none() => (predictions.len().max(1), Some(first)),
            _ => (named.len(), None),
        };
        (0..count).map(move |at| {
            let row = one.unwrap_or_else(|| &named[at]);
            let is_own = at == 0 || (one.is_none() && row.id.is_some());
            let id = self
                .own(row)
                .map(|id| if is_own { id } else { numbered(&id, at) });
            (id, predictions.get(at).copied(), row)
        })
    }

    /// The id that a client gave or was told.
    fn own<'a>(&'a self, row: &Fields<'a>) -> Option<Cow<'a, str>> {
        let given = || self.call.id.as_deref().map(Cow::Borrowed);
        row.id.or(self.minted).map(text).or_else(given)
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
}

/// The id of a row that has none of its own.
fn numbered<'a>(id: &str, at: usize) -> Cow<'a, str> {
    Cow::Owned(format!("{id}#{at}"))
}
