//! A dataset's checks, evaluated over its profile. Pure.

use crate::profile::Profile;
use spec::cel::{self, EvalError, Scope, Values};

/// A check that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// As the file has it.
    pub check: String,
    /// The figures it read, or why it cannot be decided.
    pub values: String,
}

/// A check that is no condition over a profile.
#[derive(Debug, thiserror::Error)]
#[error("the check `{check}` is wrong")]
pub struct CheckError {
    /// The check.
    check: String,
    /// What is wrong.
    source: cel::CompileError,
}

/// The checks that do not hold; one that cannot be decided is never taken to hold.
///
/// # Errors
/// See [`CheckError`].
pub fn failed(checks: &[String], profile: &Profile) -> Result<Vec<Failure>, CheckError> {
    let values = values(profile);
    let mut failures = Vec::new();
    for check in checks {
        let wrong = |source| CheckError {
            check: check.clone(),
            source,
        };
        let scope = if profile.columns.is_empty() {
            Scope::checks(spec::Format::Files)
        } else {
            Scope::checks(spec::Format::Csv)
        };
        let compiled = cel::compile(check, &scope).map_err(wrong)?;
        let outcome = match compiled.eval(&values) {
            Ok(outcome) => outcome,
            Err(error) => {
                failures.push(Failure {
                    check: check.clone(),
                    values: undecided(&error, profile),
                });
                continue;
            }
        };
        if !outcome.holds {
            let figures = outcome
                .clauses
                .iter()
                .filter(|clause| !clause.holds)
                .flat_map(|clause| &clause.values);
            let figures: Vec<String> = figures
                .map(|v| format!("{} = {}", v.name, v.value))
                .collect();
            failures.push(Failure {
                check: check.clone(),
                values: figures.join(", "),
            });
        }
    }
    Ok(failures)
}

/// Why a check cannot be decided, in terms of the data.
fn undecided(error: &EvalError, profile: &Profile) -> String {
    let column = match error {
        EvalError::Missing { name, .. } => name.strip_prefix("columns."),
        _ => None,
    };
    let Some((column, figure)) = column.and_then(|name| name.rsplit_once('.')) else {
        return error.to_string();
    };
    match profile.columns.get(column) {
        None => {
            let known: Vec<&str> = profile.columns.keys().map(String::as_str).collect();
            format!(
                "there is no column `{column}`; there are {}",
                known.join(", ")
            )
        }
        Some(known) if known.kind == "empty" => {
            format!("column `{column}` has no values, so it has no `{figure}`")
        }
        Some(known) => format!(
            "column `{column}` is {}, so it has no `{figure}`",
            known.kind
        ),
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts above 2^53 do not occur, and conditions are over doubles"
)]
fn values(profile: &Profile) -> Values {
    let mut values = Values::new();
    values.set(&["rows"], profile.rows as f64);
    values.set(&["files"], profile.rows as f64);
    values.set(&["bytes"], profile.bytes as f64);
    for (name, column) in &profile.columns {
        let mut set = |field: &str, value: Option<f64>| {
            if let Some(value) = value {
                values.set(&["columns", name, field], value);
            }
        };
        set("null_fraction", Some(column.null_fraction));
        set("nulls", Some(column.nulls as f64));
        set("distinct", Some(column.distinct as f64));
        set("min", column.min);
        set("max", column.max);
        set("mean", column.mean);
        set("std", column.std);
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::ColumnProfile;

    #[test]
    fn held_failed_and_undecided() {
        let column = ColumnProfile {
            kind: "number".into(),
            null_fraction: 0.25,
            max: Some(8.0),
            ..ColumnProfile::default()
        };
        let profile = Profile {
            rows: 4,
            bytes: 10,
            columns: [("delay".to_owned(), column)].into_iter().collect(),
        };
        let check = |text: &str| failed(&[text.to_owned()], &profile);
        assert_eq!(
            check("rows >= 4 && columns.delay.null_fraction < 0.5").unwrap(),
            []
        );
        let failures = check("rows >= 50000").unwrap();
        assert_eq!(
            failures,
            [Failure {
                check: "rows >= 50000".into(),
                values: "rows = 4".into()
            }]
        );
        assert!(check("rows >").unwrap_err().to_string().contains("rows >"));
    }

    #[test]
    fn what_cannot_be_decided_fails_beside_the_others() {
        let column = |kind: &str| ColumnProfile {
            kind: kind.into(),
            ..ColumnProfile::default()
        };
        let profile = Profile {
            rows: 4,
            bytes: 10,
            columns: [("name", "text"), ("none", "empty")]
                .map(|(name, kind)| (name.to_owned(), column(kind)))
                .into(),
        };
        let checks = [
            "columns.nmae.distinct > 1",
            "columns.name.mean > 1",
            "columns.none.max > 1",
            "rows > 9",
        ]
        .map(str::to_owned);
        let failures = failed(&checks, &profile).unwrap();
        let whys: Vec<&str> = failures.iter().map(|f| f.values.as_str()).collect();
        assert_eq!(
            whys,
            [
                "there is no column `nmae`; there are name, none",
                "column `name` is text, so it has no `mean`",
                "column `none` has no values, so it has no `max`",
                "rows = 4",
            ]
        );
    }
}
