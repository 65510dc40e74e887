//! How long a replica is left out: longer each time, and for good in the end. Pure.

use std::time::{Duration, Instant};

/// The how manieth time it is for good: it had its chance to come back and be better.
const FOR_GOOD: u32 = 2;
/// It stays out for so many times the first while at the most.
const LONGEST: u32 = 10;

/// What a replica has come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sentence {
    /// How often it was left out, with no pardon in between.
    times: u32,
    /// Until when it is.
    until: Option<Instant>,
}

impl Sentence {
    /// Leaves it out for as many times `first` as it was before and now.
    pub(super) fn pass(&mut self, now: Instant, first: Duration) {
        self.times = self.times.saturating_add(1);
        self.until = Some(now + first.saturating_mul(self.times.min(LONGEST)));
    }

    /// Whether its time is over by now; answers so once.
    pub(super) fn ends(&mut self, now: Instant) -> bool {
        let over = self.until.is_some_and(|until| now >= until);
        if over {
            self.until = None;
        }
        over
    }

    /// It was good for long enough to begin anew.
    pub(super) fn pardon(&mut self) {
        self.times = 0;
    }

    /// Whether nothing more is to be expected of it.
    pub(super) fn is_for_good(self) -> bool {
        self.times >= FOR_GOOD
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longer_each_time_and_in_the_end_for_good() {
        let (begin, first) = (Instant::now(), Duration::from_secs(10));
        let at = |second| begin + Duration::from_secs(second);
        let mut sentence = Sentence::default();
        assert!(!sentence.ends(at(0)));
        let mut check = |from, to, for_good| {
            sentence.pass(at(from), first);
            assert_eq!(sentence.is_for_good(), for_good);
            assert!(!sentence.ends(at(to - 1)));
            assert!(sentence.ends(at(to)) && !sentence.ends(at(to)), "once");
        };
        check(0, 10, false);
        check(10, 30, true);
        check(30, 60, true);
        for _ in 0..20 {
            sentence.pass(at(100), first);
        }
        assert!(!sentence.ends(at(199)) && sentence.ends(at(200)));
        sentence.pardon();
        assert!(!sentence.is_for_good());
        sentence.pass(at(300), first);
        assert!(sentence.ends(at(310)));
    }
}
