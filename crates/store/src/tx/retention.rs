//! [`Retention`] in SQL.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::column::Param as _;
use super::{Tx, only, params};
use crate::digest::Digest;
use crate::error::Result;
use crate::retention::{Referred, Retention, digests_in};

/// Runs that are needed whole.
const KEPT: &str = "(\"ended_at\" IS NULL OR \"ended_at\" >= ?1 OR \"id\" IN (SELECT \"run_id\" FROM model_versions))";
/// How many ids one statement asks for.
const IDS: usize = 50;

impl Tx<'_> {
    /// The digests in the texts of the only column of a query.
    fn digests(
        &mut self,
        sql: &str,
        given: &[super::column::Value<'_>],
        found: &mut BTreeSet<Digest>,
    ) -> Result<()> {
        for text in self.rows::<Option<String>>(sql, given, only)? {
            found.extend(digests_in(&text.unwrap_or_default()));
        }
        Ok(())
    }
}

impl Retention for Tx<'_> {
    fn referred(&mut self, runs_since: Timestamp) -> Result<Referred> {
        let mut all = Referred::default();
        self.digests("SELECT \"digest\" FROM artifacts", &[], &mut all.files)?;
        self.digests(
            "SELECT \"artifact\" FROM model_versions",
            &[],
            &mut all.files,
        )?;
        let lists = &mut all.perhaps_lists;
        self.digests("SELECT \"lineage\" FROM model_versions", &[], lists)?;
        self.digests("SELECT \"outputs\" FROM step_cache", &[], lists)?;
        let since = params![runs_since];
        for column in ["snapshot", "datasets", "lock", "spec"] {
            let sql = format!("SELECT \"{column}\" FROM runs WHERE {KEPT}");
            self.digests(&sql, since, lists)?;
        }
        let sql = format!(
            "SELECT \"outputs\" FROM steps WHERE \"run_id\" IN (SELECT \"id\" FROM runs WHERE {KEPT})"
        );
        self.digests(&sql, since, lists)?;
        let sql = "SELECT \"digest\" FROM datasets WHERE \"ingested_at\" >= ?1";
        self.digests(sql, since, lists)?;
        Ok(all)
    }

    fn runs_over(&mut self, ids: &[&str], before: Timestamp) -> Result<Vec<String>> {
        let marks: Vec<String> = (2..2 + IDS).map(|n| format!("?{n}")).collect();
        let sql = format!(
            "SELECT \"id\" FROM runs WHERE \"ended_at\" < ?1 AND \"id\" IN ({}) \
             AND \"id\" NOT IN (SELECT \"run_id\" FROM model_versions WHERE \"run_id\" IS NOT NULL)",
            marks.join(", ")
        );
        let mut over = Vec::new();
        for chunk in ids.chunks(IDS) {
            let mut given = vec![before.value()];
            given.extend((0..IDS).filter_map(|n| Some(chunk.get(n).or(chunk.last())?.value())));
            over.extend(self.rows::<String>(&sql, &given, only)?);
        }
        Ok(over)
    }

    fn forget_cached_steps(&mut self, before: Timestamp) -> Result<u64> {
        let sql = "DELETE FROM step_cache WHERE (\"project\", \"key\") IN \
                   (SELECT \"project\", \"key\" FROM step_cache WHERE \"created_at\" < ?1 LIMIT 500)";
        self.execute(sql, params![before])
    }
}
