//! What each search may ask for, and how: attributes, operators and the types of values.

use super::{Comparison, Entity, Operator, Order, Value};
use crate::Error;

/// What is searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Runs of experiments.
    Runs,
    /// Experiments.
    Experiments,
    /// Registered models.
    Models,
    /// Versions of registered models.
    Versions,
    /// Logged models.
    LoggedModels,
}

impl Subject {
    /// Attributes that are texts.
    fn texts(self) -> &'static [&'static str] {
        match self {
            Subject::Runs => &["run_id", "run_name", "status", "user_id", "artifact_uri"],
            Subject::Experiments | Subject::Models => &["name"],
            Subject::Versions => &["name", "run_id", "source_path"],
            Subject::LoggedModels => &["name", "model_id", "model_type", "status", "source_run_id"],
        }
    }

    /// Attributes that are numbers or times.
    fn numbers(self) -> &'static [&'static str] {
        match self {
            Subject::Runs => &["start_time", "end_time"],
            Subject::Experiments => &["experiment_id", "creation_time", "last_update_time"],
            Subject::Models => &[],
            Subject::Versions => &["version_number"],
            Subject::LoggedModels => &["creation_timestamp", "last_updated_timestamp"],
        }
    }

    /// More that it can be sorted by.
    fn sortable(self) -> &'static [&'static str] {
        match self {
            Subject::Models | Subject::Versions => {
                &["creation_timestamp", "last_updated_timestamp"]
            }
            Subject::Runs | Subject::Experiments | Subject::LoggedModels => &[],
        }
    }

    /// What may be compared beside attributes.
    fn has(self, entity: Entity) -> bool {
        match entity {
            Entity::Attribute | Entity::Tag => true,
            Entity::Metric | Entity::Param => matches!(self, Subject::Runs | Subject::LoggedModels),
            Entity::Dataset => self == Subject::Runs,
        }
    }

    /// Whether absence may be asked for.
    fn asks_absence(self) -> bool {
        matches!(self, Subject::Runs | Subject::Experiments)
    }

    /// The clause with its key by its one name, or why this search does not take it.
    pub(super) fn allow(self, mut clause: Comparison) -> Result<Comparison, Error> {
        if !self.has(clause.entity) {
            return Err(Error::invalid(format!(
                "Invalid entity type '{}' for this search",
                word(clause.entity)
            )));
        }
        clause.key = one_name(clause.entity, clause.key);
        match clause.entity {
            Entity::Metric => number(&clause, "metric"),
            Entity::Param | Entity::Tag => self.label(&clause),
            Entity::Dataset if ["name", "digest", "context"].contains(&clause.key.as_str()) => {
                text(&clause, true)
            }
            Entity::Dataset => Err(unknown(&clause.key, &["name", "digest", "context"])),
            Entity::Attribute if self.numbers().contains(&clause.key.as_str()) => {
                number(&clause, "attribute")
            }
            Entity::Attribute if self.texts().contains(&clause.key.as_str()) => {
                text(&clause, self.lists(&clause.key))
            }
            Entity::Attribute => Err(unknown(&clause.key, self.texts())),
        }?;
        Ok(clause)
    }

    /// The order with its key by its one name, or why this search cannot be sorted so.
    pub(super) fn sort(self, mut order: Order) -> Result<Order, Error> {
        order.key = one_name(order.entity, order.key);
        if order.key == "timestamp" && self == Subject::Models {
            order.key = "last_updated_timestamp".to_owned();
        }
        let known = match order.entity {
            Entity::Attribute => [self.texts(), self.numbers(), self.sortable()]
                .concat()
                .contains(&order.key.as_str()),
            Entity::Metric | Entity::Param | Entity::Tag => {
                matches!(self, Subject::Runs | Subject::LoggedModels)
            }
            Entity::Dataset => false,
        };
        if known {
            return Ok(order);
        }
        Err(Error::invalid(format!(
            "Invalid order by key '{}' specified. Valid keys are {:?}",
            order.key,
            [self.texts(), self.numbers(), self.sortable()].concat()
        )))
    }

    /// Runs take lists for their id only, as MLflow does.
    fn lists(self, key: &str) -> bool {
        self != Subject::Runs || key == "run_id"
    }

    fn label(self, clause: &Comparison) -> Result<(), Error> {
        match (clause.operator, &clause.value) {
            (Operator::IsNull | Operator::IsNotNull, _) if self.asks_absence() => Ok(()),
            (
                Operator::Equal | Operator::NotEqual | Operator::Like | Operator::ILike,
                Value::Text(_),
            ) => Ok(()),
            (Operator::Equal | Operator::NotEqual | Operator::Like | Operator::ILike, _) => {
                Err(Error::invalid(format!(
                    "Expected a quoted string value for {} (e.g. 'my-value'). Got an unquoted value for key '{}'",
                    word(clause.entity),
                    clause.key
                )))
            }
            _ => Err(comparator(clause)),
        }
    }
}

fn word(entity: Entity) -> &'static str {
    match entity {
        Entity::Metric => "metric",
        Entity::Param => "parameter",
        Entity::Tag => "tag",
        Entity::Dataset => "dataset",
        Entity::Attribute => "attribute",
    }
}

/// Names that mean the same.
fn one_name(entity: Entity, key: String) -> String {
    match (entity, key.as_str()) {
        (Entity::Attribute, "created" | "Created") => "start_time".to_owned(),
        (Entity::Attribute, "run name" | "Run name" | "Run Name") => "run_name".to_owned(),
        _ => key,
    }
}

fn number(clause: &Comparison, kind: &str) -> Result<(), Error> {
    match (clause.operator, &clause.value) {
        (
            Operator::Equal
            | Operator::NotEqual
            | Operator::Greater
            | Operator::GreaterOrEqual
            | Operator::Less
            | Operator::LessOrEqual,
            Value::Number(_),
        ) => Ok(()),
        (
            Operator::Like
            | Operator::ILike
            | Operator::In
            | Operator::NotIn
            | Operator::IsNull
            | Operator::IsNotNull,
            _,
        ) => Err(comparator(clause)),
        _ => Err(Error::invalid(format!(
            "Expected numeric value type for {kind} '{}'",
            clause.key
        ))),
    }
}

fn text(clause: &Comparison, lists: bool) -> Result<(), Error> {
    match (clause.operator, &clause.value) {
        (
            Operator::Equal | Operator::NotEqual | Operator::Like | Operator::ILike,
            Value::Text(_),
        ) => Ok(()),
        (Operator::In | Operator::NotIn, Value::List(_)) if lists => Ok(()),
        (Operator::Equal | Operator::NotEqual | Operator::Like | Operator::ILike, _) => {
            Err(Error::invalid(format!(
                "Expected a quoted string value for attribute '{}'",
                clause.key
            )))
        }
        _ => Err(comparator(clause)),
    }
}

fn comparator(clause: &Comparison) -> Error {
    Error::invalid(format!(
        "Invalid comparator for {} '{}': {:?}",
        word(clause.entity),
        clause.key,
        clause.operator
    ))
}

fn unknown(key: &str, valid: &[&str]) -> Error {
    Error::invalid(format!(
        "Invalid attribute key '{key}' specified. Valid keys are '{valid:?}'"
    ))
}

#[cfg(test)]
mod tests {
    use super::super::{order, parse};
    use super::Subject::*;

    #[test]
    fn what_each_search_takes() {
        for (subject, filter, taken) in [
            (Runs, "tags.a IS NULL AND params.b IS NOT NULL", true),
            (Runs, "datasets.name IN ('a', 'b')", true),
            (Runs, "Created > 5 AND attributes.status = 'FAILED'", true),
            (Experiments, "name LIKE 'a%' AND tags.x = 'y'", true),
            (Experiments, "metrics.a > 1", false),
            (Models, "name ILIKE 'a%'", true),
            (Models, "tags.a IS NULL", false),
            (Models, "version_number = 1", false),
            (Versions, "version_number >= 2 AND run_id IN ('a')", true),
            (Versions, "version_number LIKE '2'", false),
            (LoggedModels, "metrics.mae < 3 AND name = 'a'", true),
            (LoggedModels, "datasets.name = 'a'", false),
        ] {
            assert_eq!(
                parse(subject, filter).is_ok(),
                taken,
                "{subject:?} {filter}"
            );
        }
    }

    #[test]
    fn what_each_search_is_sorted_by() {
        for (subject, clause, key) in [
            (Runs, "Created DESC", Some("start_time")),
            (Runs, "params.depth", Some("depth")),
            (Runs, "datasets.name", None),
            (Models, "timestamp", Some("last_updated_timestamp")),
            (Models, "tags.a", None),
            (
                Versions,
                "creation_timestamp ASC",
                Some("creation_timestamp"),
            ),
            (Experiments, "experiment_id", Some("experiment_id")),
        ] {
            let got = order(subject, clause).ok().map(|order| order.key);
            assert_eq!(got.as_deref(), key, "{subject:?} {clause}");
        }
    }
}
