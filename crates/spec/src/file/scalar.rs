//! A parameter's value: a text, a number or a truth value.
//!
//! Used for `params` and `matrix`; handed to steps in environment variables.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::read::{Node, Read, Reader, Value};

/// What a parameter may be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(untagged)]
pub enum Scalar {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other finite number.
    Float(f64),
    /// A text.
    Text(String),
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::Int(value) => value.fmt(f),
            Self::Float(value) => value.fmt(f),
            Self::Text(value) => value.fmt(f),
        }
    }
}

impl Read for Scalar {
    fn read(reader: &mut Reader, node: &Node, _: &str) -> Option<Self> {
        let text = reader.text(node, "a text, a number, `true` or `false`")?;
        if let Value::Scalar { plain: true, .. } = &node.value {
            match text {
                "true" => return Some(Self::Bool(true)),
                "false" => return Some(Self::Bool(false)),
                _ => {}
            }
            if let Ok(number) = text.parse() {
                return Some(Self::Int(number));
            }
            let numeric = text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c));
            if let Some(number) = text
                .parse::<f64>()
                .ok()
                .filter(|number| numeric && number.is_finite())
            {
                return Some(Self::Float(number));
            }
        }
        if text.contains('\0') {
            reader.wrong(node.span, "a parameter cannot hold a NUL character");
            return None;
        }
        Some(Self::Text(text.to_owned()))
    }
}
