//! What every registry handler shares: finding models and versions, showing them, and keeping what serves.

use super::{
    access,
    call::Call,
    convert::{
        self,
        registry::{self, prompt},
    },
    failure::{Failure, Refuse as _},
};
use crate::webhooks;
use jiff::Timestamp;
use mlflow::{Error, ErrorCode, filter::Subject, registry as wire, webhooks::News};
use serde_json::Value;
use std::collections::BTreeSet;
use store::{
    Aliases as _, Deployments as _, Events as _, ModelVersion, Models as _, NewEvent,
    Projects as _, RegisteredModel, RolloutFilter, Rollouts as _, Tx,
};

/// The alias of what the last environment serves.
const CHAMPION: &str = "champion";

/// A model of the project.
pub(super) fn find(tx: &mut Tx<'_>, project: &str, name: &str) -> store::Result<RegisteredModel> {
    tx.model(project, name)?
        .ok_or_else(|| Error::missing(format!("Registered Model with name={name} not found")))
        .refuse()
}

/// A version of a model.
pub(super) fn find_version(
    tx: &mut Tx<'_>,
    project: &str,
    name: &str,
    version: u32,
) -> store::Result<ModelVersion> {
    tx.version(project, name, version)?
        .ok_or_else(|| {
            Error::missing(format!(
                "Model Version (name={name}, version={version}) not found"
            ))
        })
        .refuse()
}

/// A model as answers show it.
pub(super) fn show(
    tx: &mut Tx<'_>,
    model: RegisteredModel,
) -> store::Result<wire::RegisteredModel> {
    let versions = tx.versions(&model.project, &model.name)?;
    let aliases = tx.aliases(&model.project, &model.name)?;
    Ok(registry::model(model, versions, &aliases))
}

/// A version as answers show it.
pub(super) fn show_version(
    tx: &mut Tx<'_>,
    version: ModelVersion,
) -> store::Result<wire::ModelVersion> {
    let aliases = tx.aliases(&version.project, &version.model)?;
    Ok(registry::version(version, &aliases))
}

/// What a search of models or versions asks for.
pub(super) fn search(subject: Subject, asked: &wire::Search) -> Result<store::Search, Error> {
    convert::search::search(
        subject,
        asked.filter.as_deref(),
        &asked.order_by,
        asked.max_results,
        asked.page_token.as_deref(),
    )
}

/// One change to a model or its versions: who may, when, and with which event.
pub(super) struct Change {
    pub(super) project: String,
    pub(super) now: Timestamp,
    actor: String,
}

impl Change {
    /// Checks that the caller may change the registry at all.
    pub(super) fn of<M>(call: &Call<M>) -> Result<Self, Failure> {
        access::registry(&call.caller.identity)?;
        Ok(Change {
            project: call.project().to_owned(),
            now: call.app.now(),
            actor: call.caller.identity.actor(),
        })
    }

    /// Marks a model as changed just now.
    pub(super) fn touch(&self, tx: &mut Tx<'_>, name: &str) -> store::Result<RegisteredModel> {
        let mut model = find(tx, &self.project, name)?;
        model.updated_at = self.now;
        tx.update_model(&model)?;
        Ok(model)
    }

    /// Tells webhooks, if there is something to tell.
    pub(super) fn tell(&self, tx: &mut Tx<'_>, news: Option<&News>) -> store::Result<()> {
        match news {
            Some(news) => webhooks::tell(tx, &self.project, self.now, news),
            None => Ok(()),
        }
    }

    /// Says what happened.
    pub(super) fn event(
        &self,
        tx: &mut Tx<'_>,
        kind: &str,
        subject: String,
        after: Value,
    ) -> store::Result<()> {
        tx.append_event(&NewEvent {
            project: Some(self.project.clone()),
            at: self.now,
            actor: self.actor.clone(),
            kind: kind.to_owned(),
            subject,
            reason: "asked by an MLflow client".to_owned(),
            before: None,
            after: Some(after),
        })
        .map(drop)
    }
}

/// Refuses to take away a model, or one version of it, that serves or is about to.
pub(super) fn not_serving(
    tx: &mut Tx<'_>,
    project: &str,
    model: &str,
    version: Option<u32>,
) -> store::Result<()> {
    let about = |number: Option<u32>| number.is_some() && (version.is_none() || version == number);
    let serving = tx
        .deployments(Some(project))?
        .into_iter()
        .find(|deployment| {
            deployment.model == model && (about(deployment.version) || about(deployment.previous))
        });
    let filter = RolloutFilter {
        project: Some(project.to_owned()),
        active: true,
        ..RolloutFilter::default()
    };
    let moving = tx
        .rollouts(&filter)?
        .into_iter()
        .find(|rollout| rollout.model == model && about(Some(rollout.to)));
    let place = serving
        .map(|deployment| (deployment.environment, deployment.service))
        .or(moving.map(|rollout| (rollout.environment, rollout.service)));
    let Some((environment, service)) = place else {
        return Ok(());
    };
    Err(Error::new(
        ErrorCode::PermissionDenied,
        format!("model {model} serves as {service} in {environment}: promote another version there first"),
    ))
    .refuse()
}

/// Whether a name is a prompt that nothing serves, so that none of its aliases shows a deployment.
pub(super) fn only_prompt(tx: &mut Tx<'_>, model: &RegisteredModel) -> store::Result<bool> {
    let mut all = tx.deployments(Some(&model.project))?.into_iter();
    Ok(prompt(&model.tags) && !all.any(|deployment| deployment.model == model.name))
}

/// Aliases that show deployments: names of environments, and `champion`.
pub(super) fn reserved_aliases(tx: &mut Tx<'_>, project: &str) -> store::Result<BTreeSet<String>> {
    let mut reserved = BTreeSet::from([CHAMPION.to_owned()]);
    reserved.extend(
        tx.deployments(Some(project))?
            .into_iter()
            .map(|deployment| deployment.environment),
    );
    if let Some(applied) = tx.applied(project)?
        && let Ok(file) = spec::parse("mainspan.yaml", &applied.text)
    {
        reserved.extend(file.environments.iter().map(ToString::to_string));
    }
    Ok(reserved)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use store::{Deployment, Priority, StateDir, Store, StoreUrl};

    fn deployment(version: u32, previous: u32) -> Deployment {
        Deployment {
            project: "flights".into(),
            environment: "prod".into(),
            service: "delay".into(),
            model: "delay".into(),
            version: Some(version),
            previous: Some(previous),
            since: Timestamp::UNIX_EPOCH,
            rollout_id: None,
            reason: String::new(),
            commit: None,
            shape: Value::Null,
            generation: 1,
            keep_previous_until: None,
        }
    }

    #[tokio::test]
    async fn what_serves_is_kept_and_names_its_aliases() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::create(dir.path()).unwrap();
        let store = Store::open(&StoreUrl::Sqlite, &state).unwrap();
        store
            .write(Priority::Normal, |tx| tx.put_deployment(&deployment(3, 2)))
            .await
            .unwrap();
        let check = async |model: &'static str, version: Option<u32>, free: bool| {
            let got = store
                .read(move |tx| not_serving(tx, "flights", model, version))
                .await;
            assert_eq!(got.is_ok(), free, "{model} {version:?}: {got:?}");
        };
        check("delay", Some(3), false).await;
        check("delay", Some(2), false).await;
        check("delay", Some(1), true).await;
        check("delay", None, false).await;
        check("other", None, true).await;
        let reserved = store
            .read(|tx| reserved_aliases(tx, "flights"))
            .await
            .unwrap();
        assert_eq!(
            reserved.into_iter().collect::<Vec<_>>(),
            ["champion", "prod"]
        );
    }
}
