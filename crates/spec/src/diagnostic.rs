//! What is wrong with a project file, and where: file, line, column, the line itself with a
//! caret, and what to do about it.
//!
//! Made by every part of this crate that judges the file; shown by the command line and sent
//! by the API. Never made for faults of our own.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

/// Where something stands in a text: bytes for slicing, line and column for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// Byte after the last.
    pub end: usize,
    /// Line, counted from 1.
    pub line: usize,
    /// Column in characters, counted from 1.
    pub column: usize,
}

/// A text and the name it goes by in messages.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// As the user knows the file, `mainspan.yaml` for most.
    pub name: Arc<str>,
    /// The whole text.
    pub text: Arc<str>,
}

/// One mistake of the user's, with its place and the way out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Diagnostic {
    /// Name of the file.
    pub file: String,
    /// Line, counted from 1.
    pub line: usize,
    /// Column in characters, counted from 1.
    pub column: usize,
    /// What is wrong and what would be right, in one sentence without a full stop.
    pub message: String,
    /// More words on the way out, when one sentence is not enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// The offending line, cut around the place when it is long.
    pub excerpt: String,
    /// Where in `excerpt` the caret stands, counted from 0, and how many carets.
    #[serde(skip)]
    caret: (usize, usize),
}

/// One or more mistakes, in the order in which they stand in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(transparent)]
pub struct Diagnostics(Vec<Diagnostic>);

/// Mistakes shown at once; who has more mends these first.
const MOST: usize = 100;
/// How much of a long line is shown.
const EXCERPT: usize = 100;

impl Diagnostic {
    /// A mistake at `span` of `source`.
    pub fn new(source: &Source, span: Span, message: impl Into<String>) -> Self {
        let (excerpt, caret) = excerpt(&source.text, span);
        Self {
            file: source.name.to_string(),
            line: span.line,
            column: span.column,
            message: message.into(),
            help: None,
            excerpt,
            caret,
        }
    }

    /// The same with more words on the way out.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl Diagnostics {
    /// Sorted, without repetition, at most a hundred; `None` when there is nothing to say.
    pub fn of(mut all: Vec<Diagnostic>) -> Option<Self> {
        all.sort_by(|a, b| (a.line, a.column, &a.message).cmp(&(b.line, b.column, &b.message)));
        all.dedup_by(|a, b| (a.line, a.column, &a.message) == (b.line, b.column, &b.message));
        all.truncate(MOST);
        (!all.is_empty()).then_some(Self(all))
    }

    /// The single mistake.
    pub fn one(diagnostic: Diagnostic) -> Self {
        Self(vec![diagnostic])
    }

    /// All of them, owned.
    pub fn into_vec(self) -> Vec<Diagnostic> {
        self.0
    }

    /// All of them, at least one.
    pub fn all(&self) -> &[Diagnostic] {
        &self.0
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "error: {}", self.message)?;
        let margin = " ".repeat(self.line.to_string().len());
        writeln!(f, "{margin}--> {}:{}:{}", self.file, self.line, self.column)?;
        if !self.excerpt.is_empty() {
            writeln!(f, "{margin} |")?;
            writeln!(f, "{} | {}", self.line, self.excerpt)?;
            let (at, length) = self.caret;
            writeln!(f, "{margin} | {}{}", " ".repeat(at), "^".repeat(length))?;
        }
        if let Some(help) = &self.help {
            writeln!(f, "{margin} = {help}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, diagnostic) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            diagnostic.fmt(f)?;
        }
        Ok(())
    }
}

/// The words closest to `given` among `known`, as the end of a sentence.
pub(crate) fn did_you_mean<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    // Distances cost the product of the lengths; a name is short or is not a typo of one.
    if given.len() > 80 {
        return String::new();
    }
    let lower = given.to_lowercase();
    let likeness = |word: &str| {
        let word = word.to_lowercase();
        // Short words differ much by one slip, which the edit distance forgives.
        let slips = strsim::osa_distance(&lower, &word);
        let near = slips <= 1 && word.chars().count() > 2;
        strsim::jaro_winkler(&lower, &word) + if near { 0.5 } else { 0.0 }
    };
    let best = known
        .into_iter()
        .map(|word| (likeness(word), word))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    best.map_or_else(String::new, |(_, word)| format!(", did you mean `{word}`?"))
}

/// A text without control characters, which could steer a terminal.
pub(crate) fn printable(text: &str) -> String {
    let clean = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    text.chars().map(clean).collect()
}

/// A name of the user's as it can stand in a message: bounded, without control characters.
pub(crate) fn shown(name: &str) -> String {
    let mut short = printable(&name.chars().take(60).collect::<String>());
    if name.chars().nth(60).is_some() {
        short.push('…');
    }
    short
}

/// The line that `span` starts on, cut around it, and the caret under it.
fn excerpt(text: &str, span: Span) -> (String, (usize, usize)) {
    let start = span.start.min(text.len());
    let Some(before) = text.get(..start) else {
        return (String::new(), (0, 1));
    };
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
    let at = text[line_start..start].chars().count();
    let from = if at > EXCERPT * 3 / 4 {
        at - EXCERPT / 2
    } else {
        0
    };
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    let mut line = text[line_start..line_end]
        .trim_end()
        .chars()
        .skip(from)
        .map(clean);
    let mut shown: String = line.by_ref().take(EXCERPT).collect();
    if line.next().is_some() {
        shown.push('…');
    }
    if from > 0 {
        shown.insert(0, '…');
    }
    let caret = at - from + usize::from(from > 0);
    let marked = text
        .get(start..span.end.min(line_end))
        .map_or(0, |s| s.trim_end().chars().count());
    let room = shown.chars().count().saturating_sub(caret);
    (shown, (caret, marked.min(room).max(1)))
}
