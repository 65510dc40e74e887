//! Figures and how they are told: a table for people, one JSON object a line for programs.

use serde::Serialize;
use std::io::Write as _;

/// How to print.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// A table
    #[default]
    Table,
    /// One object a line
    Json,
}

/// A measured value and the most, or the least, that it may be.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Figure {
    bench: &'static str,
    figure: String,
    value: f64,
    unit: &'static str,
    /// `None`: told for comparison, without a goal.
    goal: Option<f64>,
    /// Whether the goal is the least that is wanted.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    least: bool,
    holds: bool,
}

impl Figure {
    /// A figure that may be `goal` at the most.
    pub(super) fn at_most(
        bench: &'static str,
        figure: impl Into<String>,
        value: f64,
        unit: &'static str,
        goal: f64,
    ) -> Self {
        let value = rounded(value);
        Figure {
            bench,
            figure: figure.into(),
            value,
            unit,
            goal: Some(goal),
            least: false,
            holds: value <= goal,
        }
    }

    /// A figure that must be `goal` at the least.
    pub(super) fn at_least(
        bench: &'static str,
        figure: impl Into<String>,
        value: f64,
        unit: &'static str,
        goal: f64,
    ) -> Self {
        let value = rounded(value);
        Figure {
            least: true,
            holds: value >= goal,
            ..Figure::at_most(bench, figure, value, unit, goal)
        }
    }

    /// A figure that others are compared with.
    pub(super) fn told(
        bench: &'static str,
        figure: impl Into<String>,
        value: f64,
        unit: &'static str,
    ) -> Self {
        Figure {
            bench,
            figure: figure.into(),
            value: rounded(value),
            unit,
            goal: None,
            least: false,
            holds: true,
        }
    }

    /// Whether the goal is reached.
    pub(super) fn holds(&self) -> bool {
        self.holds
    }
}

fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// Prints them.
pub(super) fn print(figures: &[Figure], format: Format) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    if format == Format::Json {
        for figure in figures {
            writeln!(out, "{}", serde_json::to_string(figure)?)?;
        }
        return Ok(());
    }
    out.write_all(table(figures).as_bytes())?;
    Ok(())
}

fn table(figures: &[Figure]) -> String {
    let mut text = format!(
        "{:<34} {:>10} {:<5} {:>8}  \n",
        "figure", "value", "unit", "goal"
    );
    for figure in figures {
        let goal = figure.goal.map_or_else(String::new, |goal| {
            format!("{} {goal}", if figure.least { "≥" } else { "≤" })
        });
        let holds = if figure.holds { "" } else { "missed" };
        let line = format!(
            "{:<34} {:>10} {:<5} {goal:>8}  {holds}",
            figure.figure, figure.value, figure.unit
        );
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// The middle value; of an even number, the higher of the two.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn figures_are_told() {
        let figures = [
            Figure::at_most("steps", "ready", 0.12345, "s", 0.2),
            Figure::at_most("steps", "memory", 81.0, "MB", 80.0),
            Figure::told("steps", "bare", 20.0, "ms"),
            Figure::at_least("steps", "ratio", 50.0, "x", 60.0),
        ];
        expect![[r"
            figure                                  value unit      goal
            ready                                   0.123 s        ≤ 0.2
            memory                                     81 MB        ≤ 80  missed
            bare                                       20 ms
            ratio                                      50 x         ≥ 60  missed
        "]]
        .assert_eq(
            &table(&figures)
                .replace("  \n", "\n")
                .replace("goal  ", "goal"),
        );
        expect![[r#"{"bench":"steps","figure":"memory","value":81.0,"unit":"MB","goal":80.0,"holds":false}"#]]
            .assert_eq(&serde_json::to_string(&figures[1]).unwrap());
    }

    #[test]
    fn medians() {
        let check =
            |values: &[f64], expect: f64| assert!((median(values.to_vec()) - expect).abs() < 1e-9);
        check(&[3.0], 3.0);
        check(&[3.0, 1.0, 2.0], 2.0);
        check(&[4.0, 1.0, 2.0, 3.0], 3.0);
        assert!(median(Vec::new()).is_nan());
    }

    #[test]
    fn a_value_that_is_none_holds_no_goal() {
        assert!(!Figure::at_most("steps", "ready", f64::NAN, "s", 0.2).holds());
    }
}
