//! JSON values into tensor elements, strictly.
//!
//! Both request parsers use it. A number goes only into a datatype that holds it exactly (floats
//! round, but never to infinity); a boolean is never a number nor a number a string. `null` is NaN
//! for floats and refused elsewhere: JSON has no other word for a missing measurement.

mod numbers;

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};

use half::{bf16, f16};

use crate::tensor::{Data, Datatype};

/// Above this, a JSON float no longer tells one integer from the next.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A value that the datatype does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{got} where {datatype} is expected")]
pub(crate) struct Refused {
    got: String,
    datatype: Datatype,
}

impl Data {
    fn refuse(&self, got: impl fmt::Display) -> Refused {
        Refused {
            got: got.to_string(),
            datatype: self.datatype(),
        }
    }

    fn push_integer(&mut self, n: i128) -> Result<(), Refused> {
        macro_rules! integer {
            ($values:ident) => {
                match n.try_into() {
                    Ok(n) => $values.push(n),
                    Err(_) => return Err(self.refuse(n)),
                }
            };
        }
        match self {
            Self::Uint8(v) => integer!(v),
            Self::Uint16(v) => integer!(v),
            Self::Uint32(v) => integer!(v),
            Self::Uint64(v) => integer!(v),
            Self::Int8(v) => integer!(v),
            Self::Int16(v) => integer!(v),
            Self::Int32(v) => integer!(v),
            Self::Int64(v) => integer!(v),
            #[expect(clippy::cast_precision_loss, reason = "floats round")]
            Self::Fp32(v) => v.push(n as f32),
            #[expect(clippy::cast_precision_loss, reason = "floats round")]
            Self::Fp64(v) => v.push(n as f64),
            #[expect(clippy::cast_precision_loss, reason = "floats round")]
            Self::Fp16(_) | Self::Bf16(_) => return self.push_float(n as f64),
            Self::Bool(_) | Self::Bytes(_) => return Err(self.refuse(format!("the number {n}"))),
        }
        Ok(())
    }

    fn push_float(&mut self, x: f64) -> Result<(), Refused> {
        match self {
            Self::Fp64(v) => v.push(x),
            Self::Fp32(v) => {
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "floats round; overflow is refused below"
                )]
                let narrow = x as f32;
                if narrow.is_infinite() && x.is_finite() {
                    return Err(self.refuse(x));
                }
                v.push(narrow);
            }
            Self::Fp16(v) => {
                let narrow = f16::from_f64(x);
                if narrow.is_infinite() && x.is_finite() {
                    return Err(self.refuse(x));
                }
                v.push(narrow);
            }
            Self::Bf16(v) => {
                let narrow = bf16::from_f64(x);
                if narrow.is_infinite() && x.is_finite() {
                    return Err(self.refuse(x));
                }
                v.push(narrow);
            }
            Self::Bool(_) | Self::Bytes(_) => return Err(self.refuse(format!("the number {x}"))),
            _ if x.fract() == 0.0 && x.abs() <= EXACT => {
                #[expect(clippy::cast_possible_truncation, reason = "integral and within 2^53")]
                return self.push_integer(x as i128);
            }
            _ => return Err(self.refuse(x)),
        }
        Ok(())
    }

    fn push_bool(&mut self, b: bool) -> Result<(), Refused> {
        let Self::Bool(values) = self else {
            return Err(self.refuse(b));
        };
        values.push(b);
        Ok(())
    }

    fn push_string(&mut self, s: &str) -> Result<(), Refused> {
        let Self::Bytes(values) = self else {
            return Err(self.refuse(format!("the string {:?}", excerpt(s))));
        };
        if s.contains('\0') {
            return Err(Refused {
                got: "a string with a NUL character".into(),
                datatype: Datatype::Bytes,
            });
        }
        values.push(s.to_owned());
        Ok(())
    }

    /// Takes what stands in a cell of a CSV file. An empty cell is a missing value.
    pub(crate) fn push_text(&mut self, text: &str) -> Result<(), Refused> {
        let cell = text.trim();
        match self {
            Self::Bytes(_) => self.push_string(text),
            _ if cell.is_empty() => self.push_null(),
            Self::Bool(values) => {
                values.push(match cell {
                    "true" | "True" | "TRUE" | "1" => true,
                    "false" | "False" | "FALSE" | "0" => false,
                    other => return Err(self.refuse(format!("`{}`", excerpt(other)))),
                });
                Ok(())
            }
            _ => match (cell.parse(), cell.parse()) {
                (Ok(whole), _) => self.push_integer(whole),
                (_, Ok(float)) => self.push_float(float),
                _ => Err(self.refuse(format!("`{}`", excerpt(cell)))),
            },
        }
    }

    fn push_null(&mut self) -> Result<(), Refused> {
        match self {
            Self::Fp32(v) => v.push(f32::NAN),
            Self::Fp64(v) => v.push(f64::NAN),
            Self::Fp16(v) => v.push(f16::NAN),
            Self::Bf16(v) => v.push(bf16::NAN),
            _ => return Err(self.refuse("null")),
        }
        Ok(())
    }
}

/// Takes a flat array of floats in one pass; false if it is something else, or does not fit, and then
/// `data` is as it was.
pub(crate) fn flat(json: &[u8], data: &mut Data) -> bool {
    let before = data.len();
    let taken = match data {
        Data::Fp64(values) => numbers::floats(json, |x| {
            values.push(x);
            x.is_finite()
        }),
        Data::Fp32(values) => numbers::floats(json, |x| {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "floats round; overflow is refused"
            )]
            let narrow = x as f32;
            values.push(narrow);
            narrow.is_finite()
        }),
        _ => return false,
    };
    if taken.is_none() {
        match data {
            Data::Fp64(values) => values.truncate(before),
            Data::Fp32(values) => values.truncate(before),
            _ => {}
        }
    }
    taken.is_some()
}

/// The beginning of a string that a message may quote.
pub(crate) fn excerpt(text: &str) -> &str {
    let end = text.char_indices().nth(40).map_or(text.len(), |(at, _)| at);
    &text[..end]
}

/// Takes one scalar into `data`; anything else is an error.
pub(crate) struct Scalar<'a> {
    /// Named in messages.
    pub(crate) name: &'a str,
    /// Where the value goes.
    pub(crate) data: &'a mut Data,
}

/// The five visits of a scalar, with the input's name in the message.
macro_rules! scalar_visits {
    ($de:lifetime) => {
        fn visit_bool<E: Error>(self, b: bool) -> Result<Self::Value, E> {
            named(self.name, self.data.push_bool(b))
        }

        fn visit_i64<E: Error>(self, n: i64) -> Result<Self::Value, E> {
            named(self.name, self.data.push_integer(n.into()))
        }

        fn visit_u64<E: Error>(self, n: u64) -> Result<Self::Value, E> {
            named(self.name, self.data.push_integer(n.into()))
        }

        fn visit_f64<E: Error>(self, x: f64) -> Result<Self::Value, E> {
            named(self.name, self.data.push_float(x))
        }

        fn visit_str<E: Error>(self, s: &str) -> Result<Self::Value, E> {
            named(self.name, self.data.push_string(s))
        }

        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
            named(self.name, self.data.push_null())
        }
    };
}

pub(crate) fn named<T: Default, E: Error>(name: &str, pushed: Result<(), Refused>) -> Result<T, E> {
    pushed
        .map(|()| T::default())
        .map_err(|refused| E::custom(format_args!("input `{name}`: {refused}")))
}

impl<'de> DeserializeSeed<'de> for Scalar<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Scalar<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "input `{}` to be one value", self.name)
    }

    scalar_visits!('de);
}

/// Takes a flat or nested array into `data`. Nested arrays must have the lengths in `shape`, a flat
/// one their product; the caller checks the total.
pub(crate) struct Array<'a> {
    /// Named in messages.
    pub(crate) name: &'a str,
    /// Where the values go.
    pub(crate) data: &'a mut Data,
    /// Lengths to hold; where there is none, the first nested array sets it.
    pub(crate) shape: &'a [Cell<Option<usize>>],
    /// How many arrays we are inside of.
    pub(crate) level: usize,
}

/// What one element of an array was.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Element {
    #[default]
    Scalar,
    Array,
}

impl<'de> DeserializeSeed<'de> for Array<'_> {
    type Value = Element;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Element, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Array<'_> {
    type Value = Element;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "input `{}` to be an array of values", self.name)
    }

    scalar_visits!('de);

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Element, A::Error> {
        let Self {
            name,
            data,
            shape,
            level,
        } = self;
        let mut count = 0_usize;
        let mut kind = None;
        while let Some(element) = seq.next_element_seed(Array {
            name,
            data: &mut *data,
            shape,
            level: level + 1,
        })? {
            count += 1;
            if *kind.get_or_insert(element) != element {
                return Err(A::Error::custom(format_args!(
                    "input `{name}` mixes values and arrays"
                )));
            }
        }
        let nested = kind == Some(Element::Array);
        let flat = !nested && level == 0;
        let innermost = level + 1 >= shape.len();
        if (nested && innermost) || (!nested && !flat && !innermost) {
            let rank = shape.len();
            return Err(A::Error::custom(format_args!(
                "input `{name}` is nested, but not {rank} deep as its shape says"
            )));
        }
        if !flat && let Some(length) = shape.get(level) {
            let expect = length.get().unwrap_or(count);
            length.set(Some(expect));
            if expect != count {
                return Err(A::Error::custom(format_args!(
                    "input `{name}` has {count} elements in dimension {level}, not {expect}"
                )));
            }
        }
        Ok(Element::Array)
    }
}

#[cfg(test)]
mod tests;
