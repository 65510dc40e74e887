//! What a search is sorted by: `entity.key [ASC|DESC]`.

use super::{
    Order, Subject,
    clauses::name,
    tokens::{Kind, tokenize},
};
use crate::Error;

/// Parses one `order_by` clause.
///
/// # Errors
/// INVALID_PARAMETER_VALUE that shows the clause.
pub fn order(subject: Subject, clause: &str) -> Result<Order, Error> {
    let (name, ascending) = split(clause).ok_or_else(|| {
        Error::invalid(format!(
            "Invalid order_by clause '{clause}'. Could not be parsed."
        ))
    })?;
    subject.order(name, ascending)
}

/// The name and whether it rises. Nothing may stand around the clause, not even a space.
pub(super) fn split(clause: &str) -> Option<(&str, bool)> {
    let all = tokenize(clause);
    if all.first()?.kind == Kind::Space || all.last()?.kind == Kind::Space {
        return None;
    }
    let tokens: Vec<_> = all
        .into_iter()
        .filter(|token| token.kind != Kind::Space)
        .collect();
    let (name, rest) = name(clause, &tokens)?;
    match rest {
        [] => Some((name, true)),
        [way] if way.kind == Kind::Order => Some((name, way.text.eq_ignore_ascii_case("asc"))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Entity;
    use super::*;

    #[test]
    fn orders() {
        let check = |subject, clause: &str, expect: Option<(Entity, &str, bool)>| {
            let got = order(subject, clause).ok();
            let expect = expect.map(|(entity, key, ascending)| Order {
                entity,
                key: key.to_owned(),
                ascending,
            });
            assert_eq!(got, expect, "{subject:?} {clause}");
        };
        let runs = Subject::Runs;
        check(
            runs,
            "metrics.acc DESC",
            Some((Entity::Metric, "acc", false)),
        );
        check(
            runs,
            "start_time",
            Some((Entity::Attribute, "start_time", true)),
        );
        check(
            runs,
            "Created DESC",
            Some((Entity::Attribute, "start_time", false)),
        );
        check(
            runs,
            "params.`a b`  asc",
            Some((Entity::Param, "a b", true)),
        );
        check(runs, "metrics.acc sideways", None);
        check(runs, "metrics.acc DESC NULLS LAST", None);
        check(runs, " start_time", None);
        check(runs, "start_time ", None);
        check(runs, "", None);
        check(runs, "datasets.name", None);
        check(
            Subject::Models,
            "timestamp",
            Some((Entity::Attribute, "last_updated_timestamp", true)),
        );
        check(Subject::Models, "tags.a", None);
        check(Subject::Models, "creation_timestamp", None);
        check(
            Subject::Versions,
            "creation_timestamp ASC",
            Some((Entity::Attribute, "creation_timestamp", true)),
        );
        check(Subject::Versions, "source_path", None);
        check(
            Subject::Experiments,
            "attribute.name",
            Some((Entity::Attribute, "name", true)),
        );
        check(Subject::Experiments, "tags.a", None);
    }
}
