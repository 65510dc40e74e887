//! From the search grammar of traces to the store's searches.

use super::search::{op, operand};
use crate::mlflow::page;
use mlflow::{
    Error,
    filter::{
        Operator, Value,
        traces::{self as grammar, Attribute, Clause, SpanField as Field, Target, Test},
    },
    limits,
    traces::keys,
};
use store::{
    AssessmentKind, Operand, SpanField, TraceClause, TraceField, TraceOrder, TraceSearch, TraceTest,
};

/// Rows of a page of traces unless told, and at most.
const PAGE: (u64, u64) = (100, 500);

/// A whole search.
pub(in crate::mlflow) fn search(
    filter: Option<&str>,
    order: &[String],
    rows: Option<i64>,
    token: Option<&str>,
) -> Result<TraceSearch, Error> {
    let limit = limits::page(rows, PAGE)?;
    let after = page::cursor(token)?;
    let mut keys: Vec<TraceOrder> = Vec::new();
    for clause in order {
        let key = sorted(grammar::order(clause)?);
        if keys.iter().any(|other| other.field == key.field) {
            return Err(Error::invalid(format!(
                "`order_by` contains duplicate fields: {order:?}"
            )));
        }
        keys.push(key);
    }
    Ok(TraceSearch {
        clauses: clauses(filter.unwrap_or_default())?,
        order: keys,
        after,
        limit: u32::try_from(limit).unwrap_or(u32::MAX),
    })
}

/// The conditions of a filter.
pub(in crate::mlflow) fn clauses(filter: &str) -> Result<Vec<TraceClause>, Error> {
    Ok(grammar::parse(filter)?.into_iter().map(clause).collect())
}

fn sorted(order: grammar::Order) -> TraceOrder {
    let field = match order.by {
        Target::Attribute(attribute) => field(attribute),
        Target::Tag(key) => TraceField::Tag(key),
        Target::Metadata(key) => TraceField::Metadata(key),
        // The grammar lets nothing else through.
        _ => TraceField::RequestTime,
    };
    TraceOrder {
        field,
        descending: !order.ascending,
    }
}

fn field(attribute: Attribute) -> TraceField {
    match attribute {
        Attribute::RequestId => TraceField::TraceId,
        Attribute::Timestamp => TraceField::RequestTime,
        Attribute::ExecutionTime => TraceField::Duration,
        Attribute::EndTime => TraceField::EndTime,
        Attribute::Status => TraceField::State,
        Attribute::ClientRequestId => TraceField::ClientRequestId,
        Attribute::ExperimentId => TraceField::Experiment,
    }
}

fn clause(clause: Clause) -> TraceClause {
    let Clause { target, test } = clause;
    let text = match &test {
        Test::Compare(Operator::Equal, Value::Text(text)) => Some(text.clone()),
        _ => None,
    };
    match (target, text) {
        (Target::Run, Some(run_id)) => TraceClause::Run(run_id),
        (Target::Prompt, version) => TraceClause::Prompt(version.unwrap_or_default()),
        (Target::Issue, id) => TraceClause::Issue(id.unwrap_or_default()),
        (Target::Run, None) => {
            let field = TraceField::Metadata(keys::SOURCE_RUN.to_owned());
            TraceClause::Field(field, plain(test))
        }
        (Target::Attribute(attribute), _) => TraceClause::Field(field(attribute), plain(test)),
        (Target::Tag(key), _) => TraceClause::Field(TraceField::Tag(key), plain(test)),
        (Target::Metadata(key), _) => TraceClause::Field(TraceField::Metadata(key), plain(test)),
        (Target::Feedback(name), _) => {
            TraceClause::Assessment(AssessmentKind::Feedback, name, plain(test))
        }
        (Target::Expectation(name), _) => {
            TraceClause::Assessment(AssessmentKind::Expectation, name, plain(test))
        }
        (Target::Span(Field::Attribute(name)), _) => {
            TraceClause::Span(SpanField::Content, within(&name, test))
        }
        (Target::Span(field), _) => TraceClause::Span(span(&field), plain(test)),
    }
}

fn span(field: &Field) -> SpanField {
    match field {
        Field::Name => SpanField::Name,
        Field::Type => SpanField::Kind,
        Field::Status => SpanField::Status,
        Field::Content | Field::Attribute(_) => SpanField::Content,
    }
}

/// A test of one attribute, which is looked for in the span's text: `"name": "\"value\""`. As in MLflow, patterns of
/// LIKE begin right after the name, so that they start with `%`, and equality compares the whole text with a pattern.
fn within(name: &str, test: Test) -> TraceTest {
    let pattern = |text: &str| format!("%\"{name}\"{text}%");
    match test {
        Test::Matches(text) => {
            let (start, text) = match text.strip_prefix('^') {
                Some(rest) => (r#""\\""#, rest),
                None => (r#""\\".*"#, text.as_str()),
            };
            let (text, end) = match text.strip_suffix('$') {
                Some(rest) => (rest, r#"\\""#),
                None => (text, ""),
            };
            TraceTest::Matches(format!("\"{name}\": {start}{text}{end}"))
        }
        Test::Compare(operator, Value::Text(text)) => {
            TraceTest::Compare(op(operator), Operand::Text(pattern(&text)))
        }
        Test::Compare(operator, _) => TraceTest::Compare(op(operator), Operand::Texts(Vec::new())),
    }
}

fn plain(test: Test) -> TraceTest {
    match test {
        Test::Matches(pattern) => TraceTest::Matches(pattern),
        Test::Compare(operator, value) => TraceTest::Compare(op(operator), operand(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::Op;

    #[test]
    fn attributes_of_spans_are_looked_for_in_their_text() {
        let check = |filter: &str, expect: TraceTest| {
            let got = clauses(filter).unwrap();
            assert_eq!(
                got,
                [TraceClause::Span(SpanField::Content, expect)],
                "{filter}"
            );
        };
        let text = |text: &str| Operand::Text(text.into());
        check(
            "span.attributes.x LIKE '%v%'",
            TraceTest::Compare(Op::Like, text("%\"x\"%v%%")),
        );
        check(
            "span.attributes.x RLIKE '^v$'",
            TraceTest::Matches(r#""x": "\\"v\\""#.into()),
        );
        check(
            "span.attributes.x RLIKE 'v'",
            TraceTest::Matches(r#""x": "\\".*v"#.into()),
        );
    }

    #[test]
    fn a_whole_search() {
        let order = ["timestamp DESC".to_owned(), "tags.a".to_owned()];
        let got = search(Some("run_id = 'r' AND status != 'OK'"), &order, None, None).unwrap();
        assert_eq!(got.clauses[0], TraceClause::Run("r".into()));
        assert_eq!((got.limit, got.order.len()), (100, 2));
        let twice = ["timestamp".to_owned(), "timestamp_ms".to_owned()];
        assert!(search(None, &twice, None, None).is_err());
        assert!(search(None, &[], Some(501), None).is_err());
    }
}
