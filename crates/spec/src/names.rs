//! Which names a user may give to what.
//!
//! Asked by the readers of the sections. Names end up in addresses, in environment variables
//! and in expressions, so each kind allows only what is safe and unambiguous there.

/// What a name is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NameKind {
    /// A project, environment, dataset, pipeline, service, model or alert.
    Word,
    /// The same where it is the first segment of an address.
    Address,
    /// A step, parameter or output: part of expressions and of environment variables.
    Identifier,
    /// A metric: whatever MLflow takes.
    Metric,
    /// A key of the user's that is checked elsewhere.
    Any,
}

const LONGEST: usize = 63;
/// First path segments that a protocol of the data plane has taken.
const TAKEN: [&str; 5] = ["v1", "v2", "labels", "metrics", "health"];
/// Words of CEL, and `champion`, which gates speak of.
const RESERVED: [&str; 24] = [
    "champion",
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
    "abs",
    "has",
];

impl NameKind {
    /// Nothing, or what is wrong with the name and what would be right.
    pub(crate) fn check(self, name: &str) -> Result<(), String> {
        let shown = crate::diagnostic::shown(name);
        match self {
            Self::Any => Ok(()),
            Self::Word | Self::Address => {
                let fine =
                    |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
                if !name.starts_with(|c: char| c.is_ascii_lowercase())
                    || !name.chars().all(fine)
                    || name.ends_with('-')
                {
                    return Err(format!(
                        "`{shown}` is not a name; use lower-case letters, digits, `-` and `_`, starting with a letter"
                    ));
                }
                if self == Self::Address && TAKEN.contains(&name) {
                    return Err(format!(
                        "`{shown}` is taken by an address of Mainspan's own; choose another name"
                    ));
                }
                length(name)
            }
            Self::Identifier => {
                let fine = |c: char| c.is_ascii_alphanumeric() || c == '_';
                if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || !name.chars().all(fine) {
                    return Err(format!(
                        "`{shown}` is not a name for use in expressions; use letters, digits and `_`, starting with a letter"
                    ));
                }
                if RESERVED.contains(&name) {
                    return Err(format!(
                        "`{shown}` is a word of the expression language; choose another name"
                    ));
                }
                length(name)
            }
            Self::Metric => {
                let fine = |c: char| c.is_ascii_alphanumeric() || "_-./ :".contains(c);
                if name.is_empty() || name.len() > 250 || !name.chars().all(fine) {
                    return Err(format!(
                        "`{shown}` is not a metric that MLflow takes; use letters, digits, `_`, `-`, `.`, `/`, `:` and blanks"
                    ));
                }
                Ok(())
            }
        }
    }
}

/// The name of a parameter, input or output inside an environment variable: upper case, with
/// `_` for everything that a variable's name cannot hold.
pub fn env_name(name: &str) -> String {
    name.chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_uppercase()
            } else {
                '_'
            }
        })
        .collect()
}

fn length(name: &str) -> Result<(), String> {
    if name.len() > LONGEST {
        return Err(format!(
            "a name has at most {LONGEST} characters, this one has {}",
            name.len()
        ));
    }
    Ok(())
}
