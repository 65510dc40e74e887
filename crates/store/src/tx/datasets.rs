//! [`Datasets`] in SQL.

use super::filter::Filter;
use super::{Tx, params, record::record};
use crate::datasets::{DatasetVersion, Datasets};
use crate::digest::Digest;
use crate::error::Result;

record!(DatasetVersion in "datasets", key(project, dataset, digest), size, profile, source, ingested_at);

impl Datasets for Tx<'_> {
    fn put_dataset(&mut self, version: &DatasetVersion) -> Result<bool> {
        self.insert(version)
    }

    fn dataset(
        &mut self,
        project: &str,
        dataset: &str,
        digest: &Digest,
    ) -> Result<Option<DatasetVersion>> {
        self.get(params![project, dataset, digest])
    }

    fn latest_dataset(&mut self, project: &str, dataset: &str) -> Result<Option<DatasetVersion>> {
        Ok(self.datasets(project, Some(dataset), 1)?.pop())
    }

    fn datasets(
        &mut self,
        project: &str,
        dataset: Option<&str>,
        limit: u32,
    ) -> Result<Vec<DatasetVersion>> {
        let project = project.to_owned();
        let mut wanted = Filter::default();
        wanted
            .some("\"project\" = ?", Some(&project))
            .some("\"dataset\" = ?", dataset.as_ref());
        let (rest, values) = wanted.finish("\"ingested_at\" DESC, \"digest\"", limit, 100);
        self.select(&rest, &values)
    }
}
