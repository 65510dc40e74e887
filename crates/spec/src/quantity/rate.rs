//! How often something may happen: `1 per 90d`.
//!
//! Used for the budget of false alarms.

use std::fmt;
use std::str::FromStr;

use super::{Duration, QuantityError, as_text};

/// At most so many events in a window of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rate {
    /// How many events, at least one.
    pub count: u32,
    /// In how much time, never zero.
    pub per: Duration,
}

impl FromStr for Rate {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || QuantityError::new(text, "a rate", "`1 per 90d`");
        let (count, per) = text.split_once(" per ").ok_or_else(wrong)?;
        let count: u32 = count.trim().parse().map_err(|_| wrong())?;
        let per: Duration = per.parse()?;
        if count == 0 || per == Duration::ZERO {
            return Err(wrong());
        }
        Ok(Self { count, per })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} per {}", self.count, self.per)
    }
}

as_text!(Rate, "^[1-9][0-9]* per ([0-9]+(ms|s|m|h|d|w))+$");
