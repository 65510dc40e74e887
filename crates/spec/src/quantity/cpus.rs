//! How many processors: `1`, `0.5`.
//!
//! Used for what a step reserves and for the weight of a replica.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{QuantityError, number_and_rest};
use crate::read::{Node, Read, Reader};

/// Processors in thousandths, so that sums are exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Cpus(u32);

impl Cpus {
    /// So many thousandths of a processor.
    pub const fn from_millis(millis: u32) -> Self {
        Self(millis)
    }

    /// Thousandths of a processor.
    pub const fn millis(self) -> u32 {
        self.0
    }

    /// Processors, the last one of which may be used in part.
    pub const fn whole(self) -> u32 {
        self.0.div_ceil(1000)
    }

    /// Processors.
    pub fn get(self) -> f64 {
        f64::from(self.0) / 1000.0
    }
}

impl TryFrom<f64> for Cpus {
    type Error = QuantityError;

    fn try_from(cpus: f64) -> Result<Self, Self::Error> {
        let millis = (cpus * 1000.0).round();
        if !(1.0..=1_000_000.0).contains(&millis) || (cpus * 1000.0 - millis).abs() > 1e-6 {
            return Err(QuantityError::new(
                &cpus.to_string(),
                "a number of CPUs (0.001 to 1000)",
                "`1` or `0.5`",
            ));
        }
        Ok(Self(millis as u32))
    }
}

impl From<Cpus> for f64 {
    fn from(cpus: Cpus) -> Self {
        cpus.get()
    }
}

impl FromStr for Cpus {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match number_and_rest(text) {
            Some((cpus, "")) => Self::try_from(cpus),
            _ => Err(QuantityError::new(text, "a number of CPUs", "`1` or `0.5`")),
        }
    }
}

impl fmt::Display for Cpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.get())
    }
}

impl schemars::JsonSchema for Cpus {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Cpus".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "number", "minimum": 0.001, "maximum": 1000 })
    }
}

impl Read for Cpus {
    fn read(reader: &mut Reader, node: &Node, path: &str) -> Option<Self> {
        reader.parsed(node, path)
    }
}
