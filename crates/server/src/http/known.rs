//! Rows of tokens and users (with what they are granted) that were just read, so that a busy caller costs the store one look
//! a second.
//!
//! Whatever this server changes is forgotten before the change is acknowledged. Another server of the same Postgres sees
//! it when a second is over, at the latest.

use guard::Rights;
use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use store::{Token, User};

/// For how long a row is good.
const FRESH: Duration = Duration::from_secs(1);
/// More rows than callers have in a second; beyond it the memory starts afresh.
const REMEMBERED: usize = 4096;

/// A user, and what grants make of their role in the projects where they have any.
#[derive(Clone, Debug)]
pub(crate) struct KnownUser {
    pub(crate) row: User,
    pub(crate) rights: Arc<BTreeMap<String, Arc<Rights>>>,
}

/// The memory of rows.
#[derive(Debug, Default)]
pub struct Known {
    tokens: Rows<Token>,
    users: Rows<KnownUser>,
}

impl Known {
    /// Tokens by id.
    pub(crate) fn tokens(&self) -> &Rows<Token> {
        &self.tokens
    }

    /// Users by name.
    pub(crate) fn users(&self) -> &Rows<KnownUser> {
        &self.users
    }

    /// Forgets everything: a token, a user or a grant was changed.
    pub(crate) fn forget(&self) {
        self.tokens.forget();
        self.users.forget();
    }
}

/// Rows of one kind.
#[derive(Debug)]
pub(crate) struct Rows<R> {
    changes: AtomicU64,
    held: Mutex<HashMap<String, (Instant, R)>>,
}

impl<R> Default for Rows<R> {
    fn default() -> Self {
        Rows {
            changes: AtomicU64::new(0),
            held: Mutex::default(),
        }
    }
}

/// When a read began, by the count of changes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Began(u64);

impl<R: Clone> Rows<R> {
    /// The row, if it was read within the last second.
    pub(crate) fn get(&self, name: &str, now: Instant) -> Option<R> {
        let held = self.lock();
        let (read, row) = held.get(name)?;
        (now.duration_since(*read) < FRESH).then(|| row.clone())
    }

    /// To be said before a row is read from the store.
    pub(crate) fn begin(&self) -> Began {
        Began(self.changes.load(Ordering::SeqCst))
    }

    /// Keeps a row that was read, unless something was changed meanwhile.
    pub(crate) fn keep(&self, began: Began, name: &str, row: &R, now: Instant) {
        let mut held = self.lock();
        // Asked under the lock, which whoever changes something takes after counting.
        if self.changes.load(Ordering::SeqCst) != began.0 {
            return;
        }
        if held.len() >= REMEMBERED {
            held.clear();
        }
        held.insert(name.to_owned(), (now, row.clone()));
    }

    /// Changes a row that is held; one that was forgotten stays so.
    pub(crate) fn change(&self, name: &str, change: impl FnOnce(&mut R)) {
        if let Some((_, row)) = self.lock().get_mut(name) {
            change(row);
        }
    }

    fn forget(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, (Instant, R)>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_good_for_a_second_and_until_something_changes() {
        let (rows, start) = (Rows::<u32>::default(), Instant::now());
        let after = |millis| start + Duration::from_millis(millis);
        rows.keep(rows.begin(), "a", &1, start);
        assert_eq!(rows.get("a", after(999)), Some(1));
        assert_eq!(rows.get("a", after(1000)), None);
        assert_eq!(rows.get("b", start), None);
        let began = rows.begin();
        rows.forget();
        assert_eq!(rows.get("a", start), None);
        rows.keep(began, "a", &1, start);
        assert_eq!(rows.get("a", start), None, "read before the change");
    }
}
