//! Whether a schedule is due: a pure decision on when it was last dealt with and the present.
//!
//! However many occurrences were missed while nobody looked, they are made up for once. A clock that was set back is
//! counted on from where it stands, or nothing would come until it has caught up; that an occurrence which has fired
//! does not fire again then is the idempotency key's work, which is made of the occurrence.

use jiff::Timestamp;
use spec::{Cron, schedule::ScheduleError};

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Nothing yet.
    NotYet,
    /// Start a run for this occurrence, and for all after it up to now.
    Since(Timestamp),
    /// The clock was set back: count from now.
    CountAnew,
}

/// Decides; `since` is when it last fired, or when the schedule was set.
pub(super) fn due(
    cron: &Cron,
    timezone: Option<&str>,
    since: Timestamp,
    now: Timestamp,
) -> Result<Due, ScheduleError> {
    if since > now {
        return Ok(Due::CountAnew);
    }
    let next = spec::schedule::next_after(cron, timezone, since)?;
    Ok(if next > now {
        Due::NotYet
    } else {
        Due::Since(next)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missed_ones_fire_once_and_a_clock_set_back_counts_anew() {
        let at = |text: &str| -> Timestamp { text.parse().unwrap() };
        let check = |since: &str, now: &str, expect: Due| {
            let cron = "0 3 * * *".parse().unwrap();
            let got = due(&cron, None, at(since), at(now)).unwrap();
            assert_eq!(got, expect, "since {since}, now {now}");
        };
        let (fired, first) = ("2026-11-24T03:00:01Z", at("2026-11-25T03:00:00Z"));
        check(fired, "2026-11-24T03:00:01Z", Due::NotYet);
        check(fired, "2026-11-25T02:59:59Z", Due::NotYet);
        check(fired, "2026-11-25T03:00:00Z", Due::Since(first));
        check(fired, "2026-11-28T12:00:00Z", Due::Since(first));
        check(fired, "2027-11-28T12:00:00Z", Due::Since(first));
        check(fired, "2026-11-24T02:59:59Z", Due::CountAnew);
        check(fired, "1970-01-01T00:00:00Z", Due::CountAnew);
    }
}
