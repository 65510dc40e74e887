//! [`Artifacts`] in SQL.

use super::{Tx, params, record::record};
use crate::artifacts::{Artifact, Artifacts};
use crate::error::Result;

record!(Artifact in "artifacts", key(project, path), digest, size, created_at);

/// What is below a folder: `/` is followed by `0` in the order of bytes.
const BELOW: &str = "\"path\" > ?2 AND \"path\" < ?3";

fn bounds(folder: &str) -> (String, String) {
    (format!("{folder}/"), format!("{folder}0"))
}

impl Artifacts for Tx<'_> {
    fn put_artifact(&mut self, artifact: &Artifact) -> Result<()> {
        self.reach_path(&artifact.project, &artifact.path)?;
        self.upsert(artifact)
    }

    fn artifact(&mut self, project: &str, path: &str) -> Result<Option<Artifact>> {
        self.reach_path(project, path)?;
        self.get(params![project, path])
    }

    fn artifacts(&mut self, project: &str, folder: &str) -> Result<Vec<Artifact>> {
        self.reach_path(project, folder)?;
        if folder.is_empty() {
            return self.select("WHERE \"project\" = ?1 ORDER BY \"path\"", params![project]);
        }
        let (from, to) = bounds(folder);
        self.select(
            &format!("WHERE \"project\" = ?1 AND {BELOW} ORDER BY \"path\""),
            params![project, from, to],
        )
    }

    fn is_artifact_folder(&mut self, project: &str, path: &str) -> Result<bool> {
        self.reach_path(project, path)?;
        let (from, to) = bounds(path);
        let sql = format!(
            "SELECT \"path\" FROM artifacts WHERE \"project\" = ?1 AND {BELOW} ORDER BY \"path\" LIMIT 1"
        );
        let found: Option<String> = self.single(&sql, params![project, from, to])?;
        Ok(found.is_some())
    }

    fn delete_artifacts(&mut self, project: &str, path: &str) -> Result<u64> {
        self.deleting(|tx| tx.reach_path(project, path))?;
        let (from, to) = bounds(path);
        let one = self.remove::<Artifact>(params![project, path])?;
        let sql = format!("DELETE FROM artifacts WHERE \"project\" = ?1 AND {BELOW}");
        Ok(u64::from(one) + self.execute(&sql, params![project, from, to])?)
    }
}
