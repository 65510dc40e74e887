//! The search grammar: `entity.key op value` joined by AND, and `order_by` clauses.
//!
//! MLflow's grammar is what sqlparse makes of it and what each search then allows. [`tokens`] splits where sqlparse does,
//! [`clauses`] reads clauses, [`rules`] knows what each search takes, [`order`](mod@order) reads what it is sorted by. That they
//! agree with MLflow is what `tests/mlflow/filters.py` tries with random filters.

mod clauses;
mod order;
mod rules;
mod tokens;
pub mod traces;

pub use order::order;
pub use rules::Subject;

use crate::Error;

/// What a comparison is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entity {
    /// A metric's latest value.
    Metric,
    /// A parameter.
    Param,
    /// A tag.
    Tag,
    /// A field of a dataset that went in.
    Dataset,
    /// A field of the thing itself.
    Attribute,
}

/// How the two sides compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `LIKE`, case-sensitive
    Like,
    /// `ILIKE`
    ILike,
    /// `IN (…)`
    In,
    /// `NOT IN (…)`
    NotIn,
    /// `IS NULL`
    IsNull,
    /// `IS NOT NULL`
    IsNotNull,
}

/// The right side.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A bare number.
    Number(f64),
    /// A quoted text.
    Text(String),
    /// A list of quoted texts.
    List(Vec<String>),
    /// Nothing, for `IS NULL`.
    Nothing,
}

/// One clause.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// What is compared.
    pub entity: Entity,
    /// Its name.
    pub key: String,
    /// How.
    pub operator: Operator,
    /// With what.
    pub value: Value,
}

/// One `order_by` clause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// What is ordered by.
    pub entity: Entity,
    /// Its name.
    pub key: String,
    /// Rising.
    pub ascending: bool,
}

/// Parses a filter of one kind of search; an empty one has no clauses.
///
/// # Errors
/// INVALID_PARAMETER_VALUE that shows the clause.
pub fn parse(subject: Subject, filter: &str) -> Result<Vec<Comparison>, Error> {
    let clauses = clauses::clauses(filter, subject == Subject::LoggedModels)?;
    clauses
        .iter()
        .map(|clause| subject.comparison(clause))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparisons() {
        let got = parse(Subject::Runs, "metrics.`a b` >= -1.5e3 AND params.x ILIKE 'a%' and tags.\"mlflow.user\" != 'b' AND run_id IN ('1','2')").unwrap();
        assert_eq!(got.len(), 4);
        assert_eq!(
            got[0],
            Comparison {
                entity: Entity::Metric,
                key: "a b".into(),
                operator: Operator::GreaterOrEqual,
                value: Value::Number(-1500.0)
            }
        );
        assert_eq!(got[1].operator, Operator::ILike);
        assert_eq!(got[2].key, "mlflow.user");
        assert_eq!(got[3].value, Value::List(vec!["1".into(), "2".into()]));
        assert_eq!(parse(Subject::Runs, "").unwrap(), vec![]);
    }
}
