//! [`Moving`] in SQL.

use super::{Tx, must, must_be_new, params, record::record};
use crate::error::Result;
use crate::models::ModelVersion;
use crate::moving::{Moved, Moving};
use crate::scorers::ScorerVersion;

record!(Moved in "moved", key(project, kind, id), digest, moved_at);

impl Moving for Tx<'_> {
    fn put_version(&mut self, version: &ModelVersion) -> Result<()> {
        self.reach_model(&version.project, &version.model)?;
        let ModelVersion { project, model, .. } = version;
        self.skip_versions(project, model, version.version)?;
        must_be_new(
            self.insert(version)?,
            "version",
            format!("{} of model {model}", version.version),
        )?;
        self.keep_version_tags(version)
    }

    fn skip_versions(&mut self, project: &str, model: &str, last: u32) -> Result<()> {
        self.reach_model(project, model)?;
        let sql = "UPDATE model_counters SET \"last\" = CASE WHEN \"last\" < ?3 THEN ?3 ELSE \"last\" END \
                   WHERE \"project\" = ?1 AND \"model\" = ?2";
        must(
            self.execute(sql, params![project, model, last])? == 1,
            "model",
            model,
        )
    }

    fn put_scorer_version(&mut self, project: &str, version: &ScorerVersion) -> Result<()> {
        let id = self.own_scorer(project, version)?;
        must_be_new(id.is_some(), "scorer", &version.id)?;
        let ScorerVersion {
            version: number,
            serialized,
            created_at,
            ..
        } = version;
        let sql = "INSERT INTO scorer_versions (\"scorer\", \"version\", \"serialized\", \"created_at\") VALUES (?1, ?2, ?3, ?4) \
                   ON CONFLICT DO NOTHING";
        let made = self.execute(
            sql,
            params![id.unwrap_or_default(), number, serialized, created_at],
        )?;
        must_be_new(
            made == 1,
            "version",
            format!("{number} of scorer {}", version.name),
        )
    }

    fn moved(&mut self, project: &str, kind: &str, id: &str) -> Result<Option<Moved>> {
        self.get(params![project, kind, id])
    }

    fn set_moved(&mut self, moved: &Moved) -> Result<()> {
        self.upsert(moved)
    }
}
