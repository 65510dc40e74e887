//! Notices a wall clock that was set far forward, by which everything would be old enough to be thrown away.
//!
//! Asked by whatever removes what is old. A machine that wakes up with a wrong date must have time to be set right
//! before anything is gone for good.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

/// A machine may sleep this long, during which the steady clock may stand still.
const SLEEP: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Nothing is removed for so long after the clock was set forward.
const SETTLE: Duration = Duration::from_secs(24 * 3600);

/// Compares the wall clock with a steady one, from look to look.
#[derive(Debug, Default)]
pub struct Leap {
    last: Option<(Timestamp, Instant)>,
    until: Option<Instant>,
}

impl Leap {
    /// One that has not looked yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether what is old by the wall clock may be removed now.
    pub fn may_remove(&mut self, now: Timestamp, steady: Instant) -> bool {
        let before = self.last.replace((now, steady));
        let ahead = before.map_or(SignedDuration::ZERO, |(wall, at)| {
            let passed = steady.saturating_duration_since(at);
            now.duration_since(wall)
                - SignedDuration::try_from(passed).unwrap_or(SignedDuration::MAX)
        });
        if ahead > SLEEP {
            tracing::warn!(
                days = ahead.as_hours() / 24,
                "the clock was set forward: nothing that is old by it is removed for a day"
            );
            self.until = Some(steady + SETTLE);
        }
        self.until.is_none_or(|until| steady >= until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leap_forward_gives_a_day_to_set_it_right() {
        let began = Instant::now();
        let mut leap = Leap::new();
        let mut check = |hours_by_wall: i64, hours: u64, expect: bool| {
            let now = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hours_by_wall);
            let steady = began + Duration::from_secs(3600 * hours);
            assert_eq!(
                leap.may_remove(now, steady),
                expect,
                "{hours_by_wall} by the wall, {hours} in truth"
            );
        };
        check(0, 0, true);
        check(1, 1, true);
        // It slept over a long weekend.
        check(100, 2, true);
        // Somebody sets the year wrong, …
        check(9_000, 3, false);
        check(9_010, 13, false);
        // … and right again, which does not begin the day anew.
        check(114, 14, false);
        check(128, 27, true);
        // Set back, nothing looks old.
        check(0, 28, true);
        // A clock that was really behind by years stays where it is, and a day later all goes on.
        check(400_000, 29, false);
        check(400_024, 53, true);
    }
}
