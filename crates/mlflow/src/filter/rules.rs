//! What each search may ask for, and how: entities, attributes, operators and the types of values.

use super::clauses::{Clause, Right, texts};
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
    /// Evaluation datasets.
    EvaluationDatasets,
    /// Issues.
    Issues,
}

/// What a value has to be.
enum Type {
    /// A quoted text; a list of them behind `IN`, where it says so.
    Text { lists: bool },
    /// A number.
    Number,
    /// A number without a point, or a text of one.
    Integer { texts: bool },
    /// A text of digits, or a list of them.
    Id,
}

impl Subject {
    /// Attributes that are texts.
    fn texts(self) -> &'static [&'static str] {
        match self {
            Subject::Runs => &["run_id", "run_name", "status", "user_id", "artifact_uri"],
            Subject::Experiments => &["name", "experiment_id"],
            Subject::Models => &["name"],
            Subject::Versions => &["name", "run_id", "source_path"],
            Subject::LoggedModels => &[
                "name",
                "model_id",
                "model_type",
                "status",
                "source_run_id",
                "lifecycle_stage",
            ],
            Subject::EvaluationDatasets => &["name", "created_by", "last_updated_by"],
            Subject::Issues => &["status", "source_run_id"],
        }
    }

    /// Attributes that are numbers or times.
    fn numbers(self) -> &'static [&'static str] {
        match self {
            Subject::Runs => &["start_time", "end_time"],
            Subject::Experiments => &["creation_time", "last_update_time"],
            Subject::Models | Subject::Issues => &[],
            Subject::Versions => &["version_number"],
            Subject::LoggedModels => &["creation_timestamp", "last_updated_timestamp"],
            Subject::EvaluationDatasets => &["created_time", "last_update_time"],
        }
    }

    /// Attributes that it can be sorted by.
    fn sortable(self) -> Vec<&'static str> {
        match self {
            Subject::Models => vec!["name", "last_updated_timestamp"],
            Subject::Versions => vec![
                "name",
                "version_number",
                "creation_timestamp",
                "last_updated_timestamp",
            ],
            // Nobody sorts evaluation datasets by who made them.
            Subject::EvaluationDatasets => vec!["name", "created_time", "last_update_time"],
            Subject::Issues => Vec::new(),
            Subject::Runs | Subject::Experiments | Subject::LoggedModels => {
                [self.texts(), self.numbers()].concat()
            }
        }
    }

    /// The clause as a comparison, or why this search does not take it.
    pub(super) fn comparison(self, clause: &Clause<'_>) -> Result<Comparison, Error> {
        if self == Subject::Issues {
            return self.plain(clause);
        }
        let (entity, key) = self.named(clause.name)?;
        let kind = self.type_of(entity, &key)?;
        let operator = self
            .operator(&clause.operator)
            .ok_or_else(|| comparator(entity, &key, &clause.operator))?;
        let value = match (operator, entity) {
            (Operator::IsNull | Operator::IsNotNull, Entity::Tag | Entity::Param)
                if self.asks_absence() =>
            {
                Value::Nothing
            }
            _ => self.value(&kind, &clause.right, &key)?,
        };
        let not_in = self == Subject::EvaluationDatasets && operator == Operator::NotIn;
        if not_in || !fits(&kind, operator, &value) {
            return Err(comparator(entity, &key, &clause.operator));
        }
        Ok(Comparison {
            entity,
            key,
            operator,
            value,
        })
    }

    /// A clause of a search that knows attributes by their bare names only, and takes whatever they are compared with for
    /// a text, with quotes or without.
    fn plain(self, clause: &Clause<'_>) -> Result<Comparison, Error> {
        let key = bare_text(clause.name);
        if !self.texts().contains(&key) {
            return Err(unknown(key, self.texts()));
        }
        let refused = || comparator(Entity::Attribute, key, &clause.operator);
        let operator = match clause.operator.as_str() {
            "=" => Operator::Equal,
            "!=" => Operator::NotEqual,
            _ => return Err(refused()),
        };
        let (Right::Integer(text) | Right::Float(text) | Right::Text(text) | Right::List(text)) =
            clause.right
        else {
            return Err(refused());
        };
        Ok(Comparison {
            entity: Entity::Attribute,
            key: key.to_owned(),
            operator,
            value: Value::Text(bare_text(text).to_owned()),
        })
    }

    /// The order by that name, or why this search cannot be sorted so.
    pub(super) fn order(self, name: &str, ascending: bool) -> Result<Order, Error> {
        let refuse = || {
            Error::invalid(format!(
                "Invalid order by key '{name}' specified. Valid keys are {:?}",
                self.sortable()
            ))
        };
        let (entity, key) = match self {
            Subject::Models if name == "timestamp" => {
                (Entity::Attribute, "last_updated_timestamp".to_owned())
            }
            Subject::Models => (Entity::Attribute, name.to_owned()),
            Subject::Versions => Subject::Experiments.named(name)?,
            Subject::Runs
            | Subject::Experiments
            | Subject::LoggedModels
            | Subject::EvaluationDatasets
            | Subject::Issues => self.named(name)?,
        };
        let known = match entity {
            Entity::Attribute => self.sortable().contains(&key.as_str()),
            Entity::Metric => matches!(self, Subject::Runs | Subject::LoggedModels),
            Entity::Param | Entity::Tag => self == Subject::Runs,
            Entity::Dataset => false,
        };
        if known {
            Ok(Order {
                entity,
                key,
                ascending,
            })
        } else {
            Err(refuse())
        }
    }

    /// What a name means: its entity, and its key without quotes and by its one name.
    fn named(self, name: &str) -> Result<(Entity, String), Error> {
        let parts = name.split_once('.');
        // Logged models have no entity in front of nothing.
        let parts = parts.filter(|(_, key)| !key.is_empty() || self != Subject::LoggedModels);
        let Some((entity, key)) = parts else {
            return Ok((
                Entity::Attribute,
                one_name(self, self.bare(name, Entity::Attribute)),
            ));
        };
        let kind = self.entity(entity).ok_or_else(|| {
            Error::invalid(format!(
                "Invalid entity type '{entity}'. Valid values are {:?}",
                self.entities()
            ))
        })?;
        let key = self.bare(key, kind);
        Ok((
            kind,
            if kind == Entity::Attribute {
                one_name(self, key)
            } else {
                key
            },
        ))
    }

    /// The words that name entities, the first of each kind.
    fn entities(self) -> &'static [&'static str] {
        match self {
            Subject::Runs => &["metric", "parameter", "tag", "attribute", "dataset"],
            Subject::LoggedModels => &["attributes", "metrics", "params", "tags"],
            Subject::Experiments
            | Subject::Models
            | Subject::Versions
            | Subject::EvaluationDatasets
            | Subject::Issues => &["attribute", "tag", "tags"],
        }
    }

    fn entity(self, word: &str) -> Option<Entity> {
        let runs = self == Subject::Runs;
        let word = if runs { unquoted(word, '`') } else { word };
        Some(match word {
            "metric" | "dataset" | "datasets" | "param" | "parameter" | "parameters" | "attr"
            | "run"
                if !runs =>
            {
                return None;
            }
            "metrics" | "params" if !runs && self != Subject::LoggedModels => return None,
            "tag" | "attribute" if self == Subject::LoggedModels => return None,
            "attributes" if !runs && self != Subject::LoggedModels => return None,
            "metric" | "metrics" => Entity::Metric,
            "param" | "params" | "parameter" | "parameters" => Entity::Param,
            "tag" | "tags" => Entity::Tag,
            "dataset" | "datasets" => Entity::Dataset,
            "attribute" | "attributes" | "attr" | "run" => Entity::Attribute,
            _ => return None,
        })
    }

    /// A key without its quotes. The registry takes none around attributes, and logged models only backticks.
    fn bare(self, key: &str, entity: Entity) -> String {
        match self {
            Subject::LoggedModels => key.trim_matches('`'),
            Subject::Models | Subject::Versions if entity == Entity::Attribute => key,
            _ => {
                let quoted = unquoted(key, '\'');
                let plain = if quoted.len() < key.len() {
                    quoted
                } else {
                    unquoted(key, '"')
                };
                unquoted(plain, '`')
            }
        }
        .to_owned()
    }

    fn type_of(self, entity: Entity, key: &str) -> Result<Type, Error> {
        let among = |all: &[&str]| all.contains(&key);
        Ok(match entity {
            Entity::Metric => Type::Number,
            Entity::Param | Entity::Tag => Type::Text {
                lists: self == Subject::LoggedModels,
            },
            Entity::Dataset if among(&["name", "digest", "context"]) => Type::Text { lists: true },
            Entity::Dataset => return Err(unknown(key, &["name", "digest", "context"])),
            Entity::Attribute if self == Subject::Experiments && key == "experiment_id" => Type::Id,
            Entity::Attribute if among(self.numbers()) => match self {
                Subject::Experiments | Subject::EvaluationDatasets => {
                    Type::Integer { texts: false }
                }
                Subject::Versions => Type::Integer { texts: true },
                _ => Type::Number,
            },
            Entity::Attribute if among(self.texts()) => Type::Text {
                lists: self.lists(key),
            },
            Entity::Attribute => {
                return Err(unknown(key, &[self.texts(), self.numbers()].concat()));
            }
        })
    }

    /// Attributes that may be compared with a list.
    fn lists(self, key: &str) -> bool {
        match self {
            Subject::Runs => key == "run_id",
            Subject::Experiments => key == "experiment_id",
            Subject::Models | Subject::Versions => matches!(key, "name" | "run_id"),
            Subject::LoggedModels => true,
            Subject::EvaluationDatasets => key == "name",
            Subject::Issues => false,
        }
    }

    /// Whether absence may be asked for.
    fn asks_absence(self) -> bool {
        matches!(self, Subject::Runs | Subject::Experiments)
    }

    /// Experiments take operators in upper case only.
    pub(super) fn operator(self, word: &str) -> Option<Operator> {
        let upper = word.to_ascii_uppercase();
        if self == Subject::Experiments && upper != word {
            return None;
        }
        Some(match upper.as_str() {
            "=" => Operator::Equal,
            "!=" => Operator::NotEqual,
            ">" => Operator::Greater,
            ">=" => Operator::GreaterOrEqual,
            "<" => Operator::Less,
            "<=" => Operator::LessOrEqual,
            "LIKE" => Operator::Like,
            "ILIKE" => Operator::ILike,
            "IN" => Operator::In,
            "NOT IN" => Operator::NotIn,
            "IS NULL" => Operator::IsNull,
            "IS NOT NULL" => Operator::IsNotNull,
            _ => return None,
        })
    }

    fn value(self, kind: &Type, right: &Right<'_>, key: &str) -> Result<Value, Error> {
        let number = |text: &str| text.parse().ok().map(Value::Number);
        let value = match (kind, right) {
            (Type::Number, Right::Integer(text) | Right::Float(text))
            | (Type::Integer { .. }, Right::Integer(text)) => number(text),
            // Python reads these words as numbers, too.
            (Type::Number, Right::Text(word)) if self == Subject::LoggedModels => {
                let known = ["inf", "infinity", "nan"];
                let known = known.iter().any(|one| word.eq_ignore_ascii_case(one));
                known.then(|| number(word)).flatten()
            }
            (Type::Integer { texts: true }, Right::Text(text)) => quoted(text).and_then(|text| {
                text.trim()
                    .parse::<i64>()
                    .ok()
                    .and_then(|_| number(text.trim()))
            }),
            (Type::Text { .. }, Right::Text(text)) if self == Subject::LoggedModels => {
                Some(Value::Text(text.trim_matches('\'').to_owned()))
            }
            (Type::Text { .. }, Right::Integer(text) | Right::Float(text))
                if self == Subject::LoggedModels =>
            {
                Some(Value::Text((*text).to_owned()))
            }
            (Type::Text { .. }, Right::Text(text)) => {
                quoted(text).map(|text| Value::Text(text.to_owned()))
            }
            (Type::Text { .. }, Right::List(list))
                if self == Subject::LoggedModels && list[1..list.len() - 1].trim().is_empty() =>
            {
                Some(Value::List(Vec::new()))
            }
            (Type::Text { lists: true }, Right::List(list)) => Some(Value::List(texts(list)?)),
            (Type::Id, Right::Text(text)) => quoted(text).map(digits).transpose()?.map(Value::Text),
            (Type::Id, Right::List(list)) => {
                let ids = texts(list)?
                    .iter()
                    .map(|text| digits(text))
                    .collect::<Result<_, _>>()?;
                Some(Value::List(ids))
            }
            _ => None,
        };
        value.ok_or_else(|| expected(kind, key, right))
    }
}

/// Whether an operator goes with such a value.
fn fits(kind: &Type, operator: Operator, value: &Value) -> bool {
    use Operator::{
        Equal, Greater, GreaterOrEqual, ILike, In, IsNotNull, IsNull, Less, LessOrEqual, Like,
        NotEqual, NotIn,
    };
    let listed = matches!(value, Value::List(_));
    match operator {
        IsNull | IsNotNull => matches!(value, Value::Nothing),
        In | NotIn => listed,
        Equal | NotEqual => !listed,
        Like | ILike => !listed && matches!(kind, Type::Text { .. }),
        Greater | GreaterOrEqual | Less | LessOrEqual => {
            matches!(kind, Type::Number | Type::Integer { .. })
        }
    }
}

/// The text without one pair of quotes around it.
fn unquoted(text: &str, quote: char) -> &str {
    text.strip_prefix(quote)
        .and_then(|rest| rest.strip_suffix(quote))
        .unwrap_or(text)
}

/// The text in single or double quotes; nothing when it has none.
pub(super) fn quoted(text: &str) -> Option<&str> {
    ['\'', '"']
        .into_iter()
        .find_map(|quote| text.strip_prefix(quote)?.strip_suffix(quote))
}

/// The text without its quotes, if it has any, and the spaces around it.
fn bare_text(text: &str) -> &str {
    quoted(text).unwrap_or(text).trim()
}

fn digits(text: &str) -> Result<String, Error> {
    let number: i64 = text.trim().parse().map_err(|_| {
        Error::invalid(format!(
            "Invalid experiment ID '{text}'. Experiment ID must be a valid integer."
        ))
    })?;
    Ok(number.to_string())
}

/// Names that mean the same.
fn one_name(subject: Subject, key: String) -> String {
    match (subject, key.as_str()) {
        (Subject::Runs, "created" | "Created") => "start_time".to_owned(),
        (Subject::Runs, "run name" | "Run name" | "Run Name") => "run_name".to_owned(),
        (Subject::LoggedModels, "creation_time" | "creation_timestamp_ms") => {
            "creation_timestamp".to_owned()
        }
        (Subject::LoggedModels, "last_updated_timestamp_ms") => "last_updated_timestamp".to_owned(),
        _ => key,
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

fn expected(kind: &Type, key: &str, right: &Right<'_>) -> Error {
    let (Right::Integer(found) | Right::Float(found) | Right::Text(found) | Right::List(found)) =
        right
    else {
        return Error::invalid(format!(
            "IS NULL and IS NOT NULL go with tags and parameters only, not with '{key}'"
        ));
    };
    let wanted = match kind {
        Type::Text { lists: false } | Type::Id => "a quoted text (e.g. 'my-value')",
        Type::Text { lists: true } => "a quoted text, or a list of quoted texts",
        Type::Number => "a number without quotes",
        Type::Integer { .. } => "an integer",
    };
    Error::invalid(format!(
        "Invalid value {found} for '{key}': {wanted} is expected"
    ))
}

fn comparator(entity: Entity, key: &str, operator: &str) -> Error {
    Error::invalid(format!(
        "Invalid comparator '{operator}' for {} '{key}' or for its value",
        word(entity)
    ))
}

fn unknown(key: &str, valid: &[&str]) -> Error {
    Error::invalid(format!(
        "Invalid attribute key '{key}' specified. Valid keys are '{valid:?}'"
    ))
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::Subject::*;

    #[test]
    fn what_each_search_takes() {
        for (subject, filter, taken) in [
            (Runs, "tags.a IS NULL AND params.b IS NOT NULL", true),
            (Runs, "metrics.a IS NULL", false),
            (Runs, "start_time IS NULL", false),
            (Runs, "datasets.name IN ('a', 'b')", true),
            (Runs, "Created > 5 AND attributes.status = 'FAILED'", true),
            (Runs, "`run name` = 'a' AND metrics.'b c' = 1", true),
            (Runs, "status IN ('FAILED')", false),
            (Runs, "run_id = ('a')", false),
            (Runs, "metrics.a = 'x'", false),
            (Runs, "metrics.a <> 1", false),
            (Runs, "metrics.a LIKE 'x'", false),
            (Runs, "params.a > 'x'", false),
            (Runs, "params.a = 1", false),
            (Runs, "params.a = x", false),
            (Runs, "params.a like 'x'", true),
            (Runs, "params.a NOT LIKE 'x'", false),
            (Runs, "what.a = 1", false),
            (Runs, "tags.a. = 'x' AND tags. = 'x'", true),
            (Runs, "tags.a b IS NULL", true),
            (Runs, "tags.a b = 'x'", false),
            (Runs, "run_id b IN ('x')", false),
            (Runs, "nothing = 'x'", false),
            (Runs, "datasets.size = 'x'", false),
            (Experiments, "name LIKE 'a%' AND tags.x = 'y'", true),
            (Experiments, "name like 'a%'", false),
            (Experiments, "attributes.name = 'a'", false),
            (Experiments, "experiment_id IN ('1', '2')", true),
            (Experiments, "experiment_id = 1", false),
            (Experiments, "experiment_id = 'a'", false),
            (Experiments, "name IN ('a')", false),
            (Experiments, "creation_time > 5", true),
            (Experiments, "creation_time > 5.5", false),
            (Experiments, "metrics.a > 1", false),
            (Models, "name ILIKE 'a%' AND name IN ('a')", true),
            (Models, "`name` = 'a'", false),
            (Models, "tags.a IS NULL", false),
            (Models, "version_number = 1", false),
            (Versions, "version_number >= 2 AND run_id IN ('a')", true),
            (Versions, "version_number = '2'", true),
            (Versions, "version_number = 2.0", false),
            (Versions, "version_number LIKE '2'", false),
            (Versions, "source_path IN ('a')", false),
            (
                LoggedModels,
                "metrics.mae < 3 AND name = 'a' AND params.x IN ('a')",
                true,
            ),
            (LoggedModels, "metric.mae < 3", false),
            (LoggedModels, "name = a", true),
            (LoggedModels, "tags.a b NOT IN ('None',)", true),
            (LoggedModels, "tags. = 'x'", false),
            (LoggedModels, "params.a != 0x10", false),
            (LoggedModels, "params.a != 10x", false),
            (LoggedModels, "params.a != 1_000", true),
            (LoggedModels, "lifecycle_stage ILIKE 'a%'", true),
            (Runs, "lifecycle_stage = 'active'", false),
            (LoggedModels, "datasets.name = 'a'", false),
            (LoggedModels, "tags.a IS NULL", false),
            (
                EvaluationDatasets,
                "name IN ('a') AND tags.x ILIKE 'y'",
                true,
            ),
            (EvaluationDatasets, "name NOT IN ('a')", false),
            (EvaluationDatasets, "created_by IN ('a')", false),
            (EvaluationDatasets, "created_time >= 5", true),
            (EvaluationDatasets, "created_time > 0.5", false),
            (EvaluationDatasets, "digest = 'x'", false),
            (EvaluationDatasets, "tags.a IS NULL", false),
            (EvaluationDatasets, "params.x = '1'", false),
            (
                Issues,
                "status = 'pending' AND \"source_run_id\" != abc",
                true,
            ),
            (Issues, "status = 5 status = (1)", true),
            (Issues, "`status` = 'pending'", false),
            (Issues, "attribute.status = 'pending'", false),
            (Issues, "name = 'x'", false),
            (Issues, "status <> 'pending'", false),
            (Issues, "status LIKE 'p%'", false),
            (Issues, "status IN ('pending')", false),
            (Issues, "source_run_id IS NULL", false),
        ] {
            assert_eq!(
                parse(subject, filter).is_ok(),
                taken,
                "{subject:?} {filter}: {:?}",
                parse(subject, filter)
            );
        }
    }
}
