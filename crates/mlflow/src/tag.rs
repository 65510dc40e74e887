//! Key and value pairs, and numbers as MLflow's JSON writes them.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One tag, parameter or similar pair.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    /// Name.
    #[serde(default)]
    pub key: String,
    /// Value.
    #[serde(default)]
    pub value: String,
}

impl Pair {
    /// A pair of two texts.
    pub fn new(key: impl Into<String>, value: impl Into<String>) -> Self {
        Pair {
            key: key.into(),
            value: value.into(),
        }
    }
}

/// A 64-bit integer that clients send as a number or as a text of digits.
pub mod integer {
    use super::{Deserialize, Deserializer};
    use serde::de::Error as _;

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(i64),
        Float(f64),
        Text(String),
    }

    /// Reads an optional integer.
    ///
    /// # Errors
    /// When it is neither a number nor a text of digits.
    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<i64>, D::Error> {
        Ok(match Option::<Either>::deserialize(d)? {
            None => None,
            Some(Either::Number(n)) => Some(n),
            #[expect(
                clippy::cast_possible_truncation,
                reason = "checked to be whole and in range just before"
            )]
            Some(Either::Float(f)) if f.fract() == 0.0 && f.abs() < 9e15 => Some(f as i64),
            Some(Either::Float(f)) => {
                return Err(D::Error::custom(format!("{f} is not an integer")));
            }
            Some(Either::Text(t)) => Some(
                t.parse()
                    .map_err(|_| D::Error::custom(format!("`{t}` is not an integer")))?,
            ),
        })
    }
}

/// A word of an enum that clients send by name or by number.
pub mod word {
    use serde::{Deserialize, Deserializer};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(i64),
        Name(String),
    }

    /// Reads the name, or the number as a text.
    ///
    /// # Errors
    /// Another type of value.
    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<String>, D::Error> {
        Ok(
            Option::<Either>::deserialize(d)?.map(|either| match either {
                Either::Number(number) => number.to_string(),
                Either::Name(name) => name,
            }),
        )
    }
}

impl From<(String, String)> for Pair {
    fn from((key, value): (String, String)) -> Self {
        Pair { key, value }
    }
}

/// A metric's value: JSON has no NaN or infinities, so MLflow sends them as texts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Double(pub f64);

impl Serialize for Double {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            v if v.is_nan() => s.serialize_str("NaN"),
            f64::INFINITY => s.serialize_str("Infinity"),
            f64::NEG_INFINITY => s.serialize_str("-Infinity"),
            v => s.serialize_f64(v),
        }
    }
}

impl<'de> Deserialize<'de> for Double {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Flag(bool),
            Number(f64),
            Text(String),
        }
        match Either::deserialize(d)? {
            Either::Flag(flag) => Ok(Double(f64::from(u8::from(flag)))),
            Either::Number(v) => Ok(Double(v)),
            Either::Text(t) => match t.to_ascii_lowercase().as_str() {
                "nan" => Ok(Double(f64::NAN)),
                "inf" | "+inf" | "infinity" => Ok(Double(f64::INFINITY)),
                "-inf" | "-infinity" => Ok(Double(f64::NEG_INFINITY)),
                other => other
                    .parse()
                    .map(Double)
                    .map_err(|_| D::Error::custom(format!("`{t}` is not a number"))),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_survive_both_ways() {
        for (json, value) in [
            ("1.5", 1.5),
            ("\"Infinity\"", f64::INFINITY),
            ("\"-inf\"", f64::NEG_INFINITY),
            ("\"2\"", 2.0),
            ("true", 1.0),
        ] {
            assert_eq!(serde_json::from_str::<Double>(json).unwrap(), Double(value));
        }
        assert!(
            serde_json::from_str::<Double>("\"NaN\"")
                .unwrap()
                .0
                .is_nan()
        );
        assert_eq!(serde_json::to_string(&Double(f64::NAN)).unwrap(), "\"NaN\"");
    }
}
