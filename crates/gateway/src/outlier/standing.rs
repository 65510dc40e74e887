//! What one thread knows of a replica's answers, and whether it leaves it out.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use super::sentence::Sentence;
use super::{Outcomes, Reason, Seen, Spread};

/// How many times are remembered.
const TIMES: usize = 32;
/// How many it takes to say what is typical.
const ENOUGH: usize = 16;

/// A replica's standing with one thread.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    outcomes: Cell<Outcomes>,
    times: RefCell<Times>,
    sentence: Cell<Sentence>,
    /// Why it is left out, while it is.
    out: Cell<Option<Reason>>,
    /// Requests that it has not begun to answer.
    under_way: Cell<usize>,
    /// Since when it has some and answered none.
    since: Cell<Option<Instant>>,
    /// How long it had some before that and answered none.
    before: Cell<Duration>,
}

/// The last times in microseconds, the oldest overwritten by the next.
#[derive(Debug, Default)]
struct Times {
    micros: [u32; TIMES],
    count: usize,
}

impl Standing {
    /// Whether it is left out.
    pub(crate) fn is_out(&self) -> bool {
        self.out.get().is_some()
    }

    /// Why it is left out, if it is.
    pub(crate) fn reason(&self) -> Option<Reason> {
        self.out.get()
    }

    /// Whether it is left out because it does not answer what it has.
    pub(crate) fn hangs(&self) -> bool {
        matches!(self.out.get(), Some(Reason::Hangs { .. }))
    }

    /// Whether it should be replaced.
    pub(crate) fn is_out_for_good(&self) -> bool {
        self.sentence.get().is_for_good()
    }

    /// It gets a request.
    pub(crate) fn gets(&self, now: Instant) {
        if self.under_way.get() == 0 {
            self.since.set(Some(now));
        }
        self.under_way.set(self.under_way.get() + 1);
    }

    /// It began to answer one, or nobody waits for that any more.
    pub(crate) fn is_rid_of_one(&self, now: Instant) {
        let left = self.under_way.get().saturating_sub(1);
        self.under_way.set(left);
        if left == 0
            && let Some(since) = self.since.take()
        {
            let had = now.saturating_duration_since(since);
            self.before.set(self.before.get().saturating_add(had));
        }
    }

    /// An answer came, good or bad.
    pub(super) fn answered(&self, failed: bool, now: Instant) {
        let mut outcomes = self.outcomes.get();
        outcomes.push(failed);
        self.outcomes.set(outcomes);
        self.forget_waiting(now);
    }

    fn forget_waiting(&self, now: Instant) {
        self.before.take();
        self.since.set(self.since.get().map(|_| now));
    }

    /// Whether the last few answers were all bad.
    pub(super) fn fails(&self) -> bool {
        self.outcomes.get().fail()
    }

    /// How long an answer took, or was waited for.
    pub(super) fn took(&self, time: Duration) {
        let mut times = self.times.borrow_mut();
        let at = times.count % TIMES;
        times.micros[at] = u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
        times.count += 1;
    }

    /// How long its answers took lately.
    pub(crate) fn times(&self) -> Option<Spread> {
        let times = self.times.borrow();
        let count = times.count.min(TIMES);
        if count < ENOUGH {
            return None;
        }
        let mut micros = times.micros;
        let (_, middle, later) = micros[..count].select_nth_unstable(count / 2);
        let longest = later.iter().max().unwrap_or(middle);
        let duration = |micros: u32| Duration::from_micros(u64::from(micros));
        Some(Spread {
            typical: duration(*middle),
            longest: duration(*longest),
        })
    }

    pub(super) fn seen(&self, is_up: bool, now: Instant) -> Seen {
        let had = |since| now.saturating_duration_since(since);
        let idle = self.since.get().map_or(Duration::ZERO, had);
        Seen {
            is_up,
            is_out: self.is_out(),
            outcomes: self.outcomes.get(),
            times: self.times(),
            idle: idle.saturating_add(self.before.get()),
        }
    }

    /// Leaves it out from now on.
    pub(super) fn eject(&self, reason: Reason, now: Instant, first: Duration) {
        let mut sentence = self.sentence.get();
        sentence.pass(now, first);
        self.sentence.set(sentence);
        self.out.set(Some(reason));
    }

    /// Takes it back, knowing nothing of it, if its time is over; forgets what it did once it was
    /// good for long enough. Whether it is back.
    pub(super) fn review(&self, now: Instant) -> bool {
        let mut sentence = self.sentence.get();
        let is_back = sentence.ends(now);
        if is_back {
            self.out.take();
            self.outcomes.take();
            self.times.take();
            self.forget_waiting(now);
        } else if self.outcomes.get().are_good() && !self.is_out() {
            sentence.pardon();
        }
        self.sentence.set(sentence);
        is_back
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_typical_time_is_of_the_last_ones() {
        let standing = Standing::default();
        let took = |millis, times: usize| {
            (0..times).for_each(|_| standing.took(Duration::from_millis(millis)));
        };
        took(5, ENOUGH - 1);
        assert_eq!(standing.times(), None);
        let check = |typical, longest| {
            let expect = Spread {
                typical: Duration::from_millis(typical),
                longest: Duration::from_millis(longest),
            };
            assert_eq!(standing.times(), Some(expect));
        };
        took(5, 1);
        check(5, 5);
        took(80, TIMES / 2 + 1);
        check(80, 80);
        took(7, TIMES - 1);
        check(7, 80);
    }

    #[test]
    fn one_that_comes_back_is_unknown_and_earns_its_pardon() {
        let (standing, begin) = (Standing::default(), Instant::now());
        let second = Duration::from_secs(1);
        for _ in 0..2 {
            standing.eject(Reason::Fails, begin, second);
        }
        assert!(standing.is_out() && standing.is_out_for_good());
        assert!(!standing.review(begin + second));
        let back = begin + second * 2;
        assert!(standing.review(back) && !standing.is_out());
        for _ in 0..Outcomes::MOST {
            assert!(!standing.review(back) && standing.is_out_for_good());
            standing.answered(false, back);
        }
        standing.review(back);
        assert!(!standing.is_out_for_good());
    }

    #[test]
    fn idle_is_the_time_with_something_to_answer_since_the_last_answer() {
        let (standing, begin) = (Standing::default(), Instant::now());
        let at = |second| begin + Duration::from_secs(second);
        let check = |second, expect| {
            let idle = standing.seen(true, at(second)).idle;
            assert_eq!(idle, Duration::from_secs(expect));
        };
        check(5, 0);
        standing.gets(at(10));
        standing.gets(at(12));
        check(13, 3);
        standing.answered(true, at(14));
        standing.is_rid_of_one(at(14));
        check(15, 1);
        // A client that went away is no answer.
        standing.gets(at(16));
        standing.is_rid_of_one(at(16));
        check(17, 3);
        standing.is_rid_of_one(at(18));
        check(20, 4);
        standing.gets(at(30));
        check(31, 5);
        standing.answered(false, at(32));
        standing.is_rid_of_one(at(32));
        check(40, 0);
    }
}
