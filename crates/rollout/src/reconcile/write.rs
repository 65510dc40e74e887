//! Writing what was decided, unless a person has had the last word meanwhile.

use super::{Fault, Reconciler};
use crate::{record, traffic::Traffic};
use jiff::Timestamp;
use store::{Priority, Rollout, RolloutState, Rollouts as _, Verdict};

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
        self.parts
            .store
            .write(priority, move |tx| {
                if !still_active(tx, &rollout)? {
                    return Ok(());
                }
                tx.update_rollout(&rollout)?;
                if let Some(verdict) = &verdict {
                    tx.append_verdict(verdict)?;
                }
                Ok(())
            })
            .await?;
        Ok(())
    }

    pub(super) async fn step(
        &self,
        rollout: Rollout,
        before: RolloutState,
        now: Timestamp,
    ) -> Result<(), Fault> {
        self.parts
            .store
            .write(Priority::Urgent, move |tx| {
                if still_active(tx, &rollout)? {
                    record::step(tx, &rollout, before, now)
                } else {
                    Ok(())
                }
            })
            .await?;
        Ok(())
    }

    pub(super) async fn promote(
        &self,
        rollout: Rollout,
        reason: String,
        last: bool,
        now: Timestamp,
    ) -> Result<(), Fault> {
        self.parts
            .store
            .write(Priority::Urgent, move |tx| {
                if !still_active(tx, &rollout)? {
                    return Ok(());
                }
                record::promote(tx, &mut rollout.clone(), &reason, last, now)
            })
            .await?;
        Ok(())
    }

    pub(super) async fn end(
        &self,
        rollout: Rollout,
        state: RolloutState,
        reason: String,
        now: Timestamp,
    ) -> Result<(), Fault> {
        self.parts
            .store
            .write(Priority::Urgent, move |tx| {
                if !still_active(tx, &rollout)? {
                    return Ok(());
                }
                record::end(tx, &mut rollout.clone(), state, &reason, now)
            })
            .await?;
        Ok(())
    }
}

/// A person may have ended or paused it since it was read; their word counts.
fn still_active(tx: &mut store::Tx<'_>, rollout: &Rollout) -> store::Result<bool> {
    let stored = tx.rollout(&rollout.id)?;
    Ok(stored
        .is_some_and(|stored| !stored.state.is_final() && stored.state != RolloutState::Paused))
}
