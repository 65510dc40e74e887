//! How many wrong passwords a name may be tried with: ten at once, and one every six seconds from then on.
//!
//! A right password that is remembered (see [`crate::verified`]) is never counted, so that whoever is at work is not
//! locked out by a stranger's guesses. The memory is of a fixed size: names share its places by chance, which can only
//! make somebody wait.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::Mutex,
    time::{Duration, Instant},
};

/// Wrong passwords at once.
const AT_ONCE: u32 = 10;
/// Until one more is allowed.
const PAUSE: Duration = Duration::from_secs(6);
/// Places in the memory.
const PLACES: usize = 4096;

/// The memory of wrong passwords.
#[derive(Debug)]
pub struct Attempts {
    seed: RandomState,
    places: Mutex<Vec<Option<Place>>>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    wrong: u32,
    since: Instant,
}

impl Default for Attempts {
    fn default() -> Self {
        Attempts {
            seed: RandomState::new(),
            places: Mutex::new(vec![None; PLACES]),
        }
    }
}

impl Attempts {
    /// Whether one more password may be tried; it counts as wrong until [`Attempts::passed`].
    pub fn allow(&self, name: &str, now: Instant) -> bool {
        let mut places = self.lock();
        let place = &mut places[self.index(name)];
        let mut held = place.unwrap_or(Place {
            wrong: 0,
            since: now,
        });
        let pauses = now.duration_since(held.since).as_secs() / PAUSE.as_secs();
        let pauses = u32::try_from(pauses).unwrap_or(u32::MAX);
        if pauses >= held.wrong {
            held = Place {
                wrong: 0,
                since: now,
            };
        } else {
            held.wrong -= pauses;
            held.since += PAUSE * pauses;
        }
        let allowed = held.wrong < AT_ONCE;
        held.wrong += u32::from(allowed);
        *place = Some(held);
        allowed
    }

    /// The password was right: nothing is held against the name any more.
    pub fn passed(&self, name: &str) {
        let index = self.index(name);
        self.lock()[index] = None;
    }

    fn index(&self, name: &str) -> usize {
        usize::try_from(self.seed.hash_one(name) % PLACES as u64).unwrap_or(0)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Option<Place>>> {
        self.places
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guesses_become_slow_and_a_right_password_ends_that() {
        let (attempts, start) = (Attempts::default(), Instant::now());
        let tries = |seconds: u64, times: usize| {
            let now = start + Duration::from_secs(seconds);
            (0..times).filter(|_| attempts.allow("ann", now)).count()
        };
        assert_eq!(tries(0, 50), 10);
        assert_eq!(tries(5, 50), 0);
        assert_eq!(tries(12, 50), 2);
        assert_eq!(tries(13, 50), 0);
        assert_eq!(tries(1000, 50), 10);
        attempts.passed("ann");
        assert_eq!(tries(1000, 3), 3);
        let others = ["ben", "eve", "joe"];
        let free = others
            .iter()
            .filter(|name| attempts.allow(name, start))
            .count();
        assert_eq!(free, 3, "nobody else waits");
    }
}
