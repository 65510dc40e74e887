//! How many requests: `500 requests`.
//!
//! Used for the least traffic a stage of a roll-out must see.

use std::fmt;
use std::str::FromStr;

use super::{QuantityError, as_text, number_and_rest};

/// A number of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Requests(pub u64);

impl FromStr for Requests {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match number_and_rest(text) {
            Some((count, "requests" | "request")) if count.fract() == 0.0 && count <= 1e12 => {
                Ok(Self(count as u64))
            }
            _ => Err(QuantityError::new(
                text,
                "a number of requests",
                "`500 requests`",
            )),
        }
    }
}

impl fmt::Display for Requests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} request{}",
            self.0,
            if self.0 == 1 { "" } else { "s" }
        )
    }
}

as_text!(Requests, "^[0-9]+ requests?$");
