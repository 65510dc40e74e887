//! When a schedule is next due.
//!
//! The trigger reconciler asks, passing the present in; nothing here reads a clock, and time
//! zones come from the database inside the binary, so that every machine agrees.

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};

use crate::quantity::Cron;

/// Why there is no next occurrence.
#[derive(Debug, thiserror::Error)]
pub enum ScheduleError {
    /// The name is not in the time zone database.
    #[error("`{0}` is not a time zone; write one like `Europe/Berlin`")]
    Zone(String),
    /// The pattern never matches again, like the 31st of February.
    #[error("the schedule `{0}` never comes again; correct its day or month")]
    Never(String),
}

/// The first occurrence strictly after a moment, in the named zone or in UTC.
///
/// Where clocks jump forward, an occurrence inside the gap comes right after it; where they go
/// back, a fixed time comes once.
pub fn next_after(
    cron: &Cron,
    timezone: Option<&str>,
    after: Timestamp,
) -> Result<Timestamp, ScheduleError> {
    let never = || ScheduleError::Never(cron.to_string());
    let zone = zone(timezone)?;
    let pattern = cron.pattern().map_err(|_| never())?;
    let next = pattern
        .find_next_occurrence(&after.to_zoned(zone), false)
        .map_err(|_| never())?;
    Ok(next.timestamp())
}

/// The time zone of that name, UTC without one.
pub(crate) fn zone(name: Option<&str>) -> Result<TimeZone, ScheduleError> {
    match name {
        None => Ok(TimeZone::UTC),
        Some(name) => TimeZoneDatabase::bundled()
            .get(name)
            .map_err(|_| ScheduleError::Zone(name.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(cron: &str, zone: Option<&str>, after: &str, expect: &str) {
        let next = next_after(&cron.parse().unwrap(), zone, after.parse().unwrap());
        let text = next.map_or_else(|error| error.to_string(), |next| next.to_string());
        assert_eq!(text, expect, "{cron} in {zone:?} after {after}");
    }

    #[test]
    fn next_occurrence() {
        check(
            "0 3 * * *",
            None,
            "2026-11-24T02:59:59Z",
            "2026-11-24T03:00:00Z",
        );
        check(
            "0 3 * * *",
            None,
            "2026-11-24T03:00:00Z",
            "2026-11-25T03:00:00Z",
        );
        check(
            "0 3 * * *",
            Some("Europe/Berlin"),
            "2026-11-24T02:30:00Z",
            "2026-11-25T02:00:00Z",
        );
        check(
            "*/15 * * * *",
            None,
            "2026-11-24T23:50:00Z",
            "2026-11-25T00:00:00Z",
        );
        check(
            "0 0 29 2 *",
            None,
            "2026-11-24T00:00:00Z",
            "2028-02-29T00:00:00Z",
        );
        check(
            "0 12 * * MON-FRI",
            None,
            "2026-11-27T12:00:00Z",
            "2026-11-30T12:00:00Z",
        );
    }

    #[test]
    fn clocks_that_jump() {
        // Berlin skips 02:00-03:00 on 2026-03-29 and repeats it on 2026-10-25.
        check(
            "30 2 * * *",
            Some("Europe/Berlin"),
            "2026-03-28T12:00:00Z",
            "2026-03-29T01:00:00Z",
        );
        check(
            "30 2 * * *",
            Some("Europe/Berlin"),
            "2026-10-25T00:30:00Z",
            "2026-10-26T01:30:00Z",
        );
    }

    #[test]
    fn no_occurrence() {
        check(
            "0 0 31 2 *",
            None,
            "2026-11-24T00:00:00Z",
            "the schedule `0 0 31 2 *` never comes again; correct its day or month",
        );
        check(
            "0 3 * * *",
            Some("Mars/Base"),
            "2026-11-24T00:00:00Z",
            "`Mars/Base` is not a time zone; write one like `Europe/Berlin`",
        );
    }
}
