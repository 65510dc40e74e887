//! [`Moving`] in SQL.

use super::{Tx, must, must_be_new, params, record::record};
use crate::error::Result;
use crate::models::ModelVersion;
use crate::moving::{Moved, Moving};

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

    fn moved(&mut self, project: &str, kind: &str, id: &str) -> Result<Option<Moved>> {
        self.get(params![project, kind, id])
    }

    fn set_moved(&mut self, moved: &Moved) -> Result<()> {
        self.upsert(moved)
    }
}
