//! How long something takes or lasts: `200us`, `500ms`, `20m`, `1h30m`, `30d`.
//!
//! Used for time limits, stages, back-offs and windows. Never a point in time.

use std::fmt;
use std::str::FromStr;

use super::{QuantityError, as_text};

/// A length of time of whole microseconds, at most 100 years; a day is 24 hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Duration(std::time::Duration);

/// Units in microseconds.
const UNITS: [(&str, u64); 7] = [
    ("w", 604_800_000_000),
    ("d", 86_400_000_000),
    ("h", 3_600_000_000),
    ("m", 60_000_000),
    ("s", 1_000_000),
    ("ms", 1_000),
    ("us", 1),
];
const LONGEST: u64 = 36_525 * 86_400_000_000;

impl Duration {
    /// No time at all.
    pub const ZERO: Self = Self(std::time::Duration::ZERO);

    /// So many whole seconds.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(std::time::Duration::from_secs(seconds))
    }

    /// So many whole milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Self(std::time::Duration::from_millis(millis))
    }

    /// The same as the standard library's type.
    pub const fn get(self) -> std::time::Duration {
        self.0
    }

    /// Whole milliseconds.
    pub fn as_millis(self) -> u64 {
        u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX)
    }
}

impl From<Duration> for std::time::Duration {
    fn from(duration: Duration) -> Self {
        duration.0
    }
}

impl FromStr for Duration {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || {
            QuantityError::new(
                text,
                "a duration",
                "`500ms`, `30s`, `20m`, `1h30m` or `30d`",
            )
        };
        let mut rest = text.trim();
        if rest == "0" {
            return Ok(Self::ZERO);
        }
        let (mut total, mut largest) = (0u64, usize::MAX);
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
            let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
            let unit_end = rest[digits..]
                .find(|c: char| !c.is_ascii_lowercase())
                .map_or(rest.len(), |end| digits + end);
            let index = UNITS
                .iter()
                .position(|(unit, _)| *unit == &rest[digits..unit_end])
                .ok_or_else(wrong)?;
            if largest != usize::MAX && index <= largest {
                return Err(wrong());
            }
            largest = index;
            total = number
                .checked_mul(UNITS[index].1)
                .and_then(|micros| total.checked_add(micros))
                .filter(|micros| *micros <= LONGEST)
                .ok_or_else(|| QuantityError("a duration is at most 100 years".to_owned()))?;
            rest = &rest[unit_end..];
        }
        if largest == usize::MAX {
            return Err(wrong());
        }
        Ok(Self(std::time::Duration::from_micros(total)))
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = u64::try_from(self.0.as_micros()).unwrap_or(u64::MAX);
        if rest == 0 {
            return f.write_str("0s");
        }
        // Weeks are read, but days are how windows are usually said.
        for (unit, micros) in &UNITS[1..] {
            if rest >= *micros {
                write!(f, "{}{unit}", rest / micros)?;
                rest %= micros;
            }
        }
        Ok(())
    }
}

as_text!(Duration, "^([0-9]+(us|ms|s|m|h|d|w))+$|^0$");
