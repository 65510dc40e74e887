//! Whether a new version of a model can take the requests of the old one.
//!
//! The roll-out asks before any traffic moves: a service's clients must not notice which version
//! answers.

use std::fmt;

use crate::model::{ModelDescription, TensorDescription};

/// How one input differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// The old version takes it, the new one does not know it.
    Gone(TensorDescription),
    /// The new version asks for it, the old one does not: today's requests lack it.
    New(TensorDescription),
    /// Both take it, but not the same values.
    Changed {
        /// What the old version takes.
        old: TensorDescription,
        /// What the new version takes.
        new: TensorDescription,
    },
}

/// A new version that does not take what the old one takes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Mismatch {
    /// What differs, at least one.
    pub differences: Vec<Difference>,
}

/// Checks that every request which fits `old` fits `new`. An input of `new` may be open (-1) where
/// `old` is fixed, not the other way round. Outputs are not compared.
pub fn compatible(old: &ModelDescription, new: &ModelDescription) -> Result<(), Mismatch> {
    let find = |model: &ModelDescription, name: &str| {
        model
            .inputs
            .iter()
            .find(|input| input.name == name)
            .cloned()
    };
    let mut differences = Vec::new();
    for before in &old.inputs {
        match find(new, &before.name) {
            None => differences.push(Difference::Gone(before.clone())),
            Some(after) if !takes(&after, before) => {
                differences.push(Difference::Changed {
                    old: before.clone(),
                    new: after,
                });
            }
            Some(_) => {}
        }
    }
    let added = new
        .inputs
        .iter()
        .filter(|after| find(old, &after.name).is_none());
    differences.extend(added.cloned().map(Difference::New));
    if differences.is_empty() {
        return Ok(());
    }
    Err(Mismatch { differences })
}

/// Whether every tensor that fits `old` fits `new`.
fn takes(new: &TensorDescription, old: &TensorDescription) -> bool {
    new.datatype == old.datatype
        && new.shape.len() == old.shape.len()
        && new
            .shape
            .iter()
            .zip(&old.shape)
            .all(|(new, old)| *new == -1 || new == old)
}

struct Type<'a>(&'a TensorDescription);

impl fmt::Display for Type<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.0.datatype, self.0.shape)
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone(old) => write!(f, "input `{}` ({}) is gone", old.name, Type(old)),
            Self::New(new) => write!(f, "input `{}` ({}) is new", new.name, Type(new)),
            Self::Changed { old, new } => {
                write!(
                    f,
                    "input `{}` was {} and is {}",
                    old.name,
                    Type(old),
                    Type(new)
                )
            }
        }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the new version takes other inputs than the service: ")?;
        for (index, difference) in self.differences.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{difference}")?;
        }
        f.write_str(". Export it with the same inputs, or deploy it as a new service")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::Datatype;

    fn model(inputs: &[(&str, Datatype, &[i64])]) -> ModelDescription {
        let input = |(name, datatype, shape): &(&str, Datatype, &[i64])| TensorDescription {
            name: (*name).into(),
            datatype: *datatype,
            shape: shape.to_vec(),
        };
        ModelDescription {
            inputs: inputs.iter().map(input).collect(),
            outputs: Vec::new(),
        }
    }

    #[test]
    fn what_fits_the_old_must_fit_the_new() {
        let old = model(&[
            ("a", Datatype::Fp32, &[-1, 1]),
            ("b", Datatype::Bytes, &[-1, 4]),
        ]);
        let check = |new: &[(&str, Datatype, &[i64])], expect: &str| {
            let got =
                compatible(&old, &model(new)).map_or_else(|e| e.to_string(), |()| String::new());
            let part = got
                .strip_prefix("the new version takes other inputs than the service: ")
                .unwrap_or(&got);
            let part = part
                .strip_suffix(". Export it with the same inputs, or deploy it as a new service")
                .unwrap_or(part);
            assert_eq!(part, expect);
        };
        let a: (&str, Datatype, &[i64]) = ("a", Datatype::Fp32, &[-1, 1]);
        let b: (&str, Datatype, &[i64]) = ("b", Datatype::Bytes, &[-1, 4]);
        check(&[a, b], "");
        check(&[b, a], "");
        check(&[a, ("b", Datatype::Bytes, &[-1, -1])], "");
        check(&[a], "input `b` (BYTES [-1, 4]) is gone");
        check(
            &[a, b, ("c", Datatype::Int64, &[-1])],
            "input `c` (INT64 [-1]) is new",
        );
        check(
            &[("a", Datatype::Fp64, &[-1, 1]), b],
            "input `a` was FP32 [-1, 1] and is FP64 [-1, 1]",
        );
        check(
            &[("a", Datatype::Fp32, &[8, 1]), b],
            "input `a` was FP32 [-1, 1] and is FP32 [8, 1]",
        );
        check(
            &[
                ("a", Datatype::Fp32, &[-1]),
                ("c", Datatype::Bytes, &[-1, 4]),
            ],
            "input `a` was FP32 [-1, 1] and is FP32 [-1]; input `b` (BYTES [-1, 4]) is gone; input `c` (BYTES [-1, 4]) is new",
        );
    }
}
