//! When something recurs, in the five fields of cron: `0 3 * * *`.
//!
//! Used by schedules of pipelines; [`crate::schedule`] finds the next occurrence.

use std::fmt;
use std::str::FromStr;

use croner::parser::{CronParser, Seconds, Year};

use super::{QuantityError, as_text};

/// A valid pattern of five fields (minute, hour, day of month, month, day of week).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Cron(String);

impl Cron {
    pub(crate) fn pattern(&self) -> Result<croner::Cron, croner::errors::CronError> {
        pattern(&self.0)
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Parses a pattern the same way everywhere; seconds and years are not part of it.
fn pattern(text: &str) -> Result<croner::Cron, croner::errors::CronError> {
    CronParser::builder()
        .seconds(Seconds::Disallowed)
        .year(Year::Disallowed)
        .build()
        .parse(text)
}

/// What the parser says, without its own classification.
fn reason(error: &croner::errors::CronError) -> String {
    let text = error.to_string();
    text.trim_start_matches("Component error: ")
        .trim_end_matches('.')
        .to_lowercase()
}

impl FromStr for Cron {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        // A pattern is a few dozen characters; what is longer is not worth a parser's time.
        if text.len() > 200 {
            return Err(QuantityError::new(text, "a schedule", "`0 3 * * *`"));
        }
        pattern(text).map_err(|error| {
            QuantityError(format!(
                "`{text}` is not a schedule ({}); write minute, hour, day of month, month and \
                 day of week like `0 3 * * *`",
                reason(&error)
            ))
        })?;
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

as_text!(Cron, "^(@[a-z]+|\\S+ \\S+ \\S+ \\S+ \\S+)$");
