//! Which answered requests are offered to the route's mirror.

use std::borrow::Cow;

use http::StatusCode;

use super::{Call, Chosen, Reached};
use crate::fields::text;
use crate::mirror::Answer;
use crate::request_id;
use crate::worker::Worker;

impl Chosen<'_> {
    /// Has a copy asked, if the mirror wants one. What a model did not answer itself is not copied.
    pub(super) fn mirror(&self, worker: &Worker, call: &Call, reached: &Reached) {
        let Some(mirror) = &self.route.mirror else {
            return;
        };
        let by_gateway = matches!(
            reached.status,
            StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT
        );
        if call.pinned.is_some() || self.malformed.is_some() || by_gateway {
            return;
        }
        if !mirror.wants(self.arm.version, worker.random()) {
            return;
        }
        let first = self.rows.first();
        let id = match self.route.route.hides_ids() {
            true => Some(request_id::minted(worker.random()).into()),
            false => first.id.or(self.minted.as_deref()).map(text),
        };
        let answer = Answer {
            id: id.map_or_else(String::new, Cow::into_owned),
            wire: call.wire,
            body: &call.body,
            status: reached.status.as_u16(),
            json: reached.json,
            said: &reached.body,
        };
        if let Some(copy) = mirror.copy(self.route, answer) {
            worker.keep(copy);
        }
    }
}
