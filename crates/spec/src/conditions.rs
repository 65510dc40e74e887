//! Every condition of the file against the names it may use.
//!
//! Called by [`crate::parse`] when the references hold.

use crate::cel::{CompileError, Scope, compile};
use crate::diagnostic::{Diagnostic, Span};
use crate::file::ProjectFile;

/// Conditions of a whole file; each costs the parser some tenths of a millisecond.
const MOST: usize = 1000;

/// Every condition that is wrong.
pub(crate) fn check(file: &ProjectFile) -> Vec<Diagnostic> {
    let (mut found, mut conditions, mut wrong) = (Vec::new(), 0, 0);
    let mut condition = |path: &str, text: &str, scope: &Scope| {
        conditions += 1;
        if conditions == MOST + 1 {
            found.push(file.diagnostic_at(
                path,
                format!("a project has at most {MOST} conditions, and this is one more"),
            ));
        }
        if conditions > MOST {
            return;
        }
        if let Err(error) = compile(text, scope) {
            wrong += 1;
            if wrong <= 100 {
                found.push(file.diagnostic_in(path, text, error));
            }
        }
    };
    for (name, dataset) in &file.datasets {
        let scope = Scope::checks(dataset.format);
        for (index, check) in dataset.checks.iter().enumerate() {
            condition(&format!("datasets.{name}.checks.{index}"), check, &scope);
        }
    }
    for (name, pipeline) in &file.pipelines {
        if let Some(gate) = pipeline
            .register
            .as_ref()
            .and_then(|register| register.gate.as_ref())
        {
            condition(
                &format!("pipelines.{name}.register.gate"),
                gate,
                &Scope::gate(pipeline),
            );
        }
    }
    let scope = Scope::alerts(file);
    for (name, alert) in &file.alerts {
        condition(&format!("alerts.{name}.when"), &alert.when, &scope);
    }
    found
}

impl ProjectFile {
    /// A mistake inside a condition, at its own column when the condition stands in the file
    /// letter by letter.
    fn diagnostic_in(&self, path: &str, condition: &str, error: CompileError) -> Diagnostic {
        let whole = self.place(path);
        let text = &self.source.text;
        let written = text.get(whole.start..whole.end).unwrap_or("");
        let Some(at) = written.find(condition) else {
            return Diagnostic::new(&self.source, whole, error.message);
        };
        let start = whole.start + at + error.range.start;
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let span = Span {
            start,
            end: whole.start + at + error.range.end.max(error.range.start),
            line: text[..start].matches('\n').count() + 1,
            column: text[line_start..start].chars().count() + 1,
        };
        Diagnostic::new(&self.source, span, error.message)
    }
}
