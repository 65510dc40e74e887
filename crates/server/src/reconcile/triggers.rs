//! Triggers: new commits, schedules and alerts become runs.
//!
//! Branch heads are read ten times a second (two small files each). A push first applies the file of that commit,
//! then runs what it triggers; a commit counts as seen only after both, so a server that dies in between does it
//! again, and an idempotency key keeps the run from starting twice.

use crate::{
    app::App,
    apply::{self, Source},
    runs,
};
use jiff::Timestamp;
use pipeline::{Trigger, git::Repository};
use spec::ProjectFile;
use std::{collections::BTreeMap, path::Path, time::Duration};
use store::{
    AlarmFilter, Alarms as _, Events as _, NewEvent, Priority, Project, Projects as _, Runs as _,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

const PERIOD: Duration = Duration::from_millis(100);
/// Schedules and alerts are looked at every so many periods, and at every commit to the store.
const SLOW: u32 = 10;
/// The name of the project file.
pub(crate) const FILE: &str = "mainspan.yaml";

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
    projects: Vec<Project>,
    files: Files,
    status: watch::Sender<Status>,
}

impl Triggers {
    /// One that has not looked yet.
    pub(super) fn new(app: App) -> Self {
        Triggers {
            app,
            repositories: BTreeMap::new(),
            projects: Vec::new(),
            files: Files::default(),
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
            let (at, projects) = (self.app.now(), self.projects.len());
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
        match self.app.store().read(|tx| tx.projects()).await {
            Ok(known) => self.projects = known,
            Err(error) => self.held("all", &error),
        }
        for project in &self.projects {
            if let Err(error) = timed(&self.app, project, &mut self.files).await {
                self.held(&project.name, &*error);
            }
        }
    }

    /// Heads of branches.
    async fn fast(&mut self) {
        for at in 0..self.projects.len() {
            match pushed(&self.app, &self.projects[at], &mut self.repositories).await {
                Ok(Some(commit)) => self.projects[at].seen_commit = Some(commit),
                Ok(None) => {}
                Err(error) => self.held(&self.projects[at].name, &*error),
            }
        }
    }

    fn held(&self, project: &str, error: &(dyn std::error::Error + 'static)) {
        tracing::error!(project, error, "triggers of a project are held up");
        let said = (self.app.now(), format!("{project}: {error}"));
        self.status.send_modify(|status| status.error = Some(said));
    }
}

/// Files that have something to wait for, by project: read when the project is made and with each generation, not at
/// every commit.
#[derive(Default)]
struct Files(BTreeMap<String, ((Timestamp, u64), Option<ProjectFile>)>);

impl Files {
    /// The file that was applied last, if it names schedules or alerts.
    async fn of(&mut self, app: &App, project: &Project) -> store::Result<Option<&ProjectFile>> {
        let present = (project.created_at, project.generation);
        if self.0.get(&project.name).map(|(known, _)| *known) != Some(present) {
            let name = project.name.clone();
            let applied = app.store().read(move |tx| tx.applied(&name)).await?;
            let file = applied
                .and_then(|applied| spec::parse(FILE, &applied.text).ok())
                .filter(waits);
            self.0.insert(project.name.clone(), (present, file));
        }
        Ok(self
            .0
            .get(&project.name)
            .and_then(|(_, file)| file.as_ref()))
    }
}

fn waits(file: &ProjectFile) -> bool {
    let mut pipelines = file.pipelines.values();
    pipelines.any(|p| p.triggers.schedule.is_some() || !p.triggers.alerts.is_empty())
}

type Fault = Box<dyn std::error::Error + Send + Sync>;

/// Deals with a new head of the followed branch; answers the commit when there was one.
async fn pushed(
    app: &App,
    project: &Project,
    known: &mut BTreeMap<String, Repository>,
) -> Result<Option<String>, Fault> {
    let (Some(root), Some(branch)) = (&project.root, &project.branch) else {
        return Ok(None);
    };
    if !known.contains_key(root) {
        if !Path::new(root).is_dir() {
            return Ok(None);
        }
        known.insert(root.clone(), Repository::open(Path::new(root)).await?);
    }
    let repository = &known[root];
    let Some(head) = repository.branch_head(branch) else {
        return Ok(None);
    };
    if project.seen_commit.as_deref() == Some(head.as_str()) {
        return Ok(None);
    }
    if let Some(file) = applied_file(app, project, repository, branch, &head).await? {
        let subject = repository.subject(&head).await.unwrap_or_default();
        for (name, pipeline) in &file.pipelines {
            if pipeline.triggers.push.contains(branch) {
                let trigger = Trigger::Push {
                    branch: branch.clone(),
                    subject: subject.clone(),
                };
                let key = format!("push/{}/{name}/{head}", project.name);
                runs::start_once(
                    app,
                    &key,
                    repository,
                    &file,
                    name,
                    trigger,
                    Some(head.clone()),
                )
                .await?;
            }
        }
    }
    let (name, seen) = (project.name.clone(), head.clone());
    app.store()
        .write(Priority::Normal, move |tx| tx.set_seen_commit(&name, &seen))
        .await?;
    Ok(Some(head))
}

/// Applies the file of a commit; `None` when it is missing or wrong, which is recorded.
async fn applied_file(
    app: &App,
    project: &Project,
    repository: &Repository,
    branch: &str,
    head: &str,
) -> Result<Option<ProjectFile>, Fault> {
    let problem = match repository.file(head, FILE).await? {
        None => format!("the commit has no {FILE}"),
        Some(bytes) => match String::from_utf8(bytes) {
            Err(_) => format!("{FILE} is not UTF-8"),
            Ok(text) => {
                let source = Source {
                    text,
                    name: FILE.to_owned(),
                    root: project.root.clone(),
                    branch: Some(branch.to_owned()),
                    commit: Some(head.to_owned()),
                    head: None,
                    prune: false,
                };
                match apply::apply(app, &source, None, "push").await {
                    Ok(planned) if planned.file.project == project.name => {
                        return Ok(Some(planned.file));
                    }
                    Ok(planned) => format!(
                        "the file now names project `{}`: apply it by hand",
                        planned.file.project
                    ),
                    Err(apply::ApplyError::Store(error)) => return Err(error.into()),
                    Err(error) => error.to_string(),
                }
            }
        },
    };
    let event = NewEvent {
        project: Some(project.name.clone()),
        at: app.now(),
        actor: "push".to_owned(),
        kind: "project.refused".to_owned(),
        subject: format!("commit/{head}"),
        reason: problem,
        before: None,
        after: None,
    };
    app.store()
        .write(Priority::Normal, move |tx| tx.append_event(&event))
        .await?;
    Ok(None)
}

/// Schedules that are due and alerts that hold.
async fn timed(app: &App, project: &Project, files: &mut Files) -> Result<(), Fault> {
    let Some(root) = &project.root else {
        return Ok(());
    };
    let Some(file) = files.of(app, project).await? else {
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
