//! Splitting a condition at its top-level `&&`, and keeping it small.
//!
//! The first to see the text of a condition: what is too long or too deep is refused here,
//! because the parser behind recurses. A condition with `||` or `?:` outside parentheses is one
//! clause, since `&&` binds tighter there.

use std::ops::Range;

use super::CompileError;

const MAX_BYTES: usize = 2000;
const MAX_DEPTH: usize = 12;
const MAX_OPERATORS: usize = 100;

/// The ranges between the top-level `&&`, at least one.
pub(super) fn split(text: &str) -> Result<Vec<Range<usize>>, CompileError> {
    if text.len() > MAX_BYTES {
        return Err(CompileError::new(
            0..1,
            format!(
                "a condition has at most {MAX_BYTES} bytes, this one has {}",
                text.len()
            ),
        ));
    }
    if text.trim().is_empty() {
        return Err(CompileError::new(
            0..text.len(),
            "this condition is empty; write one or remove the key",
        ));
    }
    let mut ranges = Vec::new();
    let (mut start, mut depth, mut operators, mut alternatives) = (0, 0usize, 0, false);
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        let wrong = |message: String| Err(CompileError::new(at..at + c.len_utf8(), message));
        let mut step = c.len_utf8();
        match c {
            '"' | '\'' => match quoted(rest, c) {
                Some(length) => step = length,
                None => return wrong(format!("this text has no closing {c}")),
            },
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' if depth == 0 => {
                return wrong(format!("this `{c}` closes nothing; remove it"));
            }
            ')' | ']' | '}' => depth -= 1,
            '/' if rest.starts_with("//") => {
                return wrong("a condition has no comments; put it behind a YAML `#`".to_owned());
            }
            '&' if rest.starts_with("&&") => {
                if depth == 0 {
                    ranges.push(start..at);
                    start = at + 2;
                }
                (operators, step) = (operators + 1, 2);
            }
            '|' | '?' => {
                alternatives |= depth == 0;
                operators += 1;
            }
            '+' | '-' | '*' | '/' | '%' | '!' | '<' | '>' | '=' | '.' | ',' | ':' => operators += 1,
            _ => {}
        }
        if depth > MAX_DEPTH {
            return wrong(format!(
                "a condition has at most {MAX_DEPTH} brackets inside each other; split it"
            ));
        }
        if operators > MAX_OPERATORS {
            return wrong(format!(
                "a condition has at most {MAX_OPERATORS} operators; split it"
            ));
        }
        at += step;
    }
    if depth > 0 {
        return Err(CompileError::new(
            text.trim_end().len()..text.len(),
            "a bracket is not closed; add the missing `)`, `]` or `}`",
        ));
    }
    if alternatives {
        return Ok(std::iter::once(0..text.len()).collect());
    }
    ranges.push(start..text.len());
    match ranges
        .iter()
        .find(|range| text[(*range).clone()].trim().is_empty())
    {
        Some(empty) => Err(CompileError::new(
            empty.start..empty.end.max(empty.start),
            "a clause is missing beside this `&&`",
        )),
        None => Ok(ranges),
    }
}

/// The length of the text literal at the start of `rest`, quotes included.
fn quoted(rest: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\n' => return None,
            _ if c == quote => return Some(at + 1),
            _ => {}
        }
    }
    None
}
