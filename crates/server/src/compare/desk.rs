//! Where people's wishes for a comparison wait, and where they look how far it is.
//!
//! The API puts wishes here and reads what became of them; [`run`] takes them one after the other. Nothing is kept beyond
//! the process: whoever wants it for longer has the answer. Must never hold its lock while anything is waited for.

use super::{Compared, Comparer, Fault, Pair, captured::Captured};
use ::compare::Options;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::Notify;

/// Wishes that wait.
const WAITING: usize = 8;
/// Wishes that are remembered, with what became of them.
const KEPT: usize = 32;

/// What to compare, and how.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) pair: Pair,
    /// What to ask; the captured requests when there is none.
    pub(crate) rows: Option<Captured>,
    /// How many of them at the most.
    pub(crate) most: usize,
    pub(crate) options: Options,
}

/// How far a comparison is.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Progress {
    /// What is done at the moment, for people.
    pub(crate) step: String,
    /// Requests that were compared, and how many there are.
    pub(crate) done: usize,
    pub(crate) of: usize,
}

/// What became of a wish.
#[derive(Debug, Clone)]
pub(crate) enum Shown {
    /// Others come first.
    Waiting,
    Running(Progress),
    Done(Arc<Compared>),
    /// Why there is no answer, for people.
    Failed(String),
}

/// Why a wish is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// Enough of them wait.
    #[error("other comparisons wait already: try again when they are done")]
    Full,
    /// This server does not make any.
    #[error("another server of this store runs the models: ask that one")]
    Closed,
}

#[derive(Debug)]
struct Entry {
    id: String,
    project: String,
    /// Until it is taken.
    asked: Option<Asked>,
    shown: Shown,
}

#[derive(Debug, Default)]
struct Entries {
    is_open: bool,
    all: VecDeque<Entry>,
}

/// The desk. It is closed until somebody works at it.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    entries: Mutex<Entries>,
    came: Notify,
}

impl Desk {
    /// Takes a wish under an id of its own.
    pub(crate) fn ask(&self, id: String, asked: Asked) -> Result<(), Refused> {
        let mut entries = self.entries();
        if !entries.is_open {
            return Err(Refused::Closed);
        }
        let waiting = entries.all.iter().filter(|entry| entry.asked.is_some());
        if waiting.count() >= WAITING {
            return Err(Refused::Full);
        }
        entries.all.push_back(Entry {
            id,
            project: asked.pair.place.project.clone(),
            asked: Some(asked),
            shown: Shown::Waiting,
        });
        let is_over = |entry: &Entry| matches!(entry.shown, Shown::Done(_) | Shown::Failed(_));
        if entries.all.len() > KEPT
            && let Some(oldest) = entries.all.iter().position(is_over)
        {
            entries.all.remove(oldest);
        }
        drop(entries);
        self.came.notify_one();
        Ok(())
    }

    /// What became of a project's wish; none if it is not known any more.
    pub(crate) fn shown(&self, project: &str, id: &str) -> Option<Shown> {
        let entries = self.entries();
        let mut all = entries.all.iter();
        let entry = all.find(|entry| entry.id == id && entry.project == project)?;
        Some(entry.shown.clone())
    }

    fn open(&self) {
        self.entries().is_open = true;
    }

    /// Takes no more wishes; those that wait are told.
    fn close(&self) {
        let mut entries = self.entries();
        entries.is_open = false;
        for entry in &mut entries.all {
            if entry.asked.take().is_some() {
                entry.shown = Shown::Failed(Refused::Closed.to_string());
            }
        }
    }

    /// The wish that waits longest.
    async fn next(&self) -> (String, Asked) {
        loop {
            if let Some(next) = self.take() {
                return next;
            }
            self.came.notified().await;
        }
    }

    fn take(&self) -> Option<(String, Asked)> {
        let mut entries = self.entries();
        let entry = entries.all.iter_mut().find(|entry| entry.asked.is_some())?;
        entry.shown = Shown::Running(Progress::default());
        Some((entry.id.clone(), entry.asked.take()?))
    }

    fn show(&self, id: &str, shown: Shown) {
        let mut entries = self.entries();
        if let Some(entry) = entries.all.iter_mut().find(|entry| entry.id == id) {
            entry.shown = shown;
        }
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Works at the desk until told to stop.
pub(super) async fn run(comparer: Comparer) {
    let desk = comparer.app.desk();
    desk.open();
    while let Some((id, asked)) = comparer.stop.run_until_cancelled(desk.next()).await {
        let say = |progress| desk.show(&id, Shown::Running(progress));
        let shown = match answer(&comparer, asked, &say).await {
            Ok(compared) => Shown::Done(Arc::new(compared)),
            Err(fault) => Shown::Failed(fault.for_people()),
        };
        desk.show(&id, shown);
    }
    desk.close();
}

async fn answer(
    comparer: &Comparer,
    asked: Asked,
    say: &(dyn Fn(Progress) + Sync),
) -> Result<Compared, Fault> {
    let Asked {
        pair,
        rows,
        most,
        options,
    } = asked;
    let requests = match rows {
        Some(rows) => rows,
        None => comparer.captured(&pair.place, most).await?,
    };
    comparer.compare(&pair, requests, options, say).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::Place;
    use crate::compare::pair::tests::version;
    use spec::Service;

    fn asked(project: &str) -> Asked {
        let service: Service = serde_json::from_str(r#"{"model": "delay"}"#).unwrap();
        Asked {
            pair: Pair {
                place: Place {
                    project: project.into(),
                    environment: "prod".into(),
                    service: "delay".into(),
                },
                service,
                before: version(1),
                after: version(2),
                notes: vec![],
            },
            rows: None,
            most: 10,
            options: Options::default(),
        }
    }

    #[test]
    fn wishes_wait_in_turn_and_are_bounded() {
        let desk = Desk::default();
        assert_eq!(desk.ask("a".into(), asked("p")), Err(Refused::Closed));
        desk.open();
        for n in 0..WAITING {
            assert_eq!(desk.ask(n.to_string(), asked("p")), Ok(()));
        }
        assert_eq!(desk.ask("more".into(), asked("p")), Err(Refused::Full));
        assert!(matches!(desk.shown("p", "0"), Some(Shown::Waiting)));
        assert!(desk.shown("q", "0").is_none());
        for n in 0..3 {
            assert_eq!(desk.take().unwrap().0, n.to_string());
        }
        assert!(matches!(desk.shown("p", "2"), Some(Shown::Running(_))));
        desk.close();
        assert!(matches!(desk.shown("p", "3"), Some(Shown::Failed(_))));
        assert!(desk.take().is_none());
    }

    #[test]
    fn old_answers_go() {
        let desk = Desk::default();
        desk.open();
        for n in 0..KEPT + 5 {
            let id = n.to_string();
            desk.ask(id.clone(), asked("p")).unwrap();
            desk.take().unwrap();
            desk.show(&id, Shown::Failed("no".into()));
        }
        assert!(desk.shown("p", "0").is_none());
        assert!(desk.shown("p", &(KEPT + 4).to_string()).is_some());
        assert_eq!(desk.entries().all.len(), KEPT);
    }
}
