//! Quantities as the project file spells them: one spelling per idea, one type per unit.
//!
//! Read by every section of the file and used by whoever acts on it, so that a bare number
//! never travels between crates. Each type prints the canonical spelling that it also reads.
//! This module must never know which key a quantity stands under.

mod amount;
mod bytes;
mod cpus;
mod cron;
mod duration;
mod percent;
mod quantile;
mod rate;
mod window;

pub use amount::Requests;
pub use bytes::ByteSize;
pub use cpus::Cpus;
pub use cron::Cron;
pub use duration::Duration;
pub use percent::Percent;
pub use quantile::Quantile;
pub use rate::Rate;
pub use window::Window;

/// Why a text is not the quantity that was expected: a whole sentence part for the user, with
/// the spelling that would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct QuantityError(pub(crate) String);

impl QuantityError {
    pub(crate) fn new(text: &str, what: &str, like: &str) -> Self {
        let shown: String = text.chars().take(40).collect();
        Self(format!("`{shown}` is not {what}; write it like {like}"))
    }
}

/// Splits `512MiB` into its number and what follows it, blanks between them dropped.
fn number_and_rest(text: &str) -> Option<(f64, &str)> {
    let text = text.trim();
    let end = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(text.len());
    let number: f64 = text.get(..end)?.parse().ok()?;
    Some((number, text.get(end..)?.trim()))
}

/// Serialises a type through its `Display` and `FromStr`, as the project file does.
macro_rules! as_text {
    ($name:ident, $pattern:literal) => {
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "pattern": $pattern })
            }
        }

        impl crate::read::Read for $name {
            fn read(
                reader: &mut crate::read::Reader,
                node: &crate::read::Node,
                path: &str,
            ) -> Option<Self> {
                reader.parsed(node, path)
            }
        }
    };
}
pub(crate) use as_text;

#[cfg(test)]
mod tests;
