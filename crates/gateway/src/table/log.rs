//! What the traffic log keeps of a service.
//!
//! Part of a [`super::Route`]; [`crate::traffic`] obeys it. Types and validation only.

use serde::{Deserialize, Serialize};

use super::{Route, TableError};
use crate::fields::REQUEST_ID;
use crate::split;

/// What is kept of a service's requests. What is left out keeps everything, for as long as the gateway keeps files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogRules {
    /// The share of requests that is kept, 0 to 1, by a hash of their id.
    #[serde(default = "LogRules::all")]
    pub sample: f64,
    /// Names whose values are never written: fields, columns and tensors; `a.b` is `b` in `a`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub redact: Vec<String>,
    /// How long files with these requests stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_seconds: Option<u64>,
    /// Whether bodies of requests and answers are kept.
    #[serde(default = "LogRules::yes")]
    pub bodies: bool,
}

impl Default for LogRules {
    fn default() -> Self {
        Self {
            sample: Self::all(),
            redact: Vec::new(),
            keep_seconds: None,
            bodies: Self::yes(),
        }
    }
}

impl Route {
    /// Whether ids of requests are not to be written: one that nobody joins by may be anything.
    pub(crate) fn hides_ids(&self) -> bool {
        let is_id = |name: &String| name == REQUEST_ID || name == "id";
        self.join.is_none() && self.log.redact.iter().any(is_id)
    }
}

impl LogRules {
    fn all() -> f64 {
        1.0
    }

    fn yes() -> bool {
        true
    }

    /// Whether nothing is said.
    #[must_use]
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the request of this id is among those that are kept. The same id, the same answer: whatever else is
    /// kept of the request can be kept with it.
    pub(crate) fn samples(&self, id: &str) -> bool {
        self.sample >= 1.0 || split::unit(0, id.as_bytes()) < self.sample
    }

    pub(super) fn validate(&self, route: &Route) -> Result<(), TableError> {
        if !(0.0..=1.0).contains(&self.sample) {
            let (route, sample) = (route.key(), self.sample);
            return Err(TableError::Sample { route, sample });
        }
        // The join log has them in clear, or nothing could be joined.
        let joined = [route.join.as_ref(), route.time.as_ref()];
        match joined
            .into_iter()
            .flatten()
            .find(|name| self.redact.contains(name))
        {
            None => Ok(()),
            Some(name) => {
                let (route, name) = (route.key(), name.clone());
                Err(TableError::Redacted { route, name })
            }
        }
    }
}
