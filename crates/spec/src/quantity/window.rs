//! A stretch of time when nothing is deployed: `Fri 16:00 - Mon 08:00` of every week, or `2026-12-19 - 2027-01-04`.
//!
//! Used by `freeze`; [`crate::freeze`] finds out whether a moment lies in one.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::{Span, ToSpan as _};

use super::{QuantityError, as_text};

/// A window in the local time of some zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// From and until these, every week.
    Weekly((Weekday, Time), (Weekday, Time)),
    /// Once, from and until; a date without a time is meant whole.
    Once(Moment, Moment),
}

/// A date, at a time or whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Moment(Date, Option<Time>);

const DAYS: [(&str, Weekday); 7] = [
    ("Mon", Weekday::Monday),
    ("Tue", Weekday::Tuesday),
    ("Wed", Weekday::Wednesday),
    ("Thu", Weekday::Thursday),
    ("Fri", Weekday::Friday),
    ("Sat", Weekday::Saturday),
    ("Sun", Weekday::Sunday),
];

impl Window {
    /// When it ends, if this local time lies in it: its start does, its end does not.
    pub(crate) fn end(&self, local: DateTime) -> Option<DateTime> {
        let (start, end) = match self.0 {
            Kind::Once(from, until) => {
                let end = match until.1 {
                    Some(time) => until.0.to_datetime(time),
                    None => until.0.tomorrow().ok()?.to_datetime(Time::midnight()),
                };
                (from.0.to_datetime(from.1.unwrap_or_default()), end)
            }
            Kind::Weekly(from, until) => {
                let start = last(from, local)?;
                (start, last(until, start)?.checked_add(1.week()).ok()?)
            }
        };
        (start <= local && local < end).then_some(end)
    }
}

/// The last such moment of a week at or before a local time.
fn last((day, time): (Weekday, Time), local: DateTime) -> Option<DateTime> {
    let back = local.weekday().since(day);
    let found = local
        .date()
        .checked_sub(Span::new().days(back))
        .ok()?
        .to_datetime(time);
    if found <= local {
        Some(found)
    } else {
        found.checked_sub(1.week()).ok()
    }
}

fn weekly(text: &str) -> Option<(Weekday, Time)> {
    let (day, time) = text.split_once(' ')?;
    let (_, day) = DAYS.iter().find(|(name, _)| *name == day)?;
    Some((*day, clock(time)?))
}

fn moment(text: &str) -> Option<Moment> {
    let (date, time) = match text.split_once(' ') {
        Some((date, time)) => (date, Some(clock(time)?)),
        None => (text, None),
    };
    // Exactly `2026-12-19`: jiff knows more spellings of a date.
    (date.len() == 10).then_some(())?;
    Some(Moment(date.parse().ok()?, time))
}

/// Exactly `08:00`.
fn clock(text: &str) -> Option<Time> {
    let digits = |text: &str| -> Option<i8> {
        let all = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        all.then(|| text.parse().ok())?
    };
    let (hour, minute) = text.split_once(':')?;
    Time::new(digits(hour)?, digits(minute)?, 0, 0).ok()
}

impl FromStr for Window {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || {
            QuantityError::new(
                text,
                "a window of time",
                "`Fri 16:00 - Mon 08:00` (every week) or `2026-12-19 - 2027-01-04`",
            )
        };
        let (from, until) = text.split_once(" - ").ok_or_else(wrong)?;
        let (from, until) = (from.trim(), until.trim());
        let window = match (weekly(from), weekly(until)) {
            (Some(from), Some(until)) if from != until => Kind::Weekly(from, until),
            (None, None) => {
                let from = moment(from).ok_or_else(wrong)?;
                let until = moment(until).ok_or_else(wrong)?;
                Kind::Once(from, until)
            }
            _ => return Err(wrong()),
        };
        let window = Self(window);
        if let Kind::Once(Moment(date, time), _) = window.0
            && window
                .end(date.to_datetime(time.unwrap_or_default()))
                .is_none()
        {
            return Err(QuantityError(format!(
                "the window `{text}` ends before it begins; write the earlier date first"
            )));
        }
        Ok(window)
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clock = |time: Time| format!("{:02}:{:02}", time.hour(), time.minute());
        let weekly = |(day, time): (Weekday, Time)| {
            let name = DAYS.iter().find(|(_, known)| *known == day);
            format!("{} {}", name.map_or("", |(name, _)| name), clock(time))
        };
        let moment = |Moment(date, time): Moment| match time {
            Some(time) => format!("{date} {}", clock(time)),
            None => date.to_string(),
        };
        match self.0 {
            Kind::Weekly(from, until) => write!(f, "{} - {}", weekly(from), weekly(until)),
            Kind::Once(from, until) => write!(f, "{} - {}", moment(from), moment(until)),
        }
    }
}

as_text!(
    Window,
    "^(([A-Z][a-z]{2} [0-9]{2}:[0-9]{2}) - ([A-Z][a-z]{2} [0-9]{2}:[0-9]{2})|[0-9]{4}-[0-9]{2}-[0-9]{2}( [0-9]{2}:[0-9]{2})? - [0-9]{4}-[0-9]{2}-[0-9]{2}( [0-9]{2}:[0-9]{2})?)$"
);
