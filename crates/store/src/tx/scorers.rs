//! [`Scorers`] in SQL.

use super::column::{Cols, Param as _, Value};
use super::{Tx, must, only, params};
use crate::error::{Error, Result};
use crate::gate::Thing;
use crate::scorers::{OnlineScoring, ScorerVersion, Scorers};

/// What a version is read from.
const VERSIONS: &str = "SELECT s.\"id\", s.\"experiment\", s.\"name\", v.\"version\", v.\"serialized\", v.\"created_at\" \
                        FROM scorers s JOIN scorer_versions v ON v.\"scorer\" = s.\"id\"";

fn version(cols: &mut Cols<'_>) -> Result<ScorerVersion> {
    Ok(ScorerVersion {
        id: cols.get()?,
        experiment: cols.get::<i64>()?.to_string(),
        name: cols.get()?,
        version: cols.get()?,
        serialized: cols.get()?,
        created_at: cols.get()?,
    })
}

fn number(experiment: &str) -> Result<i64> {
    experiment
        .parse()
        .map_err(|_| Error::missing("experiment", experiment))
}

/// `?1, ?2 …` from `first` on.
fn marks(first: usize, count: usize) -> String {
    let each: Vec<_> = (first..first + count).map(|n| format!("?{n}")).collect();
    each.join(", ")
}

impl Tx<'_> {
    /// The id of the scorer of that name, which is made when there is none; none when its id is another scorer's.
    pub(super) fn own_scorer(
        &mut self,
        project: &str,
        asked: &ScorerVersion,
    ) -> Result<Option<String>> {
        let experiment = number(&asked.experiment)?;
        self.reach(Thing::Scorer(experiment, &asked.name))?;
        let sql = "INSERT INTO scorers (\"id\", \"project\", \"experiment\", \"name\") VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
        self.execute(sql, params![asked.id, project, experiment, asked.name])?;
        self.scorer_id(&asked.experiment, &asked.name)
    }
}

impl Scorers for Tx<'_> {
    fn register_scorer(&mut self, project: &str, asked: &ScorerVersion) -> Result<ScorerVersion> {
        let id = self
            .own_scorer(project, asked)?
            .ok_or_else(|| Error::missing("scorer", &asked.name))?;
        let sql = "INSERT INTO scorer_versions (\"scorer\", \"version\", \"serialized\", \"created_at\") \
                   SELECT ?1, COALESCE(MAX(\"version\"), 0) + 1, ?2, CAST(?3 AS BIGINT) FROM scorer_versions WHERE \"scorer\" = ?1 \
                   RETURNING \"version\"";
        let made: Option<u32> =
            self.single(sql, params![id, asked.serialized, asked.created_at])?;
        Ok(ScorerVersion {
            id,
            version: made.unwrap_or_default(),
            ..asked.clone()
        })
    }

    fn scorers(&mut self, experiments: &[String]) -> Result<Vec<ScorerVersion>> {
        let mut newest = Vec::new();
        for experiment in self.readable(experiments) {
            let Ok(experiment) = number(&experiment) else {
                continue;
            };
            let sql = format!(
                "{VERSIONS} WHERE s.\"experiment\" = ?1 AND v.\"version\" = \
                 (SELECT MAX(w.\"version\") FROM scorer_versions w WHERE w.\"scorer\" = s.\"id\") ORDER BY s.\"name\""
            );
            let found = self.rows(&sql, params![experiment], version)?;
            newest.extend(self.readable_scorers(found));
        }
        Ok(newest)
    }

    fn scorer_versions(&mut self, experiment: &str, name: &str) -> Result<Vec<ScorerVersion>> {
        self.reach_scorer(experiment, name)?;
        let sql = format!(
            "{VERSIONS} WHERE s.\"experiment\" = ?1 AND s.\"name\" = ?2 ORDER BY v.\"version\""
        );
        self.rows(&sql, params![number(experiment)?, name], version)
    }

    fn delete_scorer(
        &mut self,
        experiment: &str,
        name: &str,
        version: Option<u32>,
    ) -> Result<bool> {
        self.deleting(|tx| tx.reach_scorer(experiment, name))?;
        let Some(id) = self.scorer_id(experiment, name)? else {
            return Ok(false);
        };
        let gone = match version {
            Some(version) => {
                let sql = "DELETE FROM scorer_versions WHERE \"scorer\" = ?1 AND \"version\" = ?2";
                self.execute(sql, params![id, version])?
            }
            None => self.execute("DELETE FROM scorers WHERE \"id\" = ?1", params![id])?,
        };
        Ok(gone > 0)
    }

    fn scorer_id(&mut self, experiment: &str, name: &str) -> Result<Option<String>> {
        self.reach_scorer(experiment, name)?;
        let sql = "SELECT \"id\" FROM scorers WHERE \"experiment\" = ?1 AND \"name\" = ?2";
        self.single(sql, params![number(experiment)?, name])
    }

    fn put_online_scoring(&mut self, scoring: &OnlineScoring) -> Result<()> {
        let OnlineScoring {
            id,
            scorer,
            sample_rate,
            filter,
            ..
        } = scoring;
        self.reach_scorer_id(scorer)?;
        let known: Option<String> = self.single(
            "SELECT \"id\" FROM scorers WHERE \"id\" = ?1",
            params![scorer],
        )?;
        must(known.is_some(), "scorer", scorer)?;
        let sql = "INSERT INTO online_scoring (\"scorer\", \"id\", \"sample_rate\", \"filter\") VALUES (?1, ?2, ?3, ?4) \
                   ON CONFLICT (\"scorer\") DO UPDATE SET \"id\" = excluded.\"id\", \
                   \"sample_rate\" = excluded.\"sample_rate\", \"filter\" = excluded.\"filter\"";
        self.execute(sql, params![scorer, id, sample_rate, filter])
            .map(drop)
    }

    fn online_scoring(&mut self, project: &str, scorers: &[String]) -> Result<Vec<OnlineScoring>> {
        for scorer in scorers {
            self.reach_scorer_id(scorer)?;
        }
        if scorers.is_empty() {
            return Ok(Vec::new());
        }
        let sql = format!(
            "SELECT o.\"id\", o.\"scorer\", s.\"experiment\", o.\"sample_rate\", o.\"filter\" FROM online_scoring o \
             JOIN scorers s ON s.\"id\" = o.\"scorer\" WHERE s.\"project\" = ?1 AND o.\"scorer\" IN ({}) ORDER BY o.\"id\"",
            marks(2, scorers.len())
        );
        let mut values: Vec<Value<'_>> = vec![project.value()];
        values.extend(scorers.iter().map(|one| one.value()));
        self.rows(&sql, &values, |cols| {
            Ok(OnlineScoring {
                id: cols.get()?,
                scorer: cols.get()?,
                experiment: cols.get::<i64>()?.to_string(),
                sample_rate: cols.get()?,
                filter: cols.get()?,
            })
        })
    }

    fn scored_experiments(&mut self, project: &str) -> Result<Vec<String>> {
        let seen = self.seen_experiments("e.\"id\"");
        let sql = format!(
            "SELECT DISTINCT e.\"id\" FROM experiments e JOIN scorers s ON s.\"experiment\" = e.\"id\" \
                   WHERE e.\"project\" = ?1 AND e.\"lifecycle\" = 'active'{seen} ORDER BY e.\"id\""
        );
        let ids: Vec<i64> = self.rows(&sql, params![project], only)?;
        Ok(ids.into_iter().map(|id| id.to_string()).collect())
    }
}
