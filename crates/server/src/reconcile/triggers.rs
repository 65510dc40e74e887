//! Triggers: new commits, schedules and alerts become runs.
//!
//! Branch heads are read ten times a second (two small files each); [`super::push`] deals with new ones. An
//! idempotency key keeps a run from starting twice.

use super::{
    push::{self, Fault, Known},
    schedule::{self, Due},
};
use crate::{
    app::App,
    runs::{self, RunError},
};
use jiff::Timestamp;
use pipeline::{StartError, Trigger, git::Repository};
use spec::ProjectFile;
use std::{collections::BTreeMap, path::Path, time::Duration};
use store::{
    AlarmFilter, Alarms as _, Events as _, Idempotency as _, NewEvent, Priority, Projects as _,
    Run, Runs as _,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

const PERIOD: Duration = Duration::from_millis(100);
/// Schedules and alerts are looked at every so many periods, and at every commit to the store.
const SLOW: u32 = 10;

/// What the last look found, for the API.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub(super) struct Status {
    /// When it ended.
    at: Option<Timestamp>,
    /// Projects that are followed.
    projects: usize,
    /// What held a project up last, and when.
    error: Option<(Timestamp, String)>,
}

/// The reconciler of triggers.
pub(super) struct Triggers {
    app: App,
    repositories: BTreeMap<String, Repository>,
    known: BTreeMap<String, Known>,
    /// Projects that are held up and why: said once, and looked at again more slowly.
    held: BTreeMap<String, String>,
    status: watch::Sender<Status>,
}

impl Triggers {
    /// One that has not looked yet.
    pub(super) fn new(app: App) -> Self {
        Triggers {
            app,
            repositories: BTreeMap::new(),
            known: BTreeMap::new(),
            held: BTreeMap::new(),
            status: watch::Sender::default(),
        }
    }

    /// What the last look found.
    pub(super) fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// Watches until the shutdown.
    pub(super) async fn run(mut self, shutdown: CancellationToken) {
        let mut changes = self.app.store().subscribe();
        for beat in 0_u32.. {
            if beat % SLOW == 0 || changes.has_changed().unwrap_or(false) {
                changes.borrow_and_update();
                self.slow().await;
            }
            self.fast().await;
            let (at, projects) = (self.app.now(), self.known.len());
            self.status
                .send_modify(|status| (status.at, status.projects) = (Some(at), projects));
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(PERIOD) => {}
            }
        }
    }

    /// Projects, schedules and alerts.
    async fn slow(&mut self) {
        let mut held = Vec::new();
        if let Err(error) = self.look().await {
            held.push(("all".to_owned(), error.into()));
        }
        for (name, known) in &mut self.known {
            let looked = match timed(&self.app, known).await {
                Ok(()) => push::follow(&self.app, known, &mut self.repositories).await,
                Err(error) => Err(error),
            };
            if let Err(error) = looked {
                held.push((name.clone(), error));
            }
        }
        let before = std::mem::take(&mut self.held);
        for (name, error) in held {
            self.hold(&name, &*error, before.get(&name));
        }
    }

    /// Projects; the file of one is read when it is new and with each generation, not at every commit.
    async fn look(&mut self) -> store::Result<()> {
        let projects = self.app.store().read(|tx| tx.projects()).await?;
        self.known
            .retain(|name, _| projects.iter().any(|project| project.name == *name));
        for project in projects {
            match self.known.get_mut(&project.name) {
                Some(known) if known.is_of(&project) => known.project = project,
                _ => {
                    if let Some(known) = Known::load(&self.app, &project.name).await? {
                        self.known.insert(project.name, known);
                    }
                }
            }
        }
        Ok(())
    }

    /// Heads of branches.
    async fn fast(&mut self) {
        let mut held = Vec::new();
        for (name, known) in &mut self.known {
            if self.held.contains_key(name) {
                continue;
            }
            if let Err(error) = push::follow(&self.app, known, &mut self.repositories).await {
                held.push((name.clone(), error));
            }
        }
        for (name, error) in held {
            self.hold(&name, &*error, None);
        }
    }

    fn hold(
        &mut self,
        project: &str,
        error: &(dyn std::error::Error + 'static),
        before: Option<&String>,
    ) {
        let said = error.to_string();
        if before != Some(&said) {
            tracing::error!(project, error, "triggers of a project are held up");
        }
        let told = (self.app.now(), format!("{project}: {said}"));
        self.status.send_modify(|status| status.error = Some(told));
        self.held.insert(project.to_owned(), said);
    }
}

fn waits(file: &ProjectFile) -> bool {
    let mut pipelines = file.pipelines.values();
    pipelines.any(|p| p.triggers.schedule.is_some() || !p.triggers.alerts.is_empty())
}

/// Schedules that are due and alerts that hold.
async fn timed(app: &App, known: &Known) -> Result<(), Fault> {
    let project = &known.project;
    let Some(file) = known.file.as_ref().filter(|f| waits(f)) else {
        return Ok(());
    };
    let alarms = raised(app, &project.name).await?;
    let now = app.now();
    for (name, pipeline) in &file.pipelines {
        if let Some(schedule) = &pipeline.triggers.schedule {
            scheduled(app, known, (name, schedule), now).await?;
        }
        for alert in &pipeline.triggers.alerts {
            let Some(condition) = file.alerts.get(alert) else {
                continue;
            };
            if let Some(alarm) = holding(file, &condition.when, &alarms) {
                let key = format!("alert/{}/{name}/{alert}/{}", project.name, alarm.id);
                let trigger = Trigger::Alert {
                    alert: alert.clone(),
                    alarm: alarm.id.clone(),
                };
                if let Some(run) = start(app, known, name, &key, trigger).await? {
                    link(app, &alarm.id, run.id).await?;
                }
            }
        }
    }
    Ok(())
}

async fn raised(app: &App, project: &str) -> store::Result<Vec<store::Alarm>> {
    let filter = AlarmFilter {
        project: Some(project.to_owned()),
        raised: true,
        ..AlarmFilter::default()
    };
    app.store().read(move |tx| tx.alarms(&filter)).await
}

async fn link(app: &App, alarm: &str, run: String) -> store::Result<()> {
    let alarm = alarm.to_owned();
    app.store()
        .write(Priority::Normal, move |tx| {
            let Some(mut row) = tx.alarm(&alarm)? else {
                return Ok(());
            };
            row.run_id = Some(run.clone());
            tx.put_alarm(&row)
        })
        .await
}

/// Starts a pipeline's run if its schedule has come due since it last fired (or since it was set).
async fn scheduled(
    app: &App,
    known: &Known,
    (pipeline, schedule): (&str, &spec::Cron),
    now: Timestamp,
) -> Result<(), Fault> {
    let (project, timezone) = (&known.project, known.file.as_ref().map(|f| &f.timezone));
    let (name, asked) = (project.name.clone(), pipeline.to_owned());
    let since = app
        .store()
        .read(move |tx| tx.last_fired(&name, &asked))
        .await?
        .unwrap_or(project.created_at);
    let timezone = timezone.and_then(Option::as_deref);
    match schedule::due(schedule, timezone, since, now)? {
        Due::NotYet => return Ok(()),
        Due::CountAnew => {}
        Due::Since(occurrence) => {
            let minute = occurrence.as_second() / 60;
            let key = format!("schedule/{}/{pipeline}/{minute}", project.name);
            start(app, known, pipeline, &key, Trigger::Schedule).await?;
        }
    }
    // Only now: a server that died before this starts the run again, under the same key.
    let (name, asked) = (project.name.clone(), pipeline.to_owned());
    let write = app.store().write(Priority::Normal, move |tx| {
        tx.set_last_fired(&name, &asked, now)
    });
    Ok(write.await?)
}

/// Starts a run of the champion's commit once per key. What somebody has to mend is said once, as an event.
async fn start(
    app: &App,
    known: &Known,
    pipeline: &str,
    key: &str,
    trigger: Trigger,
) -> Result<Option<Run>, Fault> {
    let (Some(root), Some(file)) = (&known.project.root, &known.file) else {
        return Ok(None);
    };
    let started = async {
        let repository = Repository::open(Path::new(root)).await?;
        runs::start_from_champion(
            app,
            key,
            &repository,
            file,
            pipeline,
            trigger,
            &known.project,
        )
        .await
    };
    match started.await {
        Ok(run) => Ok(run),
        Err(RunError::Store(error) | RunError::Start(StartError::Store(error))) => {
            Err(error.into())
        }
        Err(error) => {
            refused(app, &known.project.name, pipeline, key, &error).await?;
            Ok(None)
        }
    }
}

async fn refused(
    app: &App,
    project: &str,
    pipeline: &str,
    key: &str,
    error: &RunError,
) -> store::Result<()> {
    let (said, now) = (format!("refused/{key}"), app.now());
    let event = NewEvent {
        project: Some(project.to_owned()),
        at: now,
        actor: "trigger".to_owned(),
        kind: "trigger.refused".to_owned(),
        subject: format!("pipeline/{pipeline}"),
        reason: format!(
            "{error}; when that is mended, `mainspan run {pipeline}` starts it by hand"
        ),
        before: None,
        after: Some(serde_json::json!({ "trigger": key })),
    };
    app.store()
        .write(Priority::Normal, move |tx| {
            if tx.recall(&said)?.is_none() {
                tx.append_event(&event)?;
                tx.remember(&said, &serde_json::Value::Null, now)?;
            }
            Ok(())
        })
        .await
}

/// The newest alarm that makes an alert's condition true, if it is.
fn holding<'a>(
    file: &ProjectFile,
    when: &str,
    alarms: &'a [store::Alarm],
) -> Option<&'a store::Alarm> {
    let compiled = spec::cel::compile(when, &spec::cel::Scope::alerts(file)).ok()?;
    let mut values = spec::cel::Values::new();
    for service in file.services.keys() {
        for environment in &file.environments {
            let raised = alarms.iter().any(|a| {
                a.service == *service && a.environment == *environment && a.monitor == "alarm"
            });
            values.set(&["services", service, environment, "alarm"], raised);
        }
    }
    let outcome = compiled.eval(&values).ok()?;
    let names: Vec<&[String]> = compiled.names();
    let mentioned = |alarm: &&store::Alarm| {
        names.iter().any(|name| {
            name.get(1) == Some(&alarm.service) && name.get(2) == Some(&alarm.environment)
        })
    };
    outcome
        .holds
        .then(|| alarms.iter().find(mentioned))
        .flatten()
}
