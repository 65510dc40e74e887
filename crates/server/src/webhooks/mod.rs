//! Telling others by webhook: what happened goes to the outbox in the transaction of the change ([`outbox`]), and a
//! reconciler sends it ([`crate::reconcile`]).
//!
//! Only [`send`] speaks to receivers, and only to addresses that [`guard::egress`] has seen: names are resolved once, by
//! [`resolve`], and connected to exactly what was checked; redirects are not followed. No secret is logged or answered.

mod outbox;
mod patience;
mod resolve;
mod send;

pub(crate) use outbox::{body, tell};
pub(crate) use patience::{Next, next};
pub(crate) use resolve::System;
pub(crate) use send::{Letter, Outcome, Sender};
