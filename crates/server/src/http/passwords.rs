//! Slow checks of secrets, so few at a time that nobody can take the machine by guessing.

use super::ApiError;
use guard::{attempts::Attempts, verified::Verified};
use std::{sync::Arc, time::Instant};
use tokio::sync::Semaphore;

/// Checks at the same time; each takes a core for some ten milliseconds, and 19 MiB.
const AT_ONCE: usize = 2;
/// Checks that may wait; more are turned away.
const WAITING: usize = 64;

/// The memory of what passed and of what failed.
#[derive(Debug)]
pub struct Passwords {
    verified: Arc<Verified>,
    attempts: Attempts,
    waiting: Semaphore,
    running: Semaphore,
}

impl Default for Passwords {
    fn default() -> Self {
        Passwords {
            verified: Arc::default(),
            attempts: Attempts::default(),
            waiting: Semaphore::new(WAITING),
            running: Semaphore::new(AT_ONCE),
        }
    }
}

/// What came of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checked {
    /// It is the secret.
    Passed,
    /// It is not.
    Failed,
    /// Nobody looked: too many were wrong, or too many wait.
    Later,
}

impl Passwords {
    /// Checks the secret of somebody against a hash; without a hash it takes as long, and fails.
    pub(crate) async fn check(
        &self,
        owner: &str,
        secret: &str,
        hash: Option<&str>,
    ) -> Result<Checked, ApiError> {
        if hash.is_some_and(|hash| self.verified.remembers(owner, secret, hash)) {
            return Ok(Checked::Passed);
        }
        let Ok(_place) = self.waiting.try_acquire() else {
            return Ok(Checked::Later);
        };
        if !self.attempts.allow(owner, Instant::now()) {
            return Ok(Checked::Later);
        }
        let Ok(_turn) = self.running.acquire().await else {
            return Ok(Checked::Later);
        };
        let verified = Arc::clone(&self.verified);
        let (name, secret, hash) = (owner.to_owned(), secret.to_owned(), hash.map(str::to_owned));
        let checked =
            tokio::task::spawn_blocking(move || verified.check(&name, &secret, hash.as_deref()));
        if !checked.await.map_err(|error| ApiError::internal(&error))? {
            return Ok(Checked::Failed);
        }
        self.attempts.passed(owner);
        Ok(Checked::Passed)
    }

    /// Whether it is the secret, as [`check`](Self::check) finds; too many attempts are an error.
    pub(crate) async fn is(&self, owner: &str, secret: &str, hash: &str) -> Result<bool, ApiError> {
        match self.check(owner, secret, Some(hash)).await? {
            Checked::Passed => Ok(true),
            Checked::Failed => Ok(false),
            Checked::Later => Err(ApiError::too_many_attempts()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn guesses_end_and_who_is_remembered_goes_on() {
        let passwords = Passwords::default();
        let hash = guard::password::hash("open sesame");
        let check = async |name: &str, secret: &str| {
            passwords.check(name, secret, Some(&hash)).await.unwrap()
        };
        assert_eq!(check("ann", "open sesame").await, Checked::Passed);
        let mut answers = Vec::new();
        for _ in 0..12 {
            answers.push(check("ann", "guess").await);
        }
        assert_eq!(answers[..10], [Checked::Failed; 10]);
        assert_eq!(answers[11], Checked::Later);
        assert_eq!(check("ann", "open sesame").await, Checked::Passed);
        assert_eq!(check("ben", "open sesame").await, Checked::Passed);
    }
}
