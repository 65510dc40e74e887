//! Key and value pairs, and numbers as MLflow's JSON writes them.

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, Visitor},
};
use std::fmt;

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
    use serde::{
        Deserializer,
        de::{Error, Visitor},
    };
    use std::fmt;

    /// Reads an optional integer.
    ///
    /// # Errors
    /// When it is neither a number nor a text of digits.
    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<i64>, D::Error> {
        d.deserialize_option(Optional)
    }

    struct Optional;
    struct Integer;

    impl<'de> Visitor<'de> for Optional {
        type Value = Option<i64>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            Integer.expecting(f)
        }

        fn visit_none<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_some<D: Deserializer<'de>>(self, d: D) -> Result<Self::Value, D::Error> {
            d.deserialize_any(Integer).map(Some)
        }
    }

    impl Visitor<'_> for Integer {
        type Value = i64;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an integer")
        }

        fn visit_i64<E>(self, number: i64) -> Result<i64, E> {
            Ok(number)
        }

        fn visit_u64<E: Error>(self, number: u64) -> Result<i64, E> {
            i64::try_from(number).map_err(|_| not_one(number))
        }

        #[expect(
            clippy::cast_possible_truncation,
            reason = "checked to be whole and in range just before"
        )]
        fn visit_f64<E: Error>(self, number: f64) -> Result<i64, E> {
            if number.fract() == 0.0 && number.abs() < 9e15 {
                return Ok(number as i64);
            }
            Err(not_one(number))
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<i64, E> {
            text.parse().map_err(|_| not_one(format_args!("`{text}`")))
        }
    }

    fn not_one<E: Error>(value: impl fmt::Display) -> E {
        E::custom(format_args!("{value} is not an integer"))
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
        d.deserialize_any(AnyNumber)
    }
}

struct AnyNumber;

impl Visitor<'_> for AnyNumber {
    type Value = Double;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Double, E> {
        Ok(Double(f64::from(u8::from(flag))))
    }

    #[expect(clippy::cast_precision_loss, reason = "metrics are floats")]
    fn visit_i64<E>(self, number: i64) -> Result<Double, E> {
        Ok(Double(number as f64))
    }

    #[expect(clippy::cast_precision_loss, reason = "metrics are floats")]
    fn visit_u64<E>(self, number: u64) -> Result<Double, E> {
        Ok(Double(number as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Double, E> {
        Ok(Double(number))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Double, E> {
        let number = match text.to_ascii_lowercase().as_str() {
            "nan" => Some(f64::NAN),
            "inf" | "+inf" | "infinity" => Some(f64::INFINITY),
            "-inf" | "-infinity" => Some(f64::NEG_INFINITY),
            other => other.parse().ok(),
        };
        number
            .map(Double)
            .ok_or_else(|| E::custom(format_args!("`{text}` is not a number")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_come_as_numbers_and_texts() {
        #[derive(Deserialize)]
        struct Sent {
            #[serde(default, deserialize_with = "integer::deserialize")]
            n: Option<i64>,
        }
        // Directly, and from what was read before.
        let read = |json: &str| {
            let value = serde_json::from_str::<serde_json::Value>(json).unwrap();
            let direct = serde_json::from_str::<Sent>(json).map(|sent| sent.n);
            let kept = serde_json::from_value::<Sent>(value).map(|sent| sent.n);
            let [direct, kept] = [direct, kept].map(|n| n.map_err(|error| error.to_string()));
            assert_eq!(direct.as_ref().ok(), kept.as_ref().ok(), "{json}");
            direct
        };
        for (json, n) in [
            ("{}", None),
            (r#"{"n":null}"#, None),
            (r#"{"n":-7}"#, Some(-7)),
            (r#"{"n":7.0}"#, Some(7)),
            (r#"{"n":"9223372036854775807"}"#, Some(i64::MAX)),
        ] {
            assert_eq!(read(json), Ok(n), "{json}");
        }
        for (json, part) in [
            (r#"{"n":1.5}"#, "1.5 is not an integer"),
            (r#"{"n":1e300}"#, "is not an integer"),
            (r#"{"n":9223372036854775808}"#, "is not an integer"),
            (r#"{"n":"x"}"#, "`x` is not an integer"),
            (r#"{"n":true}"#, "expected an integer"),
            (r#"{"n":[]}"#, "expected an integer"),
        ] {
            let error = read(json).unwrap_err();
            assert!(error.contains(part), "{json}: {error}");
        }
    }

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
        for (json, part) in [
            ("\"x\"", "`x` is not a number"),
            ("[]", "expected a number"),
        ] {
            let error = serde_json::from_str::<Double>(json)
                .unwrap_err()
                .to_string();
            assert!(error.contains(part), "{json}: {error}");
        }
    }
}
