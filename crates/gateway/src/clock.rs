//! Times: now, and the event times that requests and labels carry.
//!
//! Called by the edge (once a request) and by the writers. The only place of this crate that reads
//! the wall clock; everything else is given the time.

use crate::fields::{Raw, text};

/// Microseconds since 1970 by the wall clock.
pub(crate) fn now_micros() -> i64 {
    jiff::Timestamp::now().as_microsecond()
}

/// The time that a JSON scalar says, in microseconds since 1970. A string is RFC 3339, or a date
/// with or without a time, taken as UTC. A number is seconds, or (from 10^11 on, and from 10^14
/// on) milliseconds or microseconds since 1970. `None` for anything else.
pub(crate) fn event_micros(raw: Raw<'_>) -> Option<i64> {
    if !raw.starts_with('"') {
        return number(raw.parse().ok()?);
    }
    let text = text(raw);
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Some(time.as_microsecond());
    }
    let civil: jiff::civil::DateTime = text.parse().ok()?;
    let zoned = civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(zoned.timestamp().as_microsecond())
}

fn number(value: f64) -> Option<i64> {
    let micros = match value.abs() {
        size if size < 1e11 => value * 1e6,
        size if size < 1e14 => value * 1e3,
        size if size < 9e18 => value,
        _ => return None,
    };
    #[expect(
        clippy::cast_possible_truncation,
        reason = "below 1e19 and checked against i64"
    )]
    (micros.abs() < 9e18).then_some(micros.round() as i64)
}

#[cfg(test)]
mod tests {
    use super::event_micros;

    #[test]
    fn times_in_every_spelling() {
        let day = 1_364_774_400_000_000; // 2013-04-01
        for (raw, expect) in [
            ("\"2013-04-01T00:00:00Z\"", Some(day)),
            ("\"2013-04-01T02:00:00+02:00\"", Some(day)),
            ("\"2013-04-01 00:00:00\"", Some(day)),
            ("\"2013-04-01\"", Some(day)),
            ("\"2013-04-01T05:15\"", Some(day + 18_900_000_000)),
            ("1364774400", Some(day)),
            ("1364774400.5", Some(day + 500_000)),
            ("1364774400000", Some(day)),
            ("1364774400000000", Some(day)),
            ("\"yesterday\"", None),
            ("true", None),
            ("1e40", None),
        ] {
            assert_eq!(event_micros(raw), expect, "{raw}");
        }
    }
}
