//! [`Rollouts`] in SQL.

use super::filter::Filter;
use super::{Tx, must, must_be_new, params, record::record};
use crate::error::Result;
use crate::rollouts::{Rollout, RolloutFilter, Rollouts, Verdict};

record!(Rollout in "rollouts", key(id), project, environment, service, model, from, to, kind, state, stage,
    stage_started_at, created_at, ended_at, by, reason, policy, baseline, evidence);
record!(Verdict in "verdicts", key(rollout_id, seq), at, stage, decision, reasons, evidence);

impl Rollouts for Tx<'_> {
    fn insert_rollout(&mut self, rollout: &Rollout) -> Result<()> {
        must_be_new(self.insert(rollout)?, "roll-out", &rollout.id)
    }

    fn update_rollout(&mut self, rollout: &Rollout) -> Result<()> {
        must(self.replace(rollout)?, "roll-out", &rollout.id)
    }

    fn rollout(&mut self, id: &str) -> Result<Option<Rollout>> {
        self.get(params![id])
    }

    fn rollouts(&mut self, filter: &RolloutFilter) -> Result<Vec<Rollout>> {
        let mut wanted = Filter::default();
        wanted
            .some("\"project\" = ?", filter.project.as_ref())
            .some("\"environment\" = ?", filter.environment.as_ref())
            .some("\"service\" = ?", filter.service.as_ref());
        if filter.active {
            wanted.plain("\"state\" IN ('pending', 'starting', 'running', 'paused')");
        }
        let (rest, values) = wanted.finish("\"id\" DESC", filter.limit, 100);
        self.select(&rest, &values)
    }

    fn append_verdict(&mut self, verdict: &Verdict) -> Result<u64> {
        let last = self.verdicts(&verdict.rollout_id, 1)?.pop();
        let seq = last.map_or(1, |last| last.seq + 1);
        let numbered = Verdict {
            seq,
            ..verdict.clone()
        };
        must_be_new(
            self.insert(&numbered)?,
            "verdict",
            format!("{seq} of roll-out {}", verdict.rollout_id),
        )?;
        Ok(seq)
    }

    fn verdicts(&mut self, rollout_id: &str, limit: u32) -> Result<Vec<Verdict>> {
        self.select(
            "WHERE \"rollout_id\" = ?1 ORDER BY \"seq\" DESC LIMIT ?2",
            params![rollout_id, limit],
        )
    }
}
