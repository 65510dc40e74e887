//! Conditions in CEL: checks of data, gates of models, alerts.
//!
//! The crate `cel` parses; names, types and values are judged here, because it has no checker
//! and does not compare whole numbers with others. [`compile`] is called for every condition
//! when the file is read, so that a typo is found before anything runs; [`Compiled::eval`]
//! later, by whoever has the figures. Pure, bounded in size and depth, and without functions
//! that loop.
//!
//! What a condition may say: names of its [`Scope`]; numbers, texts and truth values; `+ - * /
//! %`, comparisons, `&& || !`, `a ? b : c`, `x in [..]`, `abs(x)`, `min(a, b)`, `max(a, b)`.
//! Every number is a double, so `rows > 5` holds for 5.5 as for 6.

mod check;
mod clauses;
mod eval;
mod expr;
mod parse;
mod scope;
mod value;

use std::ops::Range;

pub use eval::{ClauseOutcome, EvalError, NamedValue, Outcome};
pub use scope::{COLUMN_FIELDS, Scope, Type};
pub use value::{Value, Values};

use expr::Expr;

/// The name by which gates speak of the version live in the last environment.
pub const CHAMPION: &str = "champion";

/// What is wrong with a condition, and where in its text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CompileError {
    /// Bytes of the condition's text.
    pub range: Range<usize>,
    /// One sentence without a full stop.
    pub message: String,
}

impl CompileError {
    fn new(range: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            range,
            message: message.into(),
        }
    }
}

/// A condition that is a truth value in its scope, split at its top-level `&&`.
#[derive(Debug, Clone, PartialEq)]
pub struct Compiled {
    clauses: Vec<Clause>,
}

#[derive(Debug, Clone, PartialEq)]
struct Clause {
    text: String,
    expr: Expr,
}

/// Checks a condition against the names in scope.
pub fn compile(text: &str, scope: &Scope) -> Result<Compiled, CompileError> {
    let mut clauses = Vec::new();
    for range in clauses::split(text)? {
        let part = &text[range.clone()];
        let blank = part.len() - part.trim_start().len();
        let start = range.start + blank;
        let clause = part.trim();
        let shifted = |error: CompileError| {
            CompileError::new(
                error.range.start + start..error.range.end + start,
                error.message,
            )
        };
        let parsed = parse::parse(clause).map_err(shifted)?;
        let expr = check::condition(clause, &parsed, scope).map_err(shifted)?;
        clauses.push(Clause {
            text: clause.to_owned(),
            expr,
        });
    }
    Ok(Compiled { clauses })
}

impl Compiled {
    /// Every name the condition mentions, as its segments, each once.
    pub fn names(&self) -> Vec<&[String]> {
        let mut all = Vec::new();
        for clause in &self.clauses {
            clause.expr.names(&mut all);
        }
        let mut once: Vec<&[String]> = Vec::new();
        for name in all {
            if !once.contains(&name) {
                once.push(name);
            }
        }
        once
    }

    /// Whether a model without a champion to beat could pass this gate with nothing measured:
    /// no clause is about a figure of the candidate alone. A person must approve then.
    pub fn without_champion_needs_approval(&self) -> bool {
        !self.clauses.iter().any(|clause| {
            let names = clause.names();
            !names.is_empty() && !clause.mentions(CHAMPION)
        })
    }
}

impl Clause {
    fn names(&self) -> Vec<&[String]> {
        let mut all = Vec::new();
        self.expr.names(&mut all);
        all
    }

    fn mentions(&self, root: &str) -> bool {
        self.names()
            .iter()
            .any(|name| name.first().is_some_and(|first| first == root))
    }
}

/// Whether a pipeline's gate leaves a first version to a person; true without a gate.
pub fn gate_without_champion_needs_approval(pipeline: &crate::Pipeline) -> bool {
    let gate = pipeline
        .register
        .as_ref()
        .and_then(|register| register.gate.as_deref());
    let compiled = gate.and_then(|gate| compile(gate, &Scope::gate(pipeline)).ok());
    compiled.is_none_or(|gate| gate.without_champion_needs_approval())
}

#[cfg(test)]
mod tests;
