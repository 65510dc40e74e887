//! A share of a whole: `5%`, `99.9%`.
//!
//! Used for stages of a roll-out, error budgets and objectives.

use std::fmt;
use std::str::FromStr;

use super::{QuantityError, as_text, number_and_rest};

/// A share between 0% and 100%.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Percent(f64);

impl Percent {
    /// The whole.
    pub const ALL: Self = Self(100.0);

    /// The share of so many percent, or nothing outside 0 to 100.
    pub fn new(percent: f64) -> Option<Self> {
        (0.0..=100.0).contains(&percent).then_some(Self(percent))
    }

    /// Between 0 and 100.
    pub const fn percent(self) -> f64 {
        self.0
    }

    /// Between 0 and 1.
    pub fn fraction(self) -> f64 {
        self.0 / 100.0
    }
}

impl FromStr for Percent {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || QuantityError::new(text, "a share between 0% and 100%", "`5%` or `99.9%`");
        match number_and_rest(text) {
            Some((percent, "%")) => Self::new(percent).ok_or_else(wrong),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

as_text!(Percent, "^[0-9]+(\\.[0-9]+)?%$");
