//! [`Deployments`] in SQL.

use super::filter::Filter;
use super::{Tx, params, record::record};
use crate::deployments::{Deployment, Deployments};
use crate::error::Result;

record!(Deployment in "deployments", key(project, environment, service), model, version, previous, since, rollout_id,
    reason, commit, shape, generation, keep_previous_until);

impl Deployments for Tx<'_> {
    fn put_deployment(&mut self, deployment: &Deployment) -> Result<()> {
        self.upsert(deployment)
    }

    fn deployment(
        &mut self,
        project: &str,
        environment: &str,
        service: &str,
    ) -> Result<Option<Deployment>> {
        self.get(params![project, environment, service])
    }

    fn deployments(&mut self, project: Option<&str>) -> Result<Vec<Deployment>> {
        let mut wanted = Filter::default();
        wanted.some("\"project\" = ?", project.as_ref());
        let (rest, values) =
            wanted.finish("\"project\", \"environment\", \"service\"", 0, 1_000_000);
        self.select(&rest, &values)
    }

    fn delete_deployment(
        &mut self,
        project: &str,
        environment: &str,
        service: &str,
    ) -> Result<bool> {
        self.remove::<Deployment>(params![project, environment, service])
    }
}
