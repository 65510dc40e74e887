//! The text of one clause through the crate `cel`, its errors made readable.
//!
//! Called by [`super::compile`] after `clauses` has bounded the text.

use std::ops::Range;

use cel::common::ast::SourceInfo;
use cel::parser::{Expression, Parser};

use super::CompileError;

/// A clause as the parser has it, with the places of its nodes.
pub(super) struct Parsed {
    pub(super) root: Expression,
    places: SourceInfo,
    /// The byte at which each character starts, and the end.
    bytes: Vec<usize>,
}

impl Parsed {
    /// The bytes of a node's own token: of an operator that is its sign.
    pub(super) fn range(&self, id: u64) -> Range<usize> {
        let (start, stop) = self.places.offset_for(id).unwrap_or((0, 0));
        let byte = |character: usize| self.bytes[character.min(self.bytes.len() - 1)];
        byte(start as usize)..byte(stop as usize + 1)
    }
}

pub(super) fn parse(clause: &str) -> Result<Parsed, CompileError> {
    let bytes: Vec<usize> = clause
        .char_indices()
        .map(|(at, _)| at)
        .chain([clause.len()])
        .collect();
    match Parser::new().parse_with_source_info(clause) {
        Ok((root, places)) => Ok(Parsed {
            root,
            places,
            bytes,
        }),
        Err(errors) => {
            let (position, message) = errors
                .errors
                .first()
                .map_or(((1, 1), ""), |error| (error.pos, error.msg.as_str()));
            let at = character(clause, position).min(bytes.len() - 1);
            let range = bytes[at]..bytes[(at + 1).min(bytes.len() - 1)];
            Err(CompileError::new(range, readable(message)))
        }
    }
}

/// The index of the character at a line and column counted from 1.
fn character(text: &str, (line, column): (isize, isize)) -> usize {
    let before = usize::try_from(line - 1).unwrap_or(0);
    let lines: usize = text
        .split_inclusive('\n')
        .take(before)
        .map(|line| line.chars().count())
        .sum();
    lines + usize::try_from(column - 1).unwrap_or(0)
}

/// What the parser says, without the list of everything it would have taken.
fn readable(message: &str) -> String {
    let short = message.trim_start_matches("Syntax error: ");
    let short = short.split(" expecting").next().unwrap_or(short);
    if let Some(found) = short.strip_prefix("token recognition error at: ") {
        return format!("{} is not part of the expression language", ticked(found));
    }
    let found = [
        "mismatched input ",
        "extraneous input ",
        "no viable alternative at input ",
    ];
    for prefix in found {
        match short.strip_prefix(prefix) {
            Some("'<EOF>'") => return "the condition ends too early".to_owned(),
            Some(token) => return format!("{} does not fit here", ticked(token)),
            None => {}
        }
    }
    match short {
        "" => "this is not a condition in CEL".to_owned(),
        other => format!(
            "this is not a condition in CEL ({})",
            crate::diagnostic::shown(other)
        ),
    }
}

fn ticked(token: &str) -> String {
    format!(
        "`{}`",
        crate::diagnostic::shown(token.trim_matches('\'').trim())
    )
}
