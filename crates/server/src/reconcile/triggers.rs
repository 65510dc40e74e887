//! Triggers: new commits, schedules and alerts become runs.
//!
//! Branch heads are read ten times a second (two small files each); [`super::push`] deals with new ones. An
//! idempotency key keeps a run from starting twice.

use super::push::{self, Fault, Known};
use crate::{app::App, runs};
use jiff::Timestamp;
use pipeline::{Trigger, git::Repository};
use spec::ProjectFile;
use std::{collections::BTreeMap, path::Path, time::Duration};
use store::{AlarmFilter, Alarms as _, Priority, Project, Projects as _, Runs as _};
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
    status: watch::Sender<Status>,
}

impl Triggers {
    /// One that has not looked yet.
    pub(super) fn new(app: App) -> Self {
        Triggers {
            app,
            repositories: BTreeMap::new(),
            known: BTreeMap::new(),
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
        if let Err(error) = self.look().await {
            self.held("all", &error);
        }
        for known in self.known.values() {
            if let Err(error) = timed(&self.app, known).await {
                self.held(&known.project.name, &*error);
            }
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
            if let Err(error) = push::follow(&self.app, known, &mut self.repositories).await {
                held.push((name.clone(), error));
            }
        }
        for (name, error) in held {
            self.held(&name, &*error);
        }
    }

    fn held(&self, project: &str, error: &(dyn std::error::Error + 'static)) {
        tracing::error!(project, error, "triggers of a project are held up");
        let said = (self.app.now(), format!("{project}: {error}"));
        self.status.send_modify(|status| status.error = Some(said));
    }
}

fn waits(file: &ProjectFile) -> bool {
    let mut pipelines = file.pipelines.values();
    pipelines.any(|p| p.triggers.schedule.is_some() || !p.triggers.alerts.is_empty())
}

/// Schedules that are due and alerts that hold.
async fn timed(app: &App, known: &Known) -> Result<(), Fault> {
    let project = &known.project;
    let (Some(root), Some(file)) = (&project.root, known.file.as_ref().filter(|f| waits(f))) else {
        return Ok(());
    };
    let alarms = raised(app, &project.name).await?;
    let now = app.now();
    for (name, pipeline) in &file.pipelines {
        if let Some(schedule) = &pipeline.triggers.schedule
            && due(app, project, file, name, schedule, now).await?
        {
            let repository = Repository::open(Path::new(root)).await?;
            let key = format!("schedule/{}/{name}/{}", project.name, now.as_second() / 60);
            runs::start_from_champion(
                app,
                &key,
                &repository,
                file,
                name,
                Trigger::Schedule,
                project,
            )
            .await?;
        }
        for alert in &pipeline.triggers.alerts {
            let Some(condition) = file.alerts.get(alert) else {
                continue;
            };
            if let Some(alarm) = holding(file, &condition.when, &alarms) {
                let repository = Repository::open(Path::new(root)).await?;
                let key = format!("alert/{}/{name}/{alert}/{}", project.name, alarm.id);
                let trigger = Trigger::Alert {
                    alert: alert.clone(),
                    alarm: alarm.id.clone(),
                };
                if let Some(run) =
                    runs::start_from_champion(app, &key, &repository, file, name, trigger, project)
                        .await?
                {
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

/// Whether a schedule has come due since it last fired (or since the project was made).
async fn due(
    app: &App,
    project: &Project,
    file: &ProjectFile,
    pipeline: &str,
    schedule: &spec::Cron,
    now: Timestamp,
) -> Result<bool, Fault> {
    let (name, asked) = (project.name.clone(), pipeline.to_owned());
    let last = app
        .store()
        .read(move |tx| tx.last_fired(&name, &asked))
        .await?
        .unwrap_or(project.created_at);
    let next = spec::schedule::next_after(schedule, file.timezone.as_deref(), last)?;
    if next > now {
        return Ok(false);
    }
    let (name, asked) = (project.name.clone(), pipeline.to_owned());
    app.store()
        .write(Priority::Normal, move |tx| {
            tx.set_last_fired(&name, &asked, now)
        })
        .await?;
    Ok(true)
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
