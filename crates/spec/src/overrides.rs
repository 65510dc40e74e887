//! The services of one environment, with its overrides applied.
//!
//! Everything that acts on an environment asks here rather than reading `services`.

use indexmap::IndexMap;

use crate::file::{ProjectFile, Service};
use crate::freeze::Freeze;

impl ProjectFile {
    /// The services as they are in an environment, in the order of the file; `None` when the
    /// project has no such environment.
    pub fn for_environment(&self, environment: &str) -> Option<IndexMap<&str, &Service>> {
        if !self.environments.iter().any(|name| name == environment) {
            return None;
        }
        let effective = |name: &String, base| {
            let over = self.overrides.get(environment)?.services.get(name);
            over.or(Some(base))
        };
        let each = self.services.iter();
        Some(
            each.map(|(name, base)| (name.as_str(), effective(name, base).unwrap_or(base)))
                .collect(),
        )
    }

    /// One service as it is in one environment.
    pub fn service_in(&self, environment: &str, service: &str) -> Option<&Service> {
        self.for_environment(environment)?.get(service).copied()
    }

    /// When nothing is deployed to an environment; `None` when it always may be.
    pub fn freeze(&self, environment: &str) -> Option<Freeze> {
        let over = self.overrides.get(environment)?;
        (!over.freeze.is_empty()).then(|| Freeze {
            windows: over.freeze.clone(),
            timezone: self.timezone.clone(),
        })
    }

    /// The dotted path under which a service of an environment is spelled out: its override
    /// when there is one.
    pub fn service_path(&self, environment: &str, service: &str) -> String {
        let overridden = self
            .overrides
            .get(environment)
            .is_some_and(|over| over.services.contains_key(service));
        if overridden {
            format!("overrides.{environment}.services.{service}")
        } else {
            format!("services.{service}")
        }
    }
}
