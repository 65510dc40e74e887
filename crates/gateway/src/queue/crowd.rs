//! What all threads know of those who wait and of the places they wait for: counts, and a bell for
//! each thread.
//!
//! A thread that waits raises its count and only then looks for a place; one that frees a place
//! lowers the count of places and only then looks whether somebody waits. So one of them sees the
//! other, whichever comes first. [`Crowds`] is locked when a table comes, never for a request.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::Notify;

use super::class::{self, CLASSES, Priority};

/// Those who wait for a place at one version.
#[derive(Debug)]
pub(crate) struct Crowd {
    all: AtomicUsize,
    /// By thread and class.
    waiting: Box<[[AtomicUsize; CLASSES]]>,
    /// How often each class was passed over.
    passed: [AtomicU32; CLASSES],
    /// The thread that got the last place.
    last: AtomicUsize,
    bells: Arc<[Notify]>,
}

/// The requests at one replica, of all threads. On a line of the cache by itself, as it changes with
/// every request.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct Places {
    taken: AtomicUsize,
    crowd: Arc<Crowd>,
}

impl Crowd {
    fn new(bells: Arc<[Notify]>) -> Self {
        let zero = || std::array::from_fn(|_| AtomicUsize::new(0));
        Self {
            all: AtomicUsize::new(0),
            waiting: bells.iter().map(|_| zero()).collect(),
            passed: std::array::from_fn(|_| AtomicU32::new(0)),
            last: AtomicUsize::new(0),
            bells,
        }
    }

    /// How many threads there are.
    pub(super) fn threads(&self) -> usize {
        self.waiting.len()
    }

    /// How many wait, in all threads.
    pub(crate) fn waiting(&self) -> usize {
        self.all.load(SeqCst)
    }

    /// How many wait in each class of one thread.
    pub(super) fn waiting_in(&self, thread: usize) -> [usize; CLASSES] {
        std::array::from_fn(|class| self.waiting[thread][class].load(SeqCst))
    }

    /// One more waits.
    pub(super) fn enter(&self, thread: usize, class: Priority) {
        self.waiting[thread][class.index()].fetch_add(1, SeqCst);
        self.all.fetch_add(1, SeqCst);
    }

    /// One of them waits no more.
    pub(super) fn leave(&self, thread: usize, class: Priority) {
        self.all.fetch_sub(1, SeqCst);
        self.waiting[thread][class.index()].fetch_sub(1, SeqCst);
    }

    /// Whose turn it is: a class, and of the threads where it waits the next after the one that got
    /// the last place. All threads come to the same answer until somebody gets a place.
    pub(super) fn next(&self) -> Option<(Priority, usize)> {
        let class = class::next(self.by_class(), self.passed())?;
        let (threads, last) = (self.waiting.len(), self.last.load(SeqCst));
        let mut after = (1..=threads).map(|step| (last + step) % threads);
        let thread = after.find(|t| self.waiting[*t][class.index()].load(SeqCst) > 0)?;
        Some((class, thread))
    }

    /// A request of this class and thread, which still waits, gets a place.
    pub(super) fn served(&self, thread: usize, class: Priority) {
        let passed = class::passed(class, self.by_class(), self.passed());
        for (count, passed) in self.passed.iter().zip(passed) {
            count.store(passed, SeqCst);
        }
        self.last.store(thread, SeqCst);
    }

    /// Wakes a thread to look after its lines.
    pub(super) fn ring(&self, thread: usize) {
        self.bells[thread].notify_one();
    }

    fn by_class(&self) -> [usize; CLASSES] {
        let mut sum = [0; CLASSES];
        for thread in 0..self.waiting.len() {
            for (sum, count) in sum.iter_mut().zip(self.waiting_in(thread)) {
                *sum += count;
            }
        }
        sum
    }

    fn passed(&self) -> [u32; CLASSES] {
        std::array::from_fn(|class| self.passed[class].load(SeqCst))
    }
}

impl Places {
    /// How many requests are there.
    pub(crate) fn taken(&self) -> usize {
        self.taken.load(SeqCst)
    }

    /// Takes a place, if fewer than `most` are taken.
    pub(super) fn take(&self, most: usize) -> bool {
        if most == usize::MAX {
            self.taken.fetch_add(1, SeqCst);
            return true;
        }
        let one_more = |taken| (taken < most).then_some(taken + 1);
        self.taken.fetch_update(SeqCst, SeqCst, one_more).is_ok()
    }

    /// Frees a place, and rings for whoever is next.
    pub(super) fn free(&self) {
        self.taken.fetch_sub(1, SeqCst);
        if self.crowd.waiting() > 0
            && let Some((_, thread)) = self.crowd.next()
        {
            self.crowd.ring(thread);
        }
    }
}

/// The crowds of all versions and the places of all replicas, for as long as some thread serves them.
#[derive(Debug)]
pub(crate) struct Crowds {
    bells: Arc<[Notify]>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    crowds: HashMap<(String, u32), Weak<Crowd>>,
    places: HashMap<PathBuf, Weak<Places>>,
}

impl Crowds {
    /// For so many threads.
    pub(crate) fn new(threads: usize) -> Self {
        Self {
            bells: (0..threads).map(|_| Notify::new()).collect(),
            known: Mutex::default(),
        }
    }

    /// Returns when a thread is to look after its lines.
    pub(super) async fn rung(&self, thread: usize) {
        self.bells[thread].notified().await;
    }

    /// The crowd of a version, the same one for every thread.
    pub(crate) fn crowd(&self, route: &str, version: u32) -> Arc<Crowd> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.crowds.retain(|_, crowd| crowd.strong_count() > 0);
        let place = known.crowds.entry((route.to_owned(), version)).or_default();
        place.upgrade().unwrap_or_else(|| {
            let crowd = Arc::new(Crowd::new(Arc::clone(&self.bells)));
            *place = Arc::downgrade(&crowd);
            crowd
        })
    }

    /// The places at a replica, the same ones for every thread.
    pub(crate) fn places(&self, path: &Path, crowd: &Arc<Crowd>) -> Arc<Places> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.places.retain(|_, places| places.strong_count() > 0);
        let place = known.places.entry(path.to_owned()).or_default();
        place.upgrade().unwrap_or_else(|| {
            let places = Arc::new(Places {
                taken: AtomicUsize::new(0),
                crowd: Arc::clone(crowd),
            });
            *place = Arc::downgrade(&places);
            places
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Priority::{High, Low, Normal};

    #[test]
    fn threads_take_turns_and_classes_go_first_across_them() {
        let crowd = Crowds::new(3).crowd("p/e/s", 1);
        let next = |expect| {
            assert_eq!(crowd.next(), expect);
            if let Some((class, thread)) = crowd.next() {
                crowd.served(thread, class);
                crowd.leave(thread, class);
            }
        };
        let enter = [
            (0, Normal),
            (0, Normal),
            (0, Normal),
            (2, Normal),
            (1, Low),
            (2, High),
        ];
        for (thread, class) in enter {
            crowd.enter(thread, class);
        }
        next(Some((High, 2)));
        next(Some((Normal, 0)));
        next(Some((Normal, 2)));
        next(Some((Normal, 0)));
        next(Some((Normal, 0)));
        next(Some((Low, 1)));
        next(None);
        assert_eq!(crowd.waiting(), 0);
    }

    #[test]
    fn places_are_shared_and_bounded() {
        let crowds = Crowds::new(2);
        let crowd = crowds.crowd("p/e/s", 1);
        let one = crowds.places(Path::new("/r.sock"), &crowd);
        let same = crowds.places(Path::new("/r.sock"), &crowds.crowd("p/e/s", 1));
        let other = crowds.places(Path::new("/other.sock"), &crowd);
        assert!(one.take(2) && same.take(2) && !one.take(2));
        assert_eq!((same.taken(), other.taken()), (2, 0));
        one.free();
        assert!(same.take(2));
        // Nobody serves them any more: the next count begins at zero.
        drop((one, same));
        assert_eq!(crowds.places(Path::new("/r.sock"), &crowd).taken(), 0);
    }
}
