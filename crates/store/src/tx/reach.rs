//! A transaction within a [`Gate`]: which experiment, model or scorer a record belongs to, and what comes of a refusal.
//!
//! A refusal sticks: whatever the caller makes of the error, the transaction fails with it. So does one in which nothing was
//! asked for, unless the gate lets its caller do that with what belongs to nothing.

use std::sync::Arc;

use super::{Tx, only, params};
use crate::error::Result;
use crate::gate::{Denied, Gate, Need, Thing};
use crate::scorers::ScorerVersion;
use crate::search::{Clause, Field, Op, Operand, Search};

/// The tag of MLflow that makes a model a prompt when it is `true`.
pub(super) const PROMPT_TAG: &str = "mlflow.prompt.is_prompt";

/// The gate of a transaction and what was asked of it.
pub(crate) struct Guarded {
    gate: Arc<dyn Gate>,
    need: Need,
    asked: bool,
    refused: Option<Denied>,
}

impl Guarded {
    fn refuse(&mut self, why: Denied) -> Result<()> {
        self.refused.get_or_insert(why.clone());
        Err(why.into())
    }
}

impl Tx<'_> {
    /// Does the work within the gate, where every record that is touched must allow `need`.
    pub(crate) fn within<T>(
        &mut self,
        gate: &Arc<dyn Gate>,
        need: Need,
        work: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let before = self.guarded.replace(Guarded {
            gate: Arc::clone(gate),
            need,
            asked: false,
            refused: None,
        });
        let done = work(self);
        let after = std::mem::replace(&mut self.guarded, before);
        let asked = after.as_ref().is_some_and(|own| own.asked);
        if let Some(refused) = after.and_then(|own| own.refused) {
            return Err(refused.into());
        }
        if done.is_ok() && !asked && !gate.allows(Thing::Other, need) {
            return Err(Denied::new(need, Thing::Other).into());
        }
        done
    }

    /// Does work that only looks at what it touches, in a transaction that changes something else.
    pub fn reading<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.needing(Need::Read);
        let done = work(self);
        self.back_to(before);
        done
    }

    /// Does work that deletes what it touches.
    pub fn deleting<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.needing(Need::Delete);
        let done = work(self);
        self.back_to(before);
        done
    }

    /// Does the server's own work, whoever calls: nothing of what it finds may reach the caller.
    pub fn unguarded<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.guarded.take();
        let done = work(self);
        self.guarded = before;
        self.nothing_there();
        done
    }

    fn needing(&mut self, need: Need) -> Option<Need> {
        let own = self.guarded.as_mut()?;
        Some(std::mem::replace(&mut own.need, need))
    }

    fn back_to(&mut self, need: Option<Need>) {
        if let (Some(own), Some(need)) = (self.guarded.as_mut(), need) {
            own.need = need;
        }
    }

    /// Whether there is a gate at all: what only a gate needs to know is not looked up without one.
    pub(super) fn is_guarded(&self) -> bool {
        self.guarded.is_some()
    }

    /// Fails unless the gate allows what the transaction needs.
    pub(super) fn reach(&mut self, thing: Thing<'_>) -> Result<()> {
        let Some(own) = self.guarded.as_mut() else {
            return Ok(());
        };
        own.asked = true;
        match own.gate.allows(thing, own.need) {
            true => Ok(()),
            false => own.refuse(Denied::new(own.need, thing)),
        }
    }

    /// Fails unless the caller may make something new there, which is any of these.
    pub(super) fn reach_new(&mut self, project: &str, things: &[Thing<'_>]) -> Result<()> {
        let Some(own) = self.guarded.as_mut() else {
            return Ok(());
        };
        own.asked = true;
        // What was denied under that name stays so.
        let fine = own.gate.project() == project
            && own.gate.creates()
            && things.iter().all(|one| own.gate.allows(*one, Need::Read));
        match fine {
            true => Ok(()),
            false => own.refuse(Denied::new(Need::Update, Thing::Other)),
        }
    }

    /// Fails if what gets this name is denied to the caller.
    pub(super) fn reach_name(&mut self, thing: Thing<'_>) -> Result<()> {
        self.reading(|tx| tx.reach(thing))
    }

    /// Of what is no record of the caller's asking; looking for it was allowed.
    fn nothing_there(&mut self) {
        if let Some(own) = self.guarded.as_mut() {
            own.asked |= own.need == Need::Read;
        }
    }

    /// The things that the first column of these rows numbers.
    fn reach_found(&mut self, sql: &str, given: &[super::column::Value<'_>]) -> Result<()> {
        if !self.is_guarded() {
            return Ok(());
        }
        let found: Vec<i64> = self.rows(sql, given, only)?;
        if found.is_empty() {
            self.nothing_there();
        }
        found
            .into_iter()
            .try_for_each(|id| self.reach(Thing::Experiment(id)))
    }

    /// An experiment by what a client calls it; text that is no number names none.
    pub(super) fn reach_experiment(&mut self, id: &str) -> Result<()> {
        match id.parse() {
            Ok(id) => self.reach(Thing::Experiment(id)),
            Err(_) => {
                self.nothing_there();
                Ok(())
            }
        }
    }

    /// A run, for what its experiment allows.
    pub(super) fn reach_run(&mut self, run_id: &str) -> Result<()> {
        let sql = "SELECT \"experiment\" FROM tracked_runs WHERE \"run_id\" = ?1";
        self.reach_found(sql, params![run_id])
    }

    /// A logged model, for what its experiment allows.
    pub(super) fn reach_logged_model(&mut self, model_id: &str) -> Result<()> {
        let sql =
            "SELECT CAST(\"experiment_id\" AS BIGINT) FROM logged_models WHERE \"model_id\" = ?1";
        self.reach_found(sql, params![model_id])
    }

    /// A trace, for what its experiment allows.
    pub(super) fn reach_trace(&mut self, project: &str, trace_id: &str) -> Result<()> {
        let sql = "SELECT \"experiment\" FROM traces WHERE \"project\" = ?1 AND \"trace_id\" = ?2";
        self.reach_found(sql, params![project, trace_id])
    }

    /// An issue, for what its experiment allows.
    pub(super) fn reach_issue(&mut self, project: &str, id: &str) -> Result<()> {
        let sql = "SELECT \"experiment\" FROM issues WHERE \"project\" = ?1 AND \"id\" = ?2";
        self.reach_found(sql, params![project, id])
    }

    /// A label schema, for what its experiment allows.
    pub(super) fn reach_label_schema(&mut self, project: &str, id: &str) -> Result<()> {
        let sql = "SELECT \"experiment\" FROM label_schemas WHERE \"project\" = ?1 AND \"id\" = ?2";
        self.reach_found(sql, params![project, id])
    }

    /// An evaluation dataset, for what all its experiments allow.
    pub(super) fn reach_dataset(&mut self, id: &str) -> Result<()> {
        if !self.is_guarded() {
            return Ok(());
        }
        let sql = "SELECT CAST(\"experiment\" AS BIGINT) FROM evaluation_dataset_experiments WHERE \"dataset\" = ?1";
        let found: Vec<i64> = self.rows(sql, params![id], only)?;
        if found.is_empty() {
            return self.reach(Thing::Other);
        }
        found
            .into_iter()
            .try_for_each(|id| self.reach(Thing::Experiment(id)))
    }

    /// The same of a dataset that may be new and of no experiment yet.
    pub(super) fn reach_attached(&mut self, id: &str) -> Result<()> {
        let sql = "SELECT CAST(\"experiment\" AS BIGINT) FROM evaluation_dataset_experiments WHERE \"dataset\" = ?1";
        self.reach_found(sql, params![id])
    }

    /// A scorer, for what it and its experiment allow.
    pub(super) fn reach_scorer(&mut self, experiment: &str, name: &str) -> Result<()> {
        match experiment.parse() {
            Ok(experiment) => self.reach(Thing::Scorer(experiment, name)),
            Err(_) => {
                self.nothing_there();
                Ok(())
            }
        }
    }

    /// The scorer with that id.
    pub(super) fn reach_scorer_id(&mut self, id: &str) -> Result<()> {
        if !self.is_guarded() {
            return Ok(());
        }
        let sql = "SELECT \"experiment\", \"name\" FROM scorers WHERE \"id\" = ?1";
        let found: Vec<(i64, String)> =
            self.rows(sql, params![id], |cols| Ok((cols.get()?, cols.get()?)))?;
        if found.is_empty() {
            self.nothing_there();
        }
        found
            .iter()
            .try_for_each(|(experiment, name)| self.reach(Thing::Scorer(*experiment, name)))
    }

    /// A registered model or prompt by its name.
    pub(super) fn reach_model(&mut self, project: &str, name: &str) -> Result<()> {
        let Some(own) = self.guarded.as_ref() else {
            return Ok(());
        };
        if own.gate.project() != project {
            return self.reach_elsewhere();
        }
        let sql = "SELECT (SELECT COUNT(*) FROM model_tags t WHERE t.\"project\" = m.\"project\" AND t.\"model\" = m.\"name\" \
                   AND t.\"key\" = ?3 AND LOWER(t.\"value\") = 'true') FROM models m WHERE m.\"project\" = ?1 AND m.\"name\" = ?2";
        let prompt: Option<i64> = self.single(sql, params![project, name, PROMPT_TAG])?;
        match prompt {
            None => {
                self.nothing_there();
                Ok(())
            }
            Some(0) => self.reach(Thing::Model(name)),
            Some(_) => self.reach(Thing::Prompt(name)),
        }
    }

    fn reach_elsewhere(&mut self) -> Result<()> {
        let refused = Denied::new(Need::Read, Thing::Other);
        match self.guarded.as_mut() {
            Some(own) => own.refuse(refused),
            None => Err(refused.into()),
        }
    }

    /// A file or a folder of files, for what all experiments allow that have files there.
    pub(super) fn reach_path(&mut self, project: &str, path: &str) -> Result<()> {
        let Some(own) = self.guarded.as_ref() else {
            return Ok(());
        };
        if own.gate.project() != project {
            return self.reach_elsewhere();
        }
        // The folder of everything is above all of them.
        if path.is_empty() {
            return self.reach(Thing::Other);
        }
        let mut experiments = self.experiments_at(project, path)?;
        let segments: Vec<&str> = path.split('/').collect();
        if let Ok(first) = segments[0].parse::<i64>() {
            let sql = "SELECT \"id\" FROM experiments WHERE \"project\" = ?1 AND \"id\" = ?2";
            experiments.extend(self.rows(sql, params![project, first], only::<i64>)?);
        }
        for (n, segment) in segments.iter().enumerate() {
            // What owns files is named just above `artifacts`.
            if segments.get(n + 1).is_none_or(|next| *next == "artifacts") {
                let sql = "SELECT \"experiment\" FROM tracked_runs WHERE \"project\" = ?1 AND \"run_id\" = ?2 \
                           UNION SELECT CAST(\"experiment_id\" AS BIGINT) FROM logged_models WHERE \"project\" = ?1 AND \"model_id\" = ?2 \
                           UNION SELECT \"experiment\" FROM traces WHERE \"project\" = ?1 AND \"trace_id\" = ?2";
                experiments.extend(self.rows(sql, params![project, *segment], only::<i64>)?);
            }
        }
        if experiments.is_empty() {
            return self.reach(Thing::Other);
        }
        experiments
            .into_iter()
            .try_for_each(|id| self.reach(Thing::Experiment(id)))
    }

    /// Experiments whose folder, as somebody has chosen it, is at, above or below the path.
    fn experiments_at(&mut self, project: &str, path: &str) -> Result<Vec<i64>> {
        let sql = "SELECT \"id\", \"artifact_location\" FROM experiments WHERE \"project\" = ?1 \
                   AND \"artifact_location\" LIKE 'mlflow-artifacts:%' \
                   AND \"artifact_location\" <> 'mlflow-artifacts:/' || CAST(\"id\" AS TEXT)";
        let chosen: Vec<(i64, String)> =
            self.rows(sql, params![project], |cols| Ok((cols.get()?, cols.get()?)))?;
        let below = |inner: &str, outer: &str| {
            outer.is_empty()
                || inner
                    .strip_prefix(outer)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let at = chosen.into_iter().filter(|(_, location)| {
            let folder = location.trim_start_matches("mlflow-artifacts:");
            let folder = folder.trim_matches('/');
            below(path, folder) || below(folder, path)
        });
        Ok(at.map(|(id, _)| id).collect())
    }

    /// Those of the experiments that can be read.
    pub(super) fn readable(&mut self, experiments: &[String]) -> Vec<String> {
        let Some(own) = self.guarded.as_mut() else {
            return experiments.to_vec();
        };
        own.asked = true;
        let hidden = own.gate.hidden_experiments();
        let seen = |id: &&String| id.parse().is_ok_and(|id| !hidden.has(&id));
        experiments.iter().filter(seen).cloned().collect()
    }

    /// Those of the scorers that can be read.
    pub(super) fn readable_scorers(&self, found: Vec<ScorerVersion>) -> Vec<ScorerVersion> {
        let Some(own) = self.guarded.as_ref() else {
            return found;
        };
        let seen = |one: &ScorerVersion| {
            one.experiment.parse().is_ok_and(|experiment| {
                own.gate
                    .allows(Thing::Scorer(experiment, &one.name), Need::Read)
            })
        };
        found.into_iter().filter(seen).collect()
    }

    /// ` AND …`, by which a statement leaves out what is of experiments that cannot be read; empty without a gate.
    pub(super) fn seen_experiments(&mut self, column: &str) -> String {
        let Some(own) = self.guarded.as_mut() else {
            return String::new();
        };
        own.asked = true;
        let hidden = own.gate.hidden_experiments();
        if hidden.all {
            return " AND 1 = 0".to_owned();
        }
        if hidden.some.is_empty() {
            return String::new();
        }
        let ids: Vec<String> = hidden.some.iter().map(i64::to_string).collect();
        format!(" AND {column} NOT IN ({})", ids.join(", "))
    }

    /// The search, and no registered models or prompts that cannot be read.
    pub(super) fn seen_models(&mut self, search: &Search) -> Search {
        let mut search = search.clone();
        let Some(own) = self.guarded.as_mut() else {
            return search;
        };
        own.asked = true;
        let (models, prompts) = (own.gate.hidden_models(), own.gate.hidden_prompts());
        let names: Vec<String> = models.some.union(&prompts.some).cloned().collect();
        let mut clause = |name: &str, op: Op, operand: Operand| {
            search.clauses.push(Clause {
                field: Field::Attribute(name.to_owned()),
                op,
                operand,
            });
        };
        if !names.is_empty() {
            clause("name", Op::NotIn, Operand::Texts(names));
        }
        if models.all {
            clause("prompt", Op::Gt, Operand::Number(0.0));
        }
        if prompts.all {
            clause("prompt", Op::Eq, Operand::Number(0.0));
        }
        search
    }
}
