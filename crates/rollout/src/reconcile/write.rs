//! Writing what was decided, unless a person has had the last word meanwhile.

use super::{Fault, Reconciler};
use crate::{
    freeze,
    record::{self, RECONCILER},
    traffic::Traffic,
};
use jiff::Timestamp;
use serde_json::Value;
use store::{Priority, Rollout, RolloutState, Rollouts as _, Tx, Verdict};

impl<T: Traffic> Reconciler<T> {
    /// Keeps the evidence, and the verdict where it says something new.
    pub(super) async fn keep(
        &self,
        rollout: Rollout,
        verdict: Option<Verdict>,
    ) -> Result<(), Fault> {
        // Looks come several times a second; only what somebody would read wakes the others.
        let priority = if verdict.is_some() {
            Priority::Normal
        } else {
            Priority::Bulk
        };
        self.unless_ended(priority, rollout, move |tx, rollout| {
            tx.update_rollout(rollout)?;
            if let Some(verdict) = &verdict {
                tx.append_verdict(verdict)?;
            }
            Ok(())
        })
        .await
    }

    /// Keeps how answers compare, as `part` of what a roll-out has of it.
    pub(super) async fn keep_comparison(
        &self,
        rollout: &Rollout,
        part: &'static str,
        found: Value,
    ) -> Result<(), Fault> {
        self.unless_ended(Priority::Bulk, rollout.clone(), move |tx, rollout| {
            tx.set_comparison(&rollout.id, part, &found)
        })
        .await
    }

    pub(super) async fn step(
        &self,
        rollout: Rollout,
        before: RolloutState,
        now: Timestamp,
    ) -> Result<(), Fault> {
        self.unless_ended(Priority::Urgent, rollout, move |tx, rollout| {
            record::step(tx, rollout, RECONCILER, before, now)
        })
        .await
    }

    /// Makes the version the one that serves, as `by` decided: the judge, or whoever wanted it without one.
    pub(super) async fn promote(
        &self,
        rollout: Rollout,
        by: String,
        reason: String,
        last: bool,
        now: Timestamp,
    ) -> Result<(), Fault> {
        self.unless_ended(Priority::Urgent, rollout, move |tx, rollout| {
            record::promote(tx, rollout, &by, &reason, last, now)
        })
        .await
    }

    pub(super) async fn end(
        &self,
        rollout: Rollout,
        state: RolloutState,
        reason: String,
        now: Timestamp,
    ) -> Result<(), Fault> {
        self.unless_ended(Priority::Urgent, rollout, move |tx, rollout| {
            record::end(tx, rollout, RECONCILER, state, &reason, now)
        })
        .await
    }

    /// Makes a change to a roll-out, unless a person has ended or paused it since it was read.
    async fn unless_ended(
        &self,
        priority: Priority,
        rollout: Rollout,
        change: impl Fn(&mut Tx<'_>, &mut Rollout) -> store::Result<()> + Send + Sync + 'static,
    ) -> Result<(), Fault> {
        self.parts
            .store
            .write(priority, move |tx| {
                if still_active(tx, &rollout)? {
                    change(tx, &mut rollout.clone())
                } else {
                    Ok(())
                }
            })
            .await?;
        Ok(())
    }
}

/// A person may have ended or paused it since it was read, or let it go on in a freeze; their word counts.
fn still_active(tx: &mut Tx<'_>, rollout: &Rollout) -> store::Result<bool> {
    let stored = tx.rollout(&rollout.id)?;
    Ok(stored.is_some_and(|stored| {
        !stored.state.is_final()
            && stored.state != RolloutState::Paused
            && !freeze::is_news(&stored, rollout)
    }))
}
