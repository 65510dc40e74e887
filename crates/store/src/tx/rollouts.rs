//! [`Rollouts`] in SQL.

use serde_json::Value as Json;

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

    fn set_comparison(&mut self, rollout_id: &str, part: &str, found: &Json) -> Result<()> {
        let mut parts = match self.comparison(rollout_id)? {
            Some(Json::Object(parts)) => parts,
            _ => serde_json::Map::new(),
        };
        parts.insert(part.to_owned(), found.clone());
        let changed = self.execute(
            "UPDATE rollouts SET \"comparison\" = ?2 WHERE \"id\" = ?1",
            params![rollout_id, Json::Object(parts)],
        )?;
        must(changed > 0, "roll-out", rollout_id)
    }

    fn comparison(&mut self, rollout_id: &str) -> Result<Option<Json>> {
        let found: Option<Option<Json>> = self.single(
            "SELECT \"comparison\" FROM rollouts WHERE \"id\" = ?1",
            params![rollout_id],
        )?;
        Ok(found.flatten())
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
