//! A report as people read it.

use crate::report::{OutputReport, Quantiles, Report, Slice, Sort, WorstRow};
use serde_json::{Map, Value};
use std::fmt::Write as _;

/// Inputs of a row that are shown.
const INPUTS: usize = 6;
/// Characters of a bar.
const BAR: u64 = 30;

impl Report {
    /// The result in one line: `412 of 50,000 answers change`.
    #[must_use]
    pub fn headline(&self) -> String {
        if self.rows == 0 {
            return format!(
                "no answer to compare: {} requests, none of which both versions answered",
                count(self.requests)
            );
        }
        let mut text = format!(
            "{} of {} answers change",
            count(self.changed),
            count(self.rows)
        );
        let failed = self.failures.after + self.unlike + self.failures.unread;
        if failed > 0 {
            let _ = write!(
                text,
                ", and {} requests are not answered as before",
                count(failed)
            );
        }
        text
    }

    /// The whole report; `before` and `after` name the versions.
    #[must_use]
    pub fn text(&self, before: &str, after: &str) -> String {
        // Writing to a String cannot fail.
        let mut out = String::new();
        let _ = writeln!(out, "{}.", self.headline());
        let tolerance = self.tolerance;
        let _ = writeln!(
            out,
            "    changed: by more than {} and {}% ({:.2}% of all); {} change by less, {} not at all",
            figure(tolerance.absolute),
            figure(tolerance.relative * 100.0),
            100.0 * self.share(),
            count(self.near),
            count(self.same)
        );
        self.failed(&mut out, before, after);
        for output in &self.outputs {
            output.text(&mut out);
        }
        if self.more_outputs > 0 {
            let _ = writeln!(out, "    further outputs are counted in the sum only");
        }
        if !self.slices.is_empty() {
            let _ = writeln!(out, "Where it changes most:");
            for slice in &self.slices {
                slice.text(&mut out);
            }
        }
        if !self.worst.is_empty() {
            let _ = writeln!(out, "Rows that change most:");
            for row in &self.worst {
                row.text(&mut out);
            }
        }
        out
    }

    fn failed(&self, out: &mut String, before: &str, after: &str) {
        let failures = &self.failures;
        let mut say = |number: u64, what: String| {
            if number > 0 {
                let _ = writeln!(out, "    {} requests: {what}", count(number));
            }
        };
        say(failures.after, format!("{after} fails, {before} answers"));
        say(failures.before, format!("{before} fails, {after} answers"));
        say(failures.both, "both fail".to_owned());
        say(
            self.unlike,
            "the answers have not the same number of rows".to_owned(),
        );
        say(failures.unread, "an answer cannot be read".to_owned());
        for message in &failures.messages {
            let side = if message.side == "before" {
                before
            } else {
                after
            };
            let _ = writeln!(
                out,
                "        {side}, {} times (first at {}): {}",
                count(message.requests),
                message.first,
                message.message
            );
        }
    }
}

impl OutputReport {
    fn text(&self, out: &mut String) {
        let _ = writeln!(
            out,
            "{}: {} of {} change",
            self.name,
            count(self.changed),
            count(self.rows)
        );
        if self.changed > 0 {
            if let (Some(difference), Some(size)) = (&self.difference, &self.size) {
                let mean = self.mean.unwrap_or_default();
                let _ = writeln!(
                    out,
                    "    difference  {}, mean {}",
                    difference.text(),
                    figure(mean)
                );
                let _ = writeln!(out, "    size        {}", size.text());
            }
            let most = self.histogram.iter().map(|bar| bar.rows).max().unwrap_or(1);
            for bar in self.histogram.iter().filter(|_| self.histogram.len() > 1) {
                let ends = if bar.to == 0.0 && bar.from == 0.0 {
                    "0".to_owned()
                } else {
                    format!("{} … {}", figure(bar.from), figure(bar.to))
                };
                let length = (bar.rows * BAR).div_ceil(most);
                let length = usize::try_from(length).unwrap_or(0);
                let _ = writeln!(
                    out,
                    "    {ends:>16} {:>10} {}",
                    count(bar.rows),
                    "█".repeat(length)
                );
            }
        }
        for words in &self.words {
            let _ = writeln!(
                out,
                "    {} → {}: {} rows",
                words.before,
                words.after,
                count(words.rows)
            );
        }
        if self.other_words > 0 {
            let _ = writeln!(out, "    others: {} rows", count(self.other_words));
        }
    }
}

impl Quantiles {
    fn text(&self) -> String {
        let named = [
            ("least", self.smallest),
            ("p10", self.p10),
            ("half", self.p50),
            ("p90", self.p90),
            ("p99", self.p99),
            ("most", self.largest),
        ];
        let named = named.map(|(name, x)| format!("{name} {}", figure(x)));
        named.join(", ")
    }
}

impl Slice {
    fn text(&self, out: &mut String) {
        let share = 100.0 * self.changed as f64 / self.rows.max(1) as f64;
        let _ = write!(
            out,
            "    {} {}: {} of {} change ({share:.1}%, elsewhere {:.1}%)",
            self.column,
            self.value,
            count(self.changed),
            count(self.rows),
            100.0 * self.elsewhere
        );
        if let (Some(shift), Sort::Shifted) = (&self.shift, self.sort) {
            let _ = write!(
                out,
                ", by {} on average (elsewhere {})",
                figure(shift.inside),
                figure(shift.elsewhere)
            );
        }
        out.push('\n');
    }
}

impl WorstRow {
    fn text(&self, out: &mut String) {
        let row = if self.row > 0 {
            format!(" row {}", self.row)
        } else {
            String::new()
        };
        let _ = writeln!(
            out,
            "    {}{row}: {} → {}   {}",
            self.request,
            values(&self.before, INPUTS, self.before.len() > 1),
            values(&self.after, INPUTS, self.after.len() > 1),
            values(&self.inputs, INPUTS, true)
        );
    }
}

fn values(fields: &Map<String, Value>, most: usize, named: bool) -> String {
    let one = |(name, value): (&String, &Value)| {
        let value = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.as_f64().map_or_else(|| number.to_string(), figure),
            other => other.to_string(),
        };
        if named {
            format!("{name}={value}")
        } else {
            value
        }
    };
    let mut shown: Vec<String> = fields.iter().take(most).map(one).collect();
    if fields.len() > most {
        shown.push("…".to_owned());
    }
    shown.join(" ")
}

/// A count with its thousands apart.
fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Four digits of a number, whatever its size.
fn figure(x: f64) -> String {
    let size = x.abs();
    if x == 0.0 {
        return "0".to_owned();
    }
    if !(1e-4..1e7).contains(&size) {
        let text = format!("{x:.3e}");
        let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
        return format!("{}e{power}", trimmed(digits));
    }
    let places = (3 - size.log10().floor() as i32).clamp(0, 8) as usize;
    trimmed(&format!("{x:.places$}")).to_owned()
}

fn trimmed(text: &str) -> &str {
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures() {
        let numbers = [0.0, 1.0, -2.5, 0.001_234_6, 123_456.7, 1e-6, -1.5e9, 0.1];
        let shown: Vec<String> = numbers.into_iter().map(figure).collect();
        assert_eq!(
            shown,
            [
                "0", "1", "-2.5", "0.001235", "123457", "1e-6", "-1.5e9", "0.1"
            ]
        );
        assert_eq!(
            (count(7), count(1234), count(50_000_000)),
            ("7".into(), "1,234".into(), "50,000,000".into())
        );
    }
}
