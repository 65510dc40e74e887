//! From the search grammar to the store's searches.

use crate::mlflow::page;
use mlflow::{
    Error,
    filter::{self, Comparison, Entity, Operator, Subject, Value},
    limits,
    webhooks::PROMPT_TAG,
};
use store::{Clause, Field, Op, Operand, Order, RunView, Search};

/// A whole search of `subject` from what a request says: its filter and order, how many rows it wants, and the token of
/// the page before.
pub(in crate::mlflow) fn search(
    subject: Subject,
    text: Option<&str>,
    order: &[String],
    rows: Option<i64>,
    token: Option<&str>,
) -> Result<Search, Error> {
    let limit = limits::page(
        rows,
        match subject {
            Subject::Runs => limits::RUNS_PAGE,
            Subject::Experiments => limits::EXPERIMENTS_PAGE,
            Subject::LoggedModels => limits::LOGGED_MODELS_PAGE,
            Subject::Models => limits::MODELS_PAGE,
            Subject::Versions => limits::VERSIONS_PAGE,
            Subject::EvaluationDatasets => limits::EVALUATION_PAGE,
            Subject::Issues => limits::REVIEWS_PAGE,
        },
    )?;
    let after = page::cursor(token)?;
    let clauses = filter::parse(subject, text.unwrap_or_default())?;
    let mut clauses: Vec<Clause> = clauses.into_iter().map(clause).collect();
    if matches!(subject, Subject::Models | Subject::Versions) {
        hide_prompts(&mut clauses);
    }
    let order = match (order, usual(subject)) {
        ([], usual) => usual
            .iter()
            .map(|clause| filter::order(subject, clause))
            .collect(),
        (asked, _) => asked
            .iter()
            .map(|clause| filter::order(subject, clause))
            .collect::<Result<Vec<_>, Error>>(),
    };
    Ok(Search {
        clauses,
        order: order?.into_iter().map(sorted).collect(),
        after,
        limit: u32::try_from(limit).unwrap_or(u32::MAX),
    })
}

/// The order of a search that asks for none, before the ties that the store breaks.
fn usual(subject: Subject) -> &'static [&'static str] {
    match subject {
        Subject::Experiments => &["creation_time DESC", "experiment_id ASC"],
        Subject::Versions => &["last_updated_timestamp DESC"],
        Subject::Runs
        | Subject::Models
        | Subject::LoggedModels
        | Subject::EvaluationDatasets
        | Subject::Issues => &[],
    }
}

/// Prompts are registered models with a tag, and ordinary searches do not see them. Clients ask for "not a prompt" by
/// comparing a tag that ordinary models do not have.
fn hide_prompts(clauses: &mut Vec<Clause>) {
    let tag = Field::Tag(PROMPT_TAG.to_owned());
    let is = |clause: &Clause, op, value: &str| {
        clause.op == op
            && matches!(&clause.operand, Operand::Text(text) if text.eq_ignore_ascii_case(value))
    };
    let wants = |clause: &Clause| is(clause, Op::Eq, "true") || is(clause, Op::Ne, "false");
    if clauses
        .iter()
        .any(|clause| clause.field == tag && wants(clause))
    {
        return;
    }
    clauses.retain(|clause| clause.field != tag);
    clauses.push(Clause {
        field: Field::Attribute("prompt".to_owned()),
        op: Op::Eq,
        operand: Operand::Number(0.0),
    });
}

/// Which life cycles a request wants to see.
pub(in crate::mlflow) fn view(text: Option<&str>) -> Result<RunView, Error> {
    match text.unwrap_or_default() {
        "" | "ACTIVE_ONLY" | "1" => Ok(RunView::Active),
        "DELETED_ONLY" | "2" => Ok(RunView::Deleted),
        "ALL" | "3" => Ok(RunView::All),
        other => Err(Error::invalid_value(
            "view_type",
            other,
            "use ACTIVE_ONLY, DELETED_ONLY or ALL",
        )),
    }
}

fn field(entity: Entity, key: String) -> Field {
    match entity {
        Entity::Metric => Field::Metric(key),
        Entity::Param => Field::Param(key),
        Entity::Tag => Field::Tag(key),
        Entity::Dataset => Field::Dataset(key),
        Entity::Attribute => Field::Attribute(key),
    }
}

fn sorted(order: filter::Order) -> Order {
    Order {
        field: field(order.entity, order.key),
        descending: !order.ascending,
    }
}

fn clause(comparison: Comparison) -> Clause {
    Clause {
        field: field(comparison.entity, comparison.key),
        op: op(comparison.operator),
        operand: operand(comparison.value),
    }
}

/// The store's word for an operator.
pub(super) fn op(operator: Operator) -> Op {
    match operator {
        Operator::Equal => Op::Eq,
        Operator::NotEqual => Op::Ne,
        Operator::Greater => Op::Gt,
        Operator::GreaterOrEqual => Op::Ge,
        Operator::Less => Op::Lt,
        Operator::LessOrEqual => Op::Le,
        Operator::Like => Op::Like,
        Operator::ILike => Op::ILike,
        Operator::In => Op::In,
        Operator::NotIn => Op::NotIn,
        Operator::IsNull => Op::IsNull,
        Operator::IsNotNull => Op::NotNull,
    }
}

/// What is compared with, for the store.
pub(super) fn operand(value: Value) -> Operand {
    match value {
        Value::Number(number) => Operand::Number(number),
        Value::Text(text) => Operand::Text(text),
        Value::List(texts) => Operand::Texts(texts),
        Value::Nothing => Operand::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_search() {
        let order = ["metrics.mae DESC".to_owned(), "start_time".to_owned()];
        let got = search(
            Subject::Runs,
            Some("metrics.mae < 3 AND tags.a IS NULL"),
            &order,
            Some(5),
            None,
        )
        .unwrap();
        let clause = |field, op, operand| Clause { field, op, operand };
        assert_eq!(
            got.clauses,
            [
                clause(Field::Metric("mae".into()), Op::Lt, Operand::Number(3.0)),
                clause(Field::Tag("a".into()), Op::IsNull, Operand::Nothing),
            ]
        );
        assert_eq!(
            got.order[0],
            Order {
                field: Field::Metric("mae".into()),
                descending: true
            }
        );
        assert!(!got.order[1].descending && got.limit == 5);
    }

    #[test]
    fn prompts_are_hidden_unless_they_are_asked_for() {
        let check = |text: &str, expect: &[Op]| {
            let got = search(Subject::Models, Some(text), &[], Some(5), None).unwrap();
            let got: Vec<Op> = got.clauses.iter().map(|clause| clause.op).collect();
            assert_eq!(got, expect, "{text}");
        };
        check("", &[Op::Eq]);
        check(
            "name LIKE 'a%' AND tags.`mlflow.prompt.is_prompt` = 'false'",
            &[Op::Like, Op::Eq],
        );
        check("tag.`mlflow.prompt.is_prompt` != 'false'", &[Op::Ne]);
    }

    #[test]
    fn views() {
        assert_eq!(view(None), Ok(RunView::Active));
        assert_eq!(view(Some("ALL")), Ok(RunView::All));
        assert!(view(Some("SOME")).is_err());
    }
}
