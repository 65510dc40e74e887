//! Applying a project file: the plan is made, shown, and executed exactly as shown, in one transaction.
//!
//! The command line (through [`crate::api`]) and the push trigger call it. It changes shape only: which version serves
//! is never touched here.

use crate::{app::App, outlook};
use jiff::Timestamp;
use serde_json::{Value as Json, json};
use spec::{
    Diagnostics, ProjectFile,
    plan::{Action, Desired, Observed, Plan, ResourceKey, ResourceKind},
};
use std::collections::BTreeMap;
use store::{
    AppliedSpec, Deployment, Deployments as _, Events as _, NewEvent, Priority, Project,
    Projects as _, Runs as _, Tx,
};

/// A file to plan or apply.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its text.
    pub text: String,
    /// Its name, for messages.
    pub name: String,
    /// The folder it is in on this machine.
    pub root: Option<String>,
    /// The branch that is checked out there; none when this is not by hand.
    pub branch: Option<String>,
    /// The commit it is of; none when the tree is dirty.
    pub commit: Option<String>,
    /// Heads of branches, which count as seen from then on.
    pub heads: BTreeMap<String, String>,
    /// Delete what it no longer names.
    pub prune: bool,
    /// The project moves to this folder.
    pub moves: bool,
}

/// A file that cannot be planned or applied.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// It has mistakes.
    #[error("{0}")]
    File(Diagnostics),
    /// The state has moved since the plan was shown.
    #[error(
        "the plan is stale: the project is at generation {now}, and the plan was made from {planned}: run `mainspan plan` again"
    )]
    Stale {
        /// The generation the plan was made from.
        planned: u64,
        /// The project's generation.
        now: u64,
    },
    /// What would be done is not what was shown.
    #[error("what this file would change is not what was shown: run `mainspan plan` again")]
    Different,
    /// The name belongs to another repository.
    #[error(
        "project `{project}` is at `{known}`, not at `{asked}`: choose another name, or move it with `mainspan apply --move`"
    )]
    Elsewhere {
        /// Its name.
        project: String,
        /// Where it is.
        known: String,
        /// Where the file is.
        asked: String,
    },
    /// The store failed.
    #[error("cannot apply")]
    Store(#[from] store::Error),
}

/// A file and what applying it would do.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The file.
    pub file: ProjectFile,
    /// What would change.
    pub plan: Plan,
    observed: Observed,
    desired: Desired,
}

/// Reads a file and compares it with what was applied last.
///
/// # Errors
/// [`ApplyError::File`] with every mistake, keys that are not supported yet included.
pub async fn plan(app: &App, source: &Source) -> Result<Planned, ApplyError> {
    let file = spec::parse(&source.name, &source.text).map_err(ApplyError::File)?;
    if let Some(refused) = Diagnostics::of(spec::unsupported(&file)) {
        return Err(ApplyError::File(refused));
    }
    let project = file.project.clone();
    let (known, applied) = app
        .store()
        .read(move |tx| Ok((tx.project(&project)?, tx.applied(&project)?)))
        .await?;
    if let (Some(known), Some(asked)) = (known.and_then(|project| project.root), &source.root)
        && known != *asked
        && !source.moves
    {
        return Err(ApplyError::Elsewhere {
            project: file.project,
            known,
            asked: asked.clone(),
        });
    }
    let observed = observed(applied.as_ref());
    let desired = Desired {
        file: file.clone(),
        commit: source.commit.clone(),
        prune: source.prune,
    };
    let plan = spec::plan::plan(&desired, &observed);
    if let Some(late) = Diagnostics::of(outlook::too_late(app.store(), &file, &plan).await?) {
        return Err(ApplyError::File(late));
    }
    Ok(Planned {
        file,
        plan,
        observed,
        desired,
    })
}

fn observed(applied: Option<&AppliedSpec>) -> Observed {
    applied.map_or_else(Observed::default, |applied| Observed {
        generation: applied.generation,
        resources: serde_json::from_value(applied.resources.clone()).unwrap_or_default(),
    })
}

/// Executes a plan; `shown` is the digest of the plan that somebody has agreed to, `None` for a push.
///
/// # Errors
/// See [`ApplyError`]; nothing is changed then.
pub async fn apply(
    app: &App,
    source: &Source,
    shown: Option<&str>,
    by: &str,
) -> Result<Planned, ApplyError> {
    let planned = plan(app, source).await?;
    if let Some(shown) = shown
        && shown != planned.plan.digest()
    {
        return Err(ApplyError::Different);
    }
    let (work, source, by, now) = (planned.clone(), source.clone(), by.to_owned(), app.now());
    let outcome = app
        .store()
        .write(Priority::Normal, move |tx| {
            execute(tx, &work, &source, &by, now)
        })
        .await;
    match outcome {
        Ok(()) => Ok(planned),
        Err(error) => Err(error
            .into_caller::<Stale>()
            .map_or_else(ApplyError::Store, |stale| ApplyError::Stale {
                planned: stale.planned,
                now: stale.now,
            })),
    }
}

#[derive(Debug, thiserror::Error)]
#[error("stale")]
struct Stale {
    planned: u64,
    now: u64,
}

fn execute(
    tx: &mut Tx<'_>,
    planned: &Planned,
    source: &Source,
    by: &str,
    now: Timestamp,
) -> store::Result<()> {
    let name = &planned.file.project;
    let known = tx.project(name)?;
    let generation = known.as_ref().map_or(0, |project| project.generation);
    if generation != planned.observed.generation {
        return Err(store::Error::caller(Stale {
            planned: planned.observed.generation,
            now: generation,
        }));
    }
    let mut project = known.unwrap_or(Project {
        name: name.clone(),
        root: None,
        branch: None,
        created_at: now,
        generation: 0,
    });
    project.root = source.root.clone().or(project.root);
    project.branch = source.branch.clone().or(project.branch);
    tx.put_project(&project)?;
    for (branch, head) in &source.heads {
        tx.set_seen_commit(name, branch, head)?;
    }
    if planned.plan.is_empty() {
        // Nothing changes, and the plan that somebody may be looking at stays good.
        return Ok(());
    }
    let generation = tx.next_generation(name, generation)?;
    let after = planned.plan.applied(&planned.desired, &planned.observed);
    tx.put_applied(&AppliedSpec {
        project: name.clone(),
        generation,
        text: source.text.clone(),
        commit: source.commit.clone(),
        applied_at: now,
        by: by.to_owned(),
        resources: serde_json::to_value(&after.resources).map_err(store::Error::caller)?,
    })?;
    count_schedules(tx, planned, &after, now)?;
    for change in planned.plan.executed() {
        if matches!(change.kind, ResourceKind::Service | ResourceKind::Monitor) {
            shape(tx, name, &change.key, &after, generation, now)?;
        }
        let verb = match change.action {
            Action::Create => "created",
            Action::Update => "updated",
            Action::Delete => "deleted",
        };
        tx.append_event(&NewEvent {
            project: Some(name.clone()),
            at: now,
            actor: by.to_owned(),
            kind: format!("{}.{verb}", change.kind),
            subject: change.key.to_string(),
            reason: change.reason.clone(),
            before: planned.observed.resources.get(&change.key).cloned(),
            after: after
                .resources
                .get(&change.key)
                .filter(|_| change.action != Action::Delete)
                .cloned(),
        })?;
    }
    Ok(())
}

/// A schedule that is new or changed counts from now: what it would have done before is nobody's wish.
fn count_schedules(
    tx: &mut Tx<'_>,
    planned: &Planned,
    after: &Observed,
    now: Timestamp,
) -> store::Result<()> {
    let project = &planned.file.project;
    let zone = |of: &Observed| {
        let key = ResourceKey::new(ResourceKind::Project, project);
        of.resources
            .get(&key)
            .map(|project| project["timezone"].clone())
    };
    for name in planned.file.pipelines.keys() {
        let key = ResourceKey::new(ResourceKind::Pipeline, name);
        let schedule = |of: &Observed| {
            let pipeline = of.resources.get(&key)?;
            let schedule = pipeline["triggers"]["schedule"].as_str()?;
            Some((schedule.to_owned(), zone(of)))
        };
        if schedule(after).is_some() && schedule(after) != schedule(&planned.observed) {
            tx.set_last_fired(project, name, now)?;
        }
    }
    Ok(())
}

/// Gives a deployment its shape, the service with its monitor, and nothing else; without one it goes.
fn shape(
    tx: &mut Tx<'_>,
    project: &str,
    key: &ResourceKey,
    after: &Observed,
    generation: u64,
    now: Timestamp,
) -> store::Result<()> {
    let environment = key.environment.as_deref().unwrap_or_default();
    let resource = |kind| {
        let key = ResourceKey::in_environment(kind, &key.name, environment);
        after.resources.get(&key).cloned()
    };
    let Some(mut shape) = resource(ResourceKind::Service) else {
        tx.delete_deployment(project, environment, &key.name)?;
        return Ok(());
    };
    if let (Some(shape), Some(monitor)) = (shape.as_object_mut(), resource(ResourceKind::Monitor)) {
        shape.insert("monitor".to_owned(), monitor);
    }
    let model = shape["model"].as_str().unwrap_or_default().to_owned();
    let deployment = match tx.deployment(project, environment, &key.name)? {
        Some(known) => Deployment {
            shape,
            generation,
            model,
            ..known
        },
        None => Deployment {
            project: project.to_owned(),
            environment: environment.to_owned(),
            service: key.name.clone(),
            model,
            version: None,
            previous: None,
            since: now,
            rollout_id: None,
            reason: "no version yet".to_owned(),
            commit: None,
            shape,
            generation,
            keep_previous_until: None,
        },
    };
    tx.put_deployment(&deployment)
}

/// What [`destroy`] would take away, in words.
///
/// # Errors
/// When the store cannot be read.
pub async fn destroyed(app: &App, project: &str) -> store::Result<Vec<String>> {
    let project = project.to_owned();
    app.store()
        .read(move |tx| {
            let Some(applied) = tx.applied(&project)? else {
                return Ok(Vec::new());
            };
            let resources: BTreeMap<ResourceKey, Json> =
                serde_json::from_value(applied.resources).unwrap_or_default();
            Ok(resources.keys().rev().map(ResourceKey::in_words).collect())
        })
        .await
}

/// Removes a project with everything it runs and remembers; events stay. Its units are ended by the reconcilers.
///
/// # Errors
/// When there is no such project, or a run or roll-out of it is still active.
pub async fn destroy(app: &App, project: &str, by: &str) -> store::Result<()> {
    let (project, by, now) = (project.to_owned(), by.to_owned(), app.now());
    app.store()
        .write(Priority::Normal, move |tx| {
            if tx.project(&project)?.is_none() {
                return Err(store::Error::missing("project", project.clone()));
            }
            let active = tx.active_runs()?.into_iter().filter(|run| run.project == project).count();
            if active > 0 {
                return Err(store::Error::Conflict(format!("{active} runs of `{project}` are active: cancel them with `mainspan cancel RUN`, then destroy")));
            }
            for deployment in tx.deployments(Some(&project))? {
                tx.delete_deployment(&project, &deployment.environment, &deployment.service)?;
            }
            tx.delete_project(&project)?;
            tx.append_event(&NewEvent {
                project: Some(project.clone()),
                at: now,
                actor: by.clone(),
                kind: "project.destroyed".to_owned(),
                subject: format!("project/{project}"),
                reason: "asked for".to_owned(),
                before: Some(json!({ "project": project })),
                after: None,
            })?;
            Ok(())
        })
        .await?;
    app.known().forget();
    Ok(())
}
