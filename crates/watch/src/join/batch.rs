//! Records of a stretch of the log, by route.

use std::collections::BTreeMap;

use store::{Label, Prediction};

use super::record::Record;

/// What a stretch of the log brought.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Batch {
    /// Predictions and labels by route, in the order of the log.
    pub routes: BTreeMap<String, (Vec<Prediction>, Vec<Label>)>,
    /// Answers that were no numbers.
    pub no_number: u64,
    /// Lines that could not be read.
    pub damaged: u64,
}

impl Batch {
    /// Sorts whole lines; what cannot be read is counted and said once.
    #[must_use]
    pub fn of(lines: &[u8]) -> Self {
        let mut batch = Self::default();
        let mut first = None;
        for line in lines
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            match Record::parse(line) {
                Ok(Record::Prediction(route, prediction)) => {
                    batch.routes.entry(route).or_default().0.push(prediction);
                }
                Ok(Record::Label(route, label)) => {
                    batch.routes.entry(route).or_default().1.push(label);
                }
                Ok(Record::NoNumber) => batch.no_number += 1,
                Err(error) => {
                    batch.damaged += 1;
                    first.get_or_insert(error);
                }
            }
        }
        if let Some(error) = first {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(
                lines = batch.damaged,
                first = error,
                "join log has lines that cannot be read"
            );
        }
        batch
    }
}
