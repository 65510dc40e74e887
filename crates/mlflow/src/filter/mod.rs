//! The search grammar: `entity.key op value` joined by AND, and `order_by` clauses.
//!
//! A small tokenizer and a recursive reader of our own; MLflow's is built on sqlparse. What each search allows is in
//! [`rules`].

mod rules;
mod tokens;
pub mod traces;

pub use rules::Subject;

use crate::Error;
use tokens::{Token, tokenize};

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
    let tokens = tokenize(filter)?;
    let mut rest = tokens.as_slice();
    let mut clauses = Vec::new();
    while !rest.is_empty() {
        if !clauses.is_empty() {
            rest = keyword(rest, "AND").ok_or_else(|| {
                Error::invalid(format!("Invalid clause(s) in filter string '{filter}': expected AND (OR is not supported)"))
            })?;
        }
        let (clause, after) = comparison(rest, filter)?;
        clauses.push(subject.allow(clause)?);
        rest = after;
    }
    Ok(clauses)
}

/// Parses one `order_by` clause.
///
/// # Errors
/// INVALID_PARAMETER_VALUE that shows the clause.
pub fn order(subject: Subject, clause: &str) -> Result<Order, Error> {
    let tokens = tokenize(clause)?;
    let (entity, key, rest) = identifier(&tokens, clause)?;
    let ascending = match rest {
        [] => true,
        [Token::Word(w)] if w.eq_ignore_ascii_case("asc") => true,
        [Token::Word(w)] if w.eq_ignore_ascii_case("desc") => false,
        _ => {
            return Err(Error::invalid(format!(
                "Invalid order_by clause '{clause}'."
            )));
        }
    };
    subject.sort(Order {
        entity,
        key,
        ascending,
    })
}

fn comparison<'a>(tokens: &'a [Token], all: &str) -> Result<(Comparison, &'a [Token]), Error> {
    let bad = |what: &str| {
        Error::invalid(format!(
            "Invalid clause(s) in filter string '{all}': {what}"
        ))
    };
    let (entity, key, rest) = identifier(tokens, all)?;
    let (operator, rest) = operator(rest).ok_or_else(|| bad("expected a comparison operator"))?;
    if matches!(operator, Operator::IsNull | Operator::IsNotNull) {
        let value = Value::Nothing;
        return Ok((
            Comparison {
                entity,
                key,
                operator,
                value,
            },
            rest,
        ));
    }
    let (value, rest) = match rest {
        [Token::Number(n), rest @ ..] => (Value::Number(*n), rest),
        [Token::Quoted(text, '\'' | '"'), rest @ ..] => (Value::Text(text.clone()), rest),
        [Token::Symbol(open), rest @ ..] if open == "(" => {
            list(rest).ok_or_else(|| bad("expected a list of quoted texts"))?
        }
        _ => return Err(bad("expected a number or a quoted text")),
    };
    let listed = matches!(value, Value::List(_));
    if listed != matches!(operator, Operator::In | Operator::NotIn) {
        return Err(bad("lists go with IN and NOT IN"));
    }
    Ok((
        Comparison {
            entity,
            key,
            operator,
            value,
        },
        rest,
    ))
}

fn list(mut rest: &[Token]) -> Option<(Value, &[Token])> {
    let mut items = Vec::new();
    loop {
        let [
            Token::Quoted(text, '\'' | '"'),
            Token::Symbol(next),
            after @ ..,
        ] = rest
        else {
            return None;
        };
        items.push(text.clone());
        rest = after;
        match next.as_str() {
            "," => {}
            ")" => return Some((Value::List(items), rest)),
            _ => return None,
        }
    }
}

fn operator(tokens: &[Token]) -> Option<(Operator, &[Token])> {
    if let [Token::Symbol(symbol), rest @ ..] = tokens {
        let operator = match symbol.as_str() {
            "=" => Operator::Equal,
            "!=" | "<>" => Operator::NotEqual,
            ">" => Operator::Greater,
            ">=" => Operator::GreaterOrEqual,
            "<" => Operator::Less,
            "<=" => Operator::LessOrEqual,
            _ => return None,
        };
        return Some((operator, rest));
    }
    for (words, operator) in [
        (&["LIKE"][..], Operator::Like),
        (&["ILIKE"], Operator::ILike),
        (&["IN"], Operator::In),
        (&["NOT", "IN"], Operator::NotIn),
        (&["IS", "NULL"], Operator::IsNull),
        (&["IS", "NOT", "NULL"], Operator::IsNotNull),
    ] {
        let mut rest = Some(tokens);
        for word in words {
            rest = rest.and_then(|rest| keyword(rest, word));
        }
        if let Some(rest) = rest {
            return Some((operator, rest));
        }
    }
    None
}

fn keyword<'a>(tokens: &'a [Token], word: &str) -> Option<&'a [Token]> {
    match tokens {
        [Token::Word(w), rest @ ..] if w.eq_ignore_ascii_case(word) => Some(rest),
        _ => None,
    }
}

fn identifier<'a>(tokens: &'a [Token], all: &str) -> Result<(Entity, String, &'a [Token]), Error> {
    let bad = || {
        Error::invalid(format!(
            "Invalid clause(s) in filter string '{all}': expected 'entity.key'"
        ))
    };
    let (first, rest) = match tokens {
        [Token::Word(w), rest @ ..] => (w.as_str(), rest),
        [Token::Quoted(w, '`' | '"'), rest @ ..] => {
            return Ok((Entity::Attribute, w.clone(), rest));
        }
        _ => return Err(bad()),
    };
    let Some((entity, key)) = first.split_once('.') else {
        return Ok((Entity::Attribute, first.to_owned(), rest));
    };
    let kind = match entity {
        "metric" | "metrics" => Entity::Metric,
        "param" | "params" | "parameter" | "parameters" => Entity::Param,
        "tag" | "tags" => Entity::Tag,
        "dataset" | "datasets" => Entity::Dataset,
        "attribute" | "attributes" | "attr" | "run" => Entity::Attribute,
        _ => {
            return Err(Error::invalid(format!(
                "Invalid entity type '{entity}'. Valid values are ['metric', 'parameter', 'tag', 'attribute', 'dataset']"
            )));
        }
    };
    match (key, rest) {
        ("", [Token::Quoted(key, '`' | '"'), rest @ ..]) => Ok((kind, key.clone(), rest)),
        ("", _) => Err(bad()),
        (key, rest) => Ok((kind, key.to_owned(), rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clauses() {
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
        assert_eq!(parse(Subject::Runs, "  ").unwrap(), vec![]);
    }

    #[test]
    fn refusals() {
        for filter in [
            "metrics.a > 1 OR metrics.b > 1",
            "metrics.a >",
            "metrics.a > 'x",
            "what.a = 1",
            "metrics. = 1",
            "metrics.a LIKE (1)",
            "run_id IN 'a'",
            "run_id = ('a')",
            "= 1",
            "a = 1 b = 2",
            "run_id IN ('a' 'b')",
            "metrics.a = 'x'",
            "params.a > 'x'",
            "params.a = 1",
            "start_time LIKE 'x'",
            "nothing = 'x'",
            "datasets.size = 'x'",
            "status IN ('FAILED')",
            "metrics.a IS NULL",
            "metrics.a IS NOT",
        ] {
            assert!(parse(Subject::Runs, filter).is_err(), "{filter}");
        }
    }

    #[test]
    fn orders() {
        assert_eq!(
            order(Subject::Runs, "metrics.acc DESC").unwrap(),
            Order {
                entity: Entity::Metric,
                key: "acc".into(),
                ascending: false
            }
        );
        assert_eq!(
            order(Subject::Runs, "start_time").unwrap(),
            Order {
                entity: Entity::Attribute,
                key: "start_time".into(),
                ascending: true
            }
        );
        assert!(order(Subject::Runs, "metrics.acc sideways").is_err());
    }
}
