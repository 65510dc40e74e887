//! What a condition comes to with given figures, clause by clause.
//!
//! Called when the figures are there: after a dataset is profiled, after the steps are done,
//! when an alarm changes. The outcome keeps every figure it read, so that a decision can be
//! explained later.

use serde::{Deserialize, Serialize};

use super::expr::{Arithmetic, Comparison, Expr, Function};
use super::value::written;
use super::{CHAMPION, Clause, Compiled, Value, Values};

/// What a condition came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Whether every clause holds.
    pub holds: bool,
    /// Each clause, in order.
    pub clauses: Vec<ClauseOutcome>,
}

/// What a clause came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClauseOutcome {
    /// As it is written.
    pub text: String,
    /// Whether it holds.
    pub holds: bool,
    /// Whether it holds only because there is no champion to compare with.
    pub waived: bool,
    /// The figures it mentions, as far as they are there.
    pub values: Vec<NamedValue>,
}

/// A name and its figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NamedValue {
    /// As it is written in the condition.
    pub name: String,
    /// What it stood for.
    pub value: Value,
}

/// Why a condition came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    /// A figure is missing.
    #[error("`{name}` has no value, and `{clause}` needs it")]
    Missing {
        /// The name.
        name: String,
        /// The clause that asked for it.
        clause: String,
    },
    /// A figure or a result is not a number, so that no comparison means anything.
    #[error("`{clause}` compares something that is not a number (NaN): {values}")]
    NotANumber {
        /// The clause.
        clause: String,
        /// Its figures.
        values: String,
    },
    /// A figure is of another type than its name promises.
    #[error("`{name}` is of another type than `{clause}` needs")]
    WrongType {
        /// The name, or the whole clause.
        name: String,
        /// The clause.
        clause: String,
    },
}

impl Compiled {
    /// Evaluates every clause. When `values` hold nothing about the champion, the clauses that
    /// mention it hold, and say so.
    pub fn eval(&self, values: &Values) -> Result<Outcome, EvalError> {
        let no_champion = !values.has_root(CHAMPION);
        let each = self
            .clauses
            .iter()
            .map(|clause| clause.eval(values, no_champion));
        let clauses = each.collect::<Result<Vec<_>, _>>()?;
        Ok(Outcome {
            holds: clauses.iter().all(|clause| clause.holds),
            clauses,
        })
    }
}

impl Outcome {
    /// The first clause that does not hold, with its figures: `evaluate.mae < 15.0
    /// (evaluate.mae = 16.2)`.
    pub fn first_failure(&self) -> Option<String> {
        let failed = self.clauses.iter().find(|clause| !clause.holds)?;
        Some(format!("{} ({})", failed.text, listed(&failed.values)))
    }
}

fn listed(values: &[NamedValue]) -> String {
    let each: Vec<String> = values
        .iter()
        .map(|named| format!("{} = {}", named.name, named.value))
        .collect();
    each.join(", ")
}

impl Clause {
    fn eval(&self, values: &Values, no_champion: bool) -> Result<ClauseOutcome, EvalError> {
        let waived = no_champion && self.mentions(CHAMPION);
        let holds = waived
            || Evaluation {
                clause: self,
                values,
            }
            .truth(&self.expr)?;
        Ok(ClauseOutcome {
            text: self.text.clone(),
            holds,
            waived,
            values: self.figures(values),
        })
    }

    fn figures(&self, values: &Values) -> Vec<NamedValue> {
        let mut all: Vec<NamedValue> = Vec::new();
        for name in self.names() {
            let name_text = written(name);
            if let (Some(value), false) = (
                values.get(name),
                all.iter().any(|named| named.name == name_text),
            ) {
                all.push(NamedValue {
                    name: name_text,
                    value: value.clone(),
                });
            }
        }
        all
    }
}

struct Evaluation<'a> {
    clause: &'a Clause,
    values: &'a Values,
}

impl Evaluation<'_> {
    fn value(&self, expr: &Expr) -> Result<Value, EvalError> {
        Ok(match expr {
            Expr::Bool(truth) => Value::Bool(*truth),
            Expr::Number(number) => Value::Number(*number),
            Expr::Text(text) => Value::Text(text.clone()),
            Expr::Name(name) => self
                .values
                .get(name)
                .cloned()
                .ok_or_else(|| self.missing(name))?,
            Expr::Not(inner) => Value::Bool(!self.truth(inner)?),
            Expr::Negative(inner) => Value::Number(-self.number(inner)?),
            Expr::Arithmetic(operator, left, right) => {
                Value::Number(operator.of(self.number(left)?, self.number(right)?))
            }
            Expr::Compare(operator, left, right) => {
                Value::Bool(self.compare(*operator, &self.value(left)?, &self.value(right)?)?)
            }
            Expr::And(left, right) => Value::Bool(self.truth(left)? && self.truth(right)?),
            Expr::Or(left, right) => Value::Bool(self.truth(left)? || self.truth(right)?),
            Expr::If(condition, yes, no) => {
                self.value(if self.truth(condition)? { yes } else { no })?
            }
            Expr::In(item, list) => {
                let item = self.value(item)?;
                let mut found = false;
                for other in list {
                    found |= self.compare(Comparison::Equal, &item, &self.value(other)?)?;
                }
                Value::Bool(found)
            }
            Expr::Call(function, arguments) => {
                let numbers = arguments.iter().map(|argument| self.number(argument));
                Value::Number(function.of(&numbers.collect::<Result<Vec<_>, _>>()?))
            }
        })
    }

    fn truth(&self, expr: &Expr) -> Result<bool, EvalError> {
        match self.value(expr)? {
            Value::Bool(truth) => Ok(truth),
            _ => Err(self.wrong_type(expr)),
        }
    }

    fn number(&self, expr: &Expr) -> Result<f64, EvalError> {
        match self.value(expr)? {
            Value::Number(number) => Ok(number),
            _ => Err(self.wrong_type(expr)),
        }
    }

    fn compare(
        &self,
        operator: Comparison,
        left: &Value,
        right: &Value,
    ) -> Result<bool, EvalError> {
        let (Value::Number(left), Value::Number(right)) = (left, right) else {
            return Ok(match operator {
                Comparison::Equal => left == right,
                _ => left != right,
            });
        };
        if left.is_nan() || right.is_nan() {
            let values = listed(&self.clause.figures(self.values));
            return Err(EvalError::NotANumber {
                clause: self.clause.text.clone(),
                values,
            });
        }
        Ok(match operator {
            Comparison::Equal => left == right,
            Comparison::NotEqual => left != right,
            Comparison::Less => left < right,
            Comparison::LessEqual => left <= right,
            Comparison::Greater => left > right,
            Comparison::GreaterEqual => left >= right,
        })
    }

    fn missing(&self, name: &[String]) -> EvalError {
        EvalError::Missing {
            name: written(name),
            clause: self.clause.text.clone(),
        }
    }

    fn wrong_type(&self, expr: &Expr) -> EvalError {
        let name = match expr {
            Expr::Name(name) => written(name),
            _ => self.clause.text.clone(),
        };
        EvalError::WrongType {
            name,
            clause: self.clause.text.clone(),
        }
    }
}

impl Arithmetic {
    fn of(self, left: f64, right: f64) -> f64 {
        match self {
            Self::Add => left + right,
            Self::Subtract => left - right,
            Self::Multiply => left * right,
            Self::Divide => left / right,
            Self::Remainder => left % right,
        }
    }
}

impl Function {
    fn of(self, arguments: &[f64]) -> f64 {
        match (self, arguments) {
            (Self::Abs, [one]) => one.abs(),
            // Unlike the standard library's, these keep NaN, so that the comparison notices.
            (Self::Min, [left, right]) => {
                if left.is_nan() || left < right {
                    *left
                } else {
                    *right
                }
            }
            (Self::Max, [left, right]) => {
                if left.is_nan() || left > right {
                    *left
                } else {
                    *right
                }
            }
            _ => f64::NAN,
        }
    }
}
