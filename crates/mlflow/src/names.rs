//! Which names MLflow accepts, and the aliases that belong to deployments.

use crate::{Error, limits};
use std::fmt::Display;

/// Checks the name of a metric, parameter or tag: letters, digits, `_-.: /`, and a path that normalises to itself.
/// `field` says where it was in the request.
///
/// # Errors
/// INVALID_PARAMETER_VALUE.
pub fn entry(field: impl Display, name: &str) -> Result<(), Error> {
    if name.is_empty() {
        return Err(Error::missing_value(field));
    }
    let good = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ' | '/' | ':');
    if !name.chars().all(good) {
        return Err(Error::invalid_value(
            field,
            name,
            "Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), colon(:) and slashes (/).",
        ));
    }
    if !normal(name) {
        return Err(Error::invalid_value(
            field,
            name,
            "Names may be treated as files in certain cases, and must not resolve to other names when treated as such. This name would resolve elsewhere",
        ));
    }
    Ok(())
}

/// A name in lowerCamelCase, in which Protobuf's JSON and GraphQL write fields, as the endpoints have it.
pub(crate) fn snake(camel: &str) -> String {
    let mut snake = String::with_capacity(camel.len() + 4);
    for c in camel.chars() {
        if c.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}

/// Checks the name of a project, which is a workspace and a base path to MLflow.
///
/// # Errors
/// RESOURCE_DOES_NOT_EXIST: nothing can have such a name.
pub fn project(name: &str) -> Result<(), Error> {
    let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    if name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(fine)
        && name.len() <= 63
    {
        return Ok(());
    }
    let shown: String = name.chars().take(63).collect();
    Err(Error::missing(format!(
        "There cannot be a project '{shown}': names are lower-case letters, digits, '-' and '_', starting with a letter"
    )))
}

const MOODS: [&str; 16] = [
    "able", "bold", "calm", "clever", "daring", "eager", "fair", "gentle", "honest", "keen",
    "lively", "merry", "nimble", "proud", "quiet", "wise",
];
const BIRDS: [&str; 16] = [
    "crane", "dove", "duck", "finch", "goose", "gull", "hawk", "heron", "ibis", "jay", "lark",
    "owl", "robin", "stork", "swan", "wren",
];

/// A name for a run or a logged model that came without one.
pub fn made_up(random: u64) -> String {
    let mood = MOODS[(random % 16) as usize];
    let bird = BIRDS[(random / 16 % 16) as usize];
    format!("{mood}-{bird}-{}", random / 256 % 1000)
}

fn normal(name: &str) -> bool {
    name != "."
        && !name.starts_with('/')
        && name.split('/').all(|part| !part.is_empty() && part != "..")
        && { !name.split('/').any(|part| part == ".") }
}

/// Checks a registered model's name.
///
/// # Errors
/// INVALID_PARAMETER_VALUE.
pub fn model(name: &str) -> Result<(), Error> {
    if name.trim().is_empty() {
        return Err(Error::missing_value("name"));
    }
    if name.contains(['/', ':']) {
        return Err(Error::invalid(format!(
            "Invalid model name '{name}'. Names cannot contain '/' or ':'."
        )));
    }
    if name == "." || name == ".." {
        return Err(Error::invalid_value(
            "name",
            name,
            "Names must not resolve to other names when treated as files.",
        ));
    }
    limits::at_most("name", name, limits::MODEL_NAME)
}

/// Checks the name of a logged model; one is made up where there is none.
///
/// # Errors
/// INVALID_PARAMETER_VALUE.
pub fn logged_model(name: Option<&str>) -> Result<(), Error> {
    let Some(name) = name else {
        return Ok(());
    };
    if name.contains(['/', ':', '.', '%', '"', '\'']) {
        return Err(Error::invalid(format!(
            "Invalid model name ('{name}') provided. Model name must be a non-empty string and cannot contain the following characters: ('/', ':', '.', '%', '\"', \"'\")"
        )));
    }
    Ok(())
}

/// Checks an alias's form (not whether it is reserved).
///
/// # Errors
/// INVALID_PARAMETER_VALUE.
pub fn alias(name: &str) -> Result<(), Error> {
    let version_like = name
        .strip_prefix(['v', 'V'])
        .is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| c.is_ascii_digit()));
    if name.is_empty()
        || !name
            .chars()
            .all(|c| c.is_alphanumeric() || c == '_' || c == '-')
    {
        return Err(Error::invalid(format!(
            "Invalid alias name: '{name}'. Names may only contain alphanumerics, underscores (_), and dashes (-)."
        )));
    }
    limits::at_most("alias", name, limits::ALIAS)?;
    if version_like || name.eq_ignore_ascii_case("latest") {
        return Err(Error::invalid(if version_like {
            format!("Version alias name '{name}' is reserved.")
        } else {
            "'latest' alias name (case insensitive) is reserved.".to_owned()
        }));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepted_and_refused() {
        for (name, ok) in [
            ("a b/c:d.e-f_1", true),
            ("", false),
            ("..", false),
            ("a//b", false),
            ("/a", false),
            ("a;b", false),
            ("a/../b", false),
        ] {
            assert_eq!(entry("metric", name).is_ok(), ok, "{name}");
        }
        for (name, ok) in [
            ("blue", true),
            ("v12", false),
            ("vivid", true),
            ("Latest", false),
            ("a b", false),
        ] {
            assert_eq!(alias(name).is_ok(), ok, "{name}");
        }
        assert!(model("delay").is_ok() && model("a/b").is_err() && model("").is_err());
    }
}
