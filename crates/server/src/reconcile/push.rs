//! Pushes: new commits on the branches that a project follows.
//!
//! Of several that are new at once the oldest comes first, so that the newest file is the one in force afterwards. Each
//! is applied, and then starts what its own file triggers on that branch; it counts as seen only after both, so a
//! server that dies in between does it again.

use crate::{
    app::App,
    apply::{self, Source},
    follow, runs,
};
use pipeline::{Trigger, git::Repository};
use serde_json::json;
use spec::ProjectFile;
use std::{collections::BTreeMap, path::Path};
use store::{Events as _, NewEvent, Priority, Project, Projects as _};

/// The name of the project file.
pub(crate) const FILE: &str = "mainspan.yaml";
/// Stands for the head of a branch that is gone.
const GONE: &str = "";

/// Why a project's triggers are held up.
pub(super) type Fault = Box<dyn std::error::Error + Send + Sync>;

/// A project as the last look at the store found it, all at one instant.
pub(super) struct Known {
    /// Its record.
    pub(super) project: Project,
    /// The file that was applied last.
    pub(super) file: Option<ProjectFile>,
    /// Commits that were dealt with, by branch.
    seen: BTreeMap<String, String>,
}

impl Known {
    /// Reads it; `None` when it is gone.
    pub(super) async fn load(app: &App, name: &str) -> store::Result<Option<Self>> {
        let name = name.to_owned();
        let read = app.store().read(move |tx| {
            let Some(project) = tx.project(&name)? else {
                return Ok(None);
            };
            let applied = tx.applied(&name)?;
            Ok(Some(Known {
                project,
                file: applied.and_then(|applied| spec::parse(FILE, &applied.text).ok()),
                seen: tx.seen_commits(&name)?,
            }))
        });
        read.await
    }

    /// Whether this is still the file of that project.
    pub(super) fn is_of(&self, project: &Project) -> bool {
        (self.project.created_at, self.project.generation)
            == (project.created_at, project.generation)
    }

    /// Heads of followed branches that were not dealt with.
    fn unseen(&self, repository: &Repository) -> BTreeMap<String, String> {
        let home = self.project.branch.as_deref();
        let branches = match &self.file {
            Some(file) => follow::branches(file, home),
            None => home.map(str::to_owned).into_iter().collect(),
        };
        let mut heads = follow::heads(repository, &branches);
        heads.retain(|branch, head| self.seen.get(branch) != Some(head));
        heads
    }

    /// Followed branches that were there and are not any more.
    fn gone(&self, repository: &Repository) -> Vec<String> {
        let followed = |branch: &str| {
            self.project.branch.as_deref() == Some(branch)
                || self.file.as_ref().is_some_and(|file| {
                    let mut pushes = file.pipelines.values().flat_map(|p| &p.triggers.push);
                    pushes.any(|named| named == branch)
                })
        };
        let seen = self.seen.iter().filter(|(_, commit)| *commit != GONE);
        seen.filter(|(branch, _)| followed(branch) && repository.branch_head(branch).is_none())
            .map(|(branch, _)| branch.clone())
            .collect()
    }
}

/// Deals with every new head of a project's branches.
pub(super) async fn follow(
    app: &App,
    known: &mut Known,
    repositories: &mut BTreeMap<String, Repository>,
) -> Result<(), Fault> {
    let Some(root) = known.project.root.clone() else {
        return Ok(());
    };
    if !repositories.contains_key(&root) {
        if !Path::new(&root).is_dir() {
            return Ok(());
        }
        let repository = Repository::open(Path::new(&root)).await?;
        repositories.insert(root.clone(), repository);
    }
    let repository = &repositories[&root];
    while !known.unseen(repository).is_empty() {
        // What was seen may have moved since the last look: `apply` marks heads as well.
        let Some(fresh) = Known::load(app, &known.project.name).await? else {
            return Ok(());
        };
        *known = fresh;
        let Some((branch, head)) = oldest(repository, known).await? else {
            return Ok(());
        };
        pushed(app, known, repository, &branch, &head).await?;
    }
    let gone = known.gone(repository);
    if !gone.is_empty() {
        say_gone(app, known, gone).await?;
    }
    Ok(())
}

/// Says once that followed branches are gone. One that comes back later is a push again.
async fn say_gone(app: &App, known: &mut Known, gone: Vec<String>) -> store::Result<()> {
    let (name, now) = (known.project.name.clone(), app.now());
    for branch in &gone {
        known.seen.insert(branch.clone(), GONE.to_owned());
    }
    app.store()
        .write(Priority::Normal, move |tx| {
            for branch in &gone {
                tx.set_seen_commit(&name, branch, GONE)?;
                tx.append_event(&NewEvent {
                    project: Some(name.clone()),
                    at: now,
                    actor: "push".to_owned(),
                    kind: "branch.gone".to_owned(),
                    subject: format!("branch/{branch}"),
                    reason: "it was deleted: what was applied and what serves stay, and no commit comes from it until it is back".to_owned(),
                    before: None,
                    after: None,
                })?;
            }
            Ok(())
        })
        .await
}

/// The new head that was committed first; of those of one second the home branch's comes last.
async fn oldest(repository: &Repository, known: &Known) -> Result<Option<(String, String)>, Fault> {
    let mut unseen = known.unseen(repository);
    if unseen.len() <= 1 {
        return Ok(unseen.pop_first());
    }
    let mut first = None;
    for (branch, head) in unseen {
        let home = known.project.branch.as_ref() == Some(&branch);
        let turn = (repository.committed_at(&head).await?, home, branch, head);
        if first.as_ref().is_none_or(|first| turn < *first) {
            first = Some(turn);
        }
    }
    Ok(first.map(|(_, _, branch, head)| (branch, head)))
}

/// Applies the file of a commit and starts what it triggers.
async fn pushed(
    app: &App,
    known: &Known,
    repository: &Repository,
    branch: &str,
    head: &str,
) -> Result<(), Fault> {
    let project = &known.project;
    if let Some(file) = applied_file(app, known, repository, branch, head).await? {
        let subject = repository.subject(head).await.unwrap_or_default();
        for (name, pipeline) in &file.pipelines {
            if pipeline.triggers.push.iter().any(|named| named == branch) {
                let trigger = Trigger::Push {
                    branch: branch.to_owned(),
                    subject: subject.clone(),
                };
                let key = format!("push/{}/{name}/{head}", project.name);
                let commit = Some(head.to_owned());
                runs::start_once(app, &key, repository, &file, name, trigger, commit).await?;
            }
        }
    }
    let rewritten = rewritten(app, known, repository, branch, head).await?;
    let (name, branch, head) = (project.name.clone(), branch.to_owned(), head.to_owned());
    app.store()
        .write(Priority::Normal, move |tx| {
            if let Some(event) = &rewritten {
                tx.append_event(event)?;
            }
            tx.set_seen_commit(&name, &branch, &head)
        })
        .await?;
    Ok(())
}

/// The event of a head that does not follow the one before it.
async fn rewritten(
    app: &App,
    known: &Known,
    repository: &Repository,
    branch: &str,
    head: &str,
) -> Result<Option<NewEvent>, Fault> {
    let Some(before) = known.seen.get(branch).filter(|commit| *commit != GONE) else {
        return Ok(None);
    };
    // A commit that git has forgotten meanwhile is no ancestor either.
    if repository.is_ancestor(before, head).await.unwrap_or(false) {
        return Ok(None);
    }
    let short: String = before.chars().take(10).collect();
    Ok(Some(NewEvent {
        project: Some(known.project.name.clone()),
        at: app.now(),
        actor: "push".to_owned(),
        kind: "branch.rewritten".to_owned(),
        subject: format!("branch/{branch}"),
        reason: format!(
            "its history was rewritten and {short} is not in it any more; runs and versions of that commit stay"
        ),
        before: Some(json!({ "commit": before })),
        after: Some(json!({ "commit": head })),
    }))
}

/// Applies the file of a commit; `None` when it is missing or wrong, which is recorded.
async fn applied_file(
    app: &App,
    known: &Known,
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
                    heads: begun(known, repository, &text, branch),
                    text,
                    name: FILE.to_owned(),
                    root: known.project.root.clone(),
                    branch: None,
                    commit: Some(head.to_owned()),
                    prune: false,
                    moves: false,
                };
                match apply::apply(app, &source, None, "push").await {
                    Ok(planned) if planned.file.project == known.project.name => {
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
        project: Some(known.project.name.clone()),
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

/// Heads of branches that this file begins to follow. They count as seen: what was committed there before is no push,
/// and must not bring back an older file.
fn begun(
    known: &Known,
    repository: &Repository,
    text: &str,
    pushed: &str,
) -> BTreeMap<String, String> {
    let Ok(file) = spec::parse(FILE, text) else {
        return BTreeMap::new();
    };
    let home = known.project.branch.as_deref();
    let before = known.file.as_ref().map(|file| follow::branches(file, home));
    let mut begun = follow::branches(&file, home);
    begun.retain(|branch| {
        branch != pushed && !before.as_ref().is_some_and(|known| known.contains(branch))
    });
    follow::heads(repository, &begun)
}
