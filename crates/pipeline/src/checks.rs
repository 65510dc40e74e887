//! A dataset's checks, evaluated over its profile. Pure.

use crate::profile::Profile;
use spec::cel::{self, Scope, Values};

/// A check that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// As the file has it.
    pub check: String,
    /// The figures it read.
    pub values: String,
}

/// A check that cannot be evaluated.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// It is no condition over a profile.
    #[error("the check `{check}` is wrong")]
    Compile {
        /// The check.
        check: String,
        /// What is wrong.
        source: cel::CompileError,
    },
    /// The data has no such column or figure.
    #[error("the check `{check}` cannot be decided: {why}")]
    Eval {
        /// The check.
        check: String,
        /// Why.
        why: String,
    },
}

/// The checks that do not hold.
///
/// # Errors
/// See [`CheckError`]; a check that cannot be decided is never taken to hold.
pub fn failed(checks: &[String], profile: &Profile) -> Result<Vec<Failure>, CheckError> {
    let values = values(profile);
    let mut failures = Vec::new();
    for check in checks {
        let compile = |source| CheckError::Compile {
            check: check.clone(),
            source,
        };
        let scope = if profile.columns.is_empty() {
            Scope::checks(spec::Format::Files)
        } else {
            Scope::checks(spec::Format::Csv)
        };
        let compiled = cel::compile(check, &scope).map_err(compile)?;
        let outcome = compiled.eval(&values).map_err(|e| CheckError::Eval {
            check: check.clone(),
            why: e.to_string(),
        })?;
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
        let error = check("columns.dealy.max > 1").unwrap_err().to_string();
        assert!(error.contains("columns.dealy.max"), "{error}");
        assert!(matches!(
            check("rows >").unwrap_err(),
            CheckError::Compile { .. }
        ));
    }
}
