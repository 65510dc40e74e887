//! Which names MLflow accepts, and the aliases that belong to deployments.

use crate::{Error, limits};

/// Checks the name of a metric or parameter: letters, digits, `_-.: /`, and a path that normalises to itself.
///
/// # Errors
/// INVALID_PARAMETER_VALUE.
pub fn entry(kind: &str, name: &str) -> Result<(), Error> {
    if name.is_empty() {
        return Err(Error::invalid(format!("{kind} name cannot be empty")));
    }
    limits::at_most(&format!("{kind} name"), name, limits::KEY)?;
    let good = name
        .chars()
        .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ' | '/' | ':'));
    if !good || !normal(name) {
        return Err(Error::invalid(format!(
            "Invalid {kind} name: '{name}'. Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), colons (:), spaces and slashes (/), and must not be paths like '..' or 'a//b'"
        )));
    }
    Ok(())
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
    if name.is_empty() {
        return Err(Error::invalid("Registered model name cannot be empty."));
    }
    if name.contains(['/', ':']) {
        return Err(Error::invalid(format!(
            "Invalid name: '{name}'. Registered model names cannot contain '/' or ':'"
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
            .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
    {
        return Err(Error::invalid(format!(
            "Invalid alias name: '{name}'. Use alphanumerics, underscores and dashes"
        )));
    }
    limits::at_most("alias", name, limits::ALIAS)?;
    if version_like || name.eq_ignore_ascii_case("latest") {
        return Err(Error::invalid(format!("'{name}' alias name is reserved.")));
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
