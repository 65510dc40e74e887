//! Pairs of answers, one after the other.

use crate::output::OutputTally;
use crate::report::{Failures, Message, Report, WorstRow};
use crate::row::{self, Change, OutputChange, Tolerance};
use crate::slices::{Seen, Slices};
use crate::table::{Row, Table};
use crate::worst::{self, Worst};
use crate::{answers, inputs};
use bytes::Bytes;
use indexmap::IndexMap;
use inference::frame::Wire;
use std::collections::BTreeMap;

/// Outputs that are told apart.
const OUTPUTS: usize = 32;
/// Reasons of failures that are told apart, and that a report names.
const MESSAGES: usize = 50;
const MESSAGES_SHOWN: usize = 5;

/// How to compare.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// What counts as changed.
    pub tolerance: Tolerance,
    /// How many of the rows that change most are kept.
    pub worst: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            tolerance: Tolerance::default(),
            worst: 10,
        }
    }
}

/// A request.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Names it to people.
    pub id: &'a str,
    /// How it is written.
    pub wire: Wire,
    /// Its body.
    pub body: &'a Bytes,
}

/// What a version said to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Answered {
    /// HTTP status.
    pub status: u16,
    /// How many bytes of the body are JSON, if raw bytes follow; else 0.
    pub json: u32,
    /// Its body.
    pub body: Bytes,
}

/// One version's part: an answer, or why there is none.
pub type Side = Result<Answered, String>;

/// What became of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Both answered the same, within the tolerance.
    Agreed,
    /// Both answered, and not the same.
    Differed,
    /// One of them did not answer, or neither.
    Failed,
}

/// All that was seen so far, in bounded memory.
#[derive(Debug, Clone)]
pub struct Comparison {
    options: Options,
    requests: u64,
    /// Rows by [`Change`].
    rows: [u64; 3],
    unlike: u64,
    failures: Failures,
    messages: BTreeMap<(&'static str, String), (u64, String)>,
    outputs: IndexMap<String, OutputTally>,
    more_outputs: u64,
    worst: Worst,
    slices: Slices,
}

impl Comparison {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self {
            options,
            requests: 0,
            rows: [0; 3],
            unlike: 0,
            failures: Failures::default(),
            messages: BTreeMap::new(),
            outputs: IndexMap::new(),
            more_outputs: 0,
            worst: Worst::new(options.worst),
            slices: Slices::default(),
        }
    }

    /// How many requests were seen.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.requests
    }

    /// Takes what two versions said to one request.
    pub fn add(&mut self, asked: Asked<'_>, before: &Side, after: &Side) -> Found {
        self.requests += 1;
        let sides = [("before", before), ("after", after)];
        let mut failed = [false; 2];
        for (at, (side, said)) in sides.into_iter().enumerate() {
            if let Some(why) = failure(said) {
                failed[at] = true;
                self.message(side, why, asked.id);
            }
        }
        match failed {
            [false, false] => {}
            [true, false] => self.failures.before += 1,
            [false, true] => self.failures.after += 1,
            [true, true] => self.failures.both += 1,
        }
        if failed != [false; 2] {
            return Found::Failed;
        }
        let read = |said: &Side| {
            let said = said.as_ref().ok()?;
            answers::rows(asked.wire, &said.body, said.json)
        };
        let (Some(before), Some(after)) = (read(before), read(after)) else {
            self.failures.unread += 1;
            return Found::Failed;
        };
        if before.rows.len() != after.rows.len() {
            self.unlike += 1;
            return Found::Differed;
        }
        // Rows of inputs that are not those of the answers belong to none of them.
        let inputs = inputs::rows(asked.wire, asked.body);
        let inputs = inputs.filter(|table| table.rows.len() == before.rows.len());
        self.rows(asked, &inputs.unwrap_or_default(), &before, &after)
    }

    fn rows(&mut self, asked: Asked<'_>, inputs: &Table, before: &Table, after: &Table) -> Found {
        let none = Row::default();
        let mut worst = Change::Same;
        for (at, (before, after)) in before.rows.iter().zip(&after.rows).enumerate() {
            let inputs = inputs.rows.get(at).unwrap_or(&none);
            worst = worst.max(self.row((asked.id, at), inputs, before, after));
        }
        if worst == Change::Far {
            Found::Differed
        } else {
            Found::Agreed
        }
    }

    fn row(&mut self, (id, at): (&str, usize), inputs: &Row, before: &Row, after: &Row) -> Change {
        let found = row::outputs(before, after, self.options.tolerance);
        let change = found.iter().map(|(_, found)| found.change).max();
        let change = change.unwrap_or(Change::Same);
        self.rows[change as usize] += 1;
        for (name, found) in &found {
            self.output(name, found);
        }
        let shift = found.iter().find_map(|(_, found)| found.difference);
        let changed = change == Change::Far;
        self.slices.add(inputs, Seen { changed, shift });
        if changed {
            let words = found.iter().any(|(_, found)| found.words.is_some());
            let differences = found.iter().filter_map(|(_, found)| found.difference);
            let difference = differences.max_by(|a, b| a.abs().total_cmp(&b.abs()));
            self.worst.offer(words, difference, || WorstRow {
                request: id.to_owned(),
                row: at as u64,
                difference,
                inputs: worst::shown(inputs),
                before: worst::shown(before),
                after: worst::shown(after),
            });
        }
        change
    }

    fn output(&mut self, name: &str, found: &OutputChange) {
        let room = self.outputs.len() < OUTPUTS;
        match self.outputs.get_mut(name) {
            Some(tally) => tally.add(found),
            None if room => self.outputs.entry(name.to_owned()).or_default().add(found),
            None => self.more_outputs += 1,
        }
    }

    fn message(&mut self, side: &'static str, why: String, id: &str) {
        let room = self.messages.len() < MESSAGES;
        match self.messages.get_mut(&(side, why.clone())) {
            Some((count, _)) => *count += 1,
            None if room => {
                self.messages.insert((side, why), (1, id.to_owned()));
            }
            None => {}
        }
    }

    /// What was seen so far.
    #[must_use]
    pub fn report(&self) -> Report {
        let message =
            |((side, message), (requests, first)): (&(&str, String), &(u64, String))| Message {
                side: (*side).to_owned(),
                message: message.clone(),
                requests: *requests,
                first: first.clone(),
            };
        let mut messages: Vec<Message> = self.messages.iter().map(message).collect();
        messages.sort_by_key(|message| std::cmp::Reverse(message.requests));
        messages.truncate(MESSAGES_SHOWN);
        let outputs = self.outputs.iter();
        Report {
            tolerance: self.options.tolerance,
            requests: self.requests,
            rows: self.rows.iter().sum(),
            same: self.rows[Change::Same as usize],
            near: self.rows[Change::Near as usize],
            changed: self.rows[Change::Far as usize],
            unlike: self.unlike,
            failures: Failures {
                messages,
                ..self.failures.clone()
            },
            outputs: outputs.map(|(name, tally)| tally.report(name)).collect(),
            more_outputs: self.more_outputs,
            worst: self.worst.report(),
            slices: self.slices.report(),
        }
    }
}

/// Why a version has no answer.
fn failure(said: &Side) -> Option<String> {
    match said {
        Err(why) => Some(why.clone()),
        Ok(answer) if answer.status < 300 => None,
        Ok(answer) => {
            let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            let words = body["error"].as_str().unwrap_or("no answer");
            let words: String = words.chars().take(200).collect();
            Some(format!("{}: {words}", answer.status))
        }
    }
}

#[cfg(test)]
mod tests;
