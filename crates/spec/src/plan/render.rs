//! A plan as text for people.
//!
//! The command line prints it; the format follows what users of Terraform know.

use std::fmt::Write;

use serde_json::Value;

use super::{Action, Change, Field, Plan};

const GREEN: &str = "\x1b[32m";
const YELLOW: &str = "\x1b[33m";
const RED: &str = "\x1b[31m";
const RESET: &str = "\x1b[0m";
/// Longer values are cut; `-o json` has them whole.
const LONGEST: usize = 80;

impl Plan {
    /// The plan as text, each change under its reason, and a summary line at the end.
    pub fn render(&self, colour: bool) -> String {
        self.render_with("", colour)
    }

    /// The same with what else is to be said before the summary.
    pub fn render_with(&self, more: &str, colour: bool) -> String {
        let mut text = String::new();
        for change in &self.changes {
            render_change(&mut text, change, self.prune, colour);
        }
        if !more.is_empty() {
            let _ = writeln!(text, "{more}");
        }
        text.push_str(&self.summary());
        text.push('\n');
        text
    }

    /// `Plan: 3 to create, 1 to change, 0 to delete.`, or that there is nothing to do.
    pub fn summary(&self) -> String {
        let (deletes, kept) = match (self.prune, self.count(Action::Delete)) {
            (true, deletes) => (deletes, 0),
            (false, kept) => (0, kept),
        };
        let mut text = if self.is_empty() {
            "No changes. What runs has the shape of the file.".to_owned()
        } else {
            let (create, update) = (self.count(Action::Create), self.count(Action::Update));
            format!("Plan: {create} to create, {update} to change, {deletes} to delete.")
        };
        if kept > 0 {
            let _ = write!(
                text,
                " {kept} no longer in the file: kept; `mainspan apply --prune` deletes."
            );
        }
        text
    }
}

fn render_change(text: &mut String, change: &Change, prune: bool, colour: bool) {
    let (sign, paint) = match change.action {
        Action::Create => ("+", GREEN),
        Action::Update => ("~", YELLOW),
        Action::Delete => ("-", RED),
    };
    let (paint, reset) = if colour { (paint, RESET) } else { ("", "") };
    let kept = if change.prunable && !prune {
        " (kept without --prune)"
    } else {
        ""
    };
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{paint}{sign}{reset} {}{kept}", change.name);
    if change.action == Action::Delete {
        let _ = writeln!(text, "    # {}", change.reason);
    } else {
        // An empty list of a new thing says nothing.
        let idle =
            |field: &&Field| field.old.is_none() && field.new == Some(Value::Array(Vec::new()));
        let fields: Vec<&Field> = change.fields.iter().filter(|field| !idle(field)).collect();
        let width = fields
            .iter()
            .map(|field| field.path.len())
            .max()
            .unwrap_or(0)
            .min(40);
        for field in fields {
            let _ = writeln!(
                text,
                "    {paint}{}{reset} {:width$} = {}",
                field_sign(field),
                field.path,
                values(field)
            );
        }
    }
    text.push('\n');
}

fn field_sign(field: &Field) -> &'static str {
    match (&field.old, &field.new) {
        (None, _) => "+",
        (Some(_), None) => "-",
        _ => "~",
    }
}

fn values(field: &Field) -> String {
    match (&field.old, &field.new) {
        (Some(old), Some(new)) => format!("{} → {}", value(old), value(new)),
        (Some(one), None) | (None, Some(one)) => value(one),
        (None, None) => String::new(),
    }
}

fn value(value: &Value) -> String {
    let text = match value {
        Value::Number(number) => number
            .as_f64()
            .map_or_else(|| number.to_string(), |number| number.to_string()),
        other => crate::diagnostic::printable(&other.to_string()),
    };
    match text.char_indices().nth(LONGEST) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text,
    }
}
