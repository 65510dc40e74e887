//! The traffic log's row of a request that was handed on: kept while its answer passes, written when that ends.

use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use http::StatusCode;

use super::Relayed;
use crate::live::{LiveArm, LiveRoute};
use crate::traffic::{Payload, Protocol, Row, Tap};
use crate::worker::Worker;

/// A row that waits for the end of its answer, however that comes; nothing, if it is not among those that are kept.
pub(super) struct Logged(Option<Kept>);

struct Kept {
    tap: Arc<Tap>,
    row: Row,
    began: Instant,
    /// The beginning of the answer.
    answer: BytesMut,
}

impl Logged {
    /// Begins one for a request that began at a time.
    pub(super) fn begin(
        worker: &Worker,
        route: &LiveRoute,
        arm: &LiveArm,
        relayed: &Relayed,
        (began, arrived): (Instant, i64),
    ) -> Self {
        let rules = &route.route.log;
        let Some(tap) = worker.tap.as_ref().filter(|_| rules.samples(&relayed.id)) else {
            return Self(None);
        };
        let (body, is_answer) = (Payload::body(&relayed.body, 0), true);
        let answer = Payload {
            is_answer,
            ..Payload::default()
        };
        Self(Some(Kept {
            tap: Arc::clone(tap),
            began,
            answer: BytesMut::new(),
            row: Row {
                time: arrived,
                route: Arc::clone(&route.route),
                version: arm.version,
                request_id: relayed.id.clone().into(),
                status: 0,
                latency_micros: 0,
                protocol: Protocol::Http,
                body: if rules.bodies {
                    body
                } else {
                    Payload::default()
                },
                answer,
                instances: Vec::new(),
                counters: Arc::clone(&arm.counters),
            },
        }))
    }

    /// The answer begins.
    pub(super) fn answers(&mut self, status: StatusCode) {
        if let Some(kept) = &mut self.0 {
            kept.row.status = status.as_u16();
            kept.row.latency_micros =
                i64::try_from(kept.began.elapsed().as_micros()).unwrap_or(i64::MAX);
        }
    }

    /// A piece of it passes.
    pub(super) fn piece(&mut self, piece: &Bytes) {
        if let Some(kept) = &mut self.0
            && kept.row.route.log.bodies
        {
            let room = kept.tap.max_body().saturating_sub(kept.answer.len());
            kept.answer
                .extend_from_slice(&piece[..piece.len().min(room)]);
            kept.row.answer.whole += piece.len();
        }
    }

    /// There was no answer; the request is tried again.
    pub(super) fn forget(mut self) {
        self.0 = None;
    }
}

impl Drop for Logged {
    fn drop(&mut self) {
        let Some(Kept {
            tap,
            mut row,
            answer,
            ..
        }) = self.0.take()
        else {
            return;
        };
        row.answer.bytes = answer.freeze();
        if tap.admits([&row.body, &row.answer], &row.counters) {
            tap.push(|_| row);
        }
    }
}
