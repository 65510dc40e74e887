//! The macro that makes an enum of states storable as one lower-case word, and maps of numbers
//! that survive JSON.

/// Declares an enum whose variants are stored, shown and serialised as the given words.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// Every value, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The stored word.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::Error;

            fn from_str(text: &str) -> $crate::Result<Self> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    other => Err($crate::Error::Invalid(format!(concat!("`{}` is no ", stringify!($name)), other))),
                }
            }
        }

        impl $crate::tx::column::Param for $name {
            fn value(&self) -> $crate::tx::column::Value<'_> {
                $crate::tx::column::Value::Text(self.as_str().into())
            }
        }

        impl $crate::tx::column::Column for $name {
            fn read(row: &$crate::tx::column::Row<'_>, index: usize) -> $crate::Result<Self> {
                $crate::tx::column::read_word(row, index)
            }
        }

        impl $crate::tx::column::Column for Option<$name> {
            fn read(row: &$crate::tx::column::Row<'_>, index: usize) -> $crate::Result<Self> {
                $crate::tx::column::read_word_if_any(row, index)
            }
        }
    };
}
pub(crate) use words;

/// Serialises maps of numbers so that NaN and the infinities survive JSON, as the strings that
/// MLflow uses for them.
pub(crate) mod numbers {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Number {
        Finite(f64),
        Word(String),
    }

    pub(crate) fn serialize<S: Serializer>(
        map: &BTreeMap<String, f64>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_map(map.iter().map(|(key, value)| {
            let number = match value {
                v if v.is_finite() => Number::Finite(*v),
                v if v.is_nan() => Number::Word("NaN".to_owned()),
                v if *v > 0.0 => Number::Word("Infinity".to_owned()),
                _ => Number::Word("-Infinity".to_owned()),
            };
            (key, number)
        }))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<String, f64>, D::Error> {
        let map = BTreeMap::<String, Number>::deserialize(deserializer)?;
        map.into_iter()
            .map(|(key, number)| match number {
                Number::Finite(value) => Ok((key, value)),
                Number::Word(word) => word
                    .parse()
                    .map(|value| (key, value))
                    .map_err(serde::de::Error::custom),
            })
            .collect()
    }
}
