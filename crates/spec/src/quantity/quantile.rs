//! A quantile of a distribution: `p50`, `p99`, `p99.9`.
//!
//! Used to name latencies in judges and objectives.

use std::fmt;
use std::str::FromStr;

use super::{QuantityError, as_text};

/// A quantile strictly between 0 and 1, in hundred-thousandths, so that it can be a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantile(u32);

impl Quantile {
    /// The 99th percentile.
    pub const P99: Self = Self(99_000);

    /// Between 0 and 1.
    pub fn fraction(self) -> f64 {
        f64::from(self.0) / 100_000.0
    }
}

impl FromStr for Quantile {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || QuantityError::new(text, "a quantile", "`p50`, `p99` or `p99.9`");
        let digits = text.trim().strip_prefix('p').ok_or_else(wrong)?;
        if !digits.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
            return Err(wrong());
        }
        let percent: f64 = digits.parse().map_err(|_| wrong())?;
        let parts = percent * 1000.0;
        if (parts - parts.round()).abs() > 1e-6 || !(1.0..100_000.0).contains(&parts.round()) {
            return Err(wrong());
        }
        Ok(Self(parts.round() as u32))
    }
}

impl fmt::Display for Quantile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p{}", f64::from(self.0) / 1000.0)
    }
}

as_text!(Quantile, "^p[0-9]{1,2}(\\.[0-9]{1,3})?$");
