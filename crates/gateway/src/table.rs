//! The routing table: which service is where, which versions share its traffic, which sockets
//! answer for them.
//!
//! Written by whoever runs roll-outs (`PUT /routes` on the admin socket), read by every gateway
//! thread. Types and validation only; must never do I/O. [`Index`] is the form that threads look
//! requests up in.

mod log;

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::mirror::Mirror;
use crate::queue::Priority;

pub use log::LogRules;

/// Everything the gateway serves. Replaced as a whole; a higher generation is newer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoutingTable {
    /// Grows with every change. A table older than the one in force is refused.
    pub generation: u64,
    /// One for each service that can be called.
    pub routes: Vec<Route>,
}

/// A service of an environment, and how its traffic is shared.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// First part of the address.
    pub project: String,
    /// Second part of the address.
    pub environment: String,
    /// Third part of the address, and the model name in the Open Inference Protocol.
    pub service: String,
    /// Whether the bare `/{service}` leads here too.
    #[serde(default)]
    pub root: bool,
    /// What keeps its version: a field of the body, `header:NAME`, or nothing (each request is
    /// assigned by itself).
    #[serde(default)]
    pub sticky: Option<String>,
    /// The field that labels come back by. With it, predictions go to the join log.
    #[serde(default)]
    pub join: Option<String>,
    /// The field that holds the event's time; arrival counts when left out.
    #[serde(default)]
    pub time: Option<String>,
    /// Changes the assignment; the roll-out's id.
    #[serde(default)]
    pub salt: String,
    /// The versions, in fixed order: the candidate last.
    pub arms: Vec<Arm>,
    /// Bounds for this service, within the gateway's own.
    #[serde(default)]
    pub limits: Limits,
    /// What its replicas speak.
    #[serde(default, skip_serializing_if = "Speaks::is_frames")]
    pub speaks: Speaks,
    /// What the traffic log keeps of it.
    #[serde(default, skip_serializing_if = "LogRules::is_usual")]
    pub log: LogRules,
    /// The version that gets copies of requests, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirror: Option<Mirror>,
}

/// What the replicas of a service speak.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Speaks {
    /// The engine's frames: the gateway speaks every protocol for them.
    #[default]
    Frames,
    /// HTTP: they are servers of their own, and requests are handed on as they came.
    Http,
}

impl Speaks {
    fn is_frames(&self) -> bool {
        *self == Self::Frames
    }
}

/// A version that takes a share of the traffic.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arm {
    /// What `mainspan-version` says.
    pub version: u32,
    /// The model's name, for metadata.
    pub model: String,
    /// Share of the traffic, 0 to 1. At 0 the replicas stay connected.
    pub weight: f64,
    /// Unix sockets of the replicas. May be empty, if there are none yet or none are needed: requests
    /// are held for a while, and the first one calls (`GET /calls`).
    pub replicas: Vec<PathBuf>,
}

/// Bounds of one service. What is left out is the gateway's own bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Longest request body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_body_bytes: Option<usize>,
    /// Most requests at the replicas of one version at a time; more wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_in_flight: Option<usize>,
    /// Longest wait for an answer, in milliseconds; then 504.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// Most requests at one replica at a time; more wait. Not bounded when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_per_replica: Option<usize>,
    /// Most requests that wait for a place at the replicas of one version; more are answered 503.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_waiting: Option<usize>,
    /// Longest wait for a place, in milliseconds; then 503.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_ms: Option<u64>,
    /// The class of requests that name none; normal when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    /// Most requests that are held while one version has no replica that answers; more are answered
    /// 503.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_held: Option<usize>,
    /// Longest that one is held, in milliseconds; then 503.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_ms: Option<u64>,
}

/// Why a table cannot be served.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TableError {
    /// A name that cannot be part of an address.
    #[error(
        "{route}: the {what} {name:?} cannot be part of an address; use a-z, 0-9, `-` and `_`, \
         and not `v1`, `v2` or `labels`"
    )]
    Name {
        /// Which route.
        route: String,
        /// Which part.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// Two routes with one address.
    #[error("{0}: two routes have this address; keep one")]
    Duplicate(String),
    /// Two bare names.
    #[error("{0}: two routes want this bare name at the root; set `root` on one of them only")]
    Root(String),
    /// A header that cannot be.
    #[error("{route}: {name:?} cannot be a header's name; write `sticky: header:NAME`")]
    Header {
        /// Which route.
        route: String,
        /// The name.
        name: String,
    },
    /// A share that is none.
    #[error("{route}: the log samples {sample}; use a number from 0 to 1")]
    Sample {
        /// Which route.
        route: String,
        /// The share.
        sample: f64,
    },
    /// What labels are joined by cannot be hidden.
    #[error(
        "{route}: `{name}` is redacted, but labels are joined by it and it is written in clear for them; \
         join by another field"
    )]
    Redacted {
        /// Which route.
        route: String,
        /// The field.
        name: String,
    },
    /// No version at all.
    #[error("{0}: a route needs at least one arm")]
    NoArm(String),
    /// A version twice.
    #[error("{route}: version {version} is in two arms; merge them")]
    Version {
        /// Which route.
        route: String,
        /// Which version.
        version: u32,
    },
    /// A weight out of range.
    #[error("{route}: version {version} has weight {weight}; use a number from 0 to 1")]
    Weight {
        /// Which route.
        route: String,
        /// Which version.
        version: u32,
        /// Its weight.
        weight: f64,
    },
    /// Copies for a version that has no replicas, or of a share out of range.
    #[error(
        "{route}: copies of a share of {share} go to version {version}; use a share above 0 and up to 1, and \
         the version of an arm whose replicas speak frames"
    )]
    Mirror {
        /// Which route.
        route: String,
        /// Which version.
        version: u32,
        /// Its share.
        share: f64,
    },
    /// Weights that do not add up.
    #[error("{route}: the weights of the arms add up to {sum}; they must add up to 1")]
    Sum {
        /// Which route.
        route: String,
        /// What they add up to.
        sum: f64,
    },
}

/// What a sticky header begins with.
const STICKY_HEADER: &str = "header:";
/// How far from one the sum of the weights may be.
const SUM_TOLERANCE: f64 = 1e-6;
/// Words that addresses use themselves.
const RESERVED: [&str; 3] = ["v1", "v2", "labels"];

impl Route {
    /// `project/environment/service`: the name in evidence and join log, and the base path.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}/{}/{}", self.project, self.environment, self.service)
    }

    /// The header that keeps the version, if it is one.
    pub(crate) fn sticky_header(&self) -> Option<&str> {
        self.sticky.as_deref()?.strip_prefix(STICKY_HEADER)
    }
}

impl RoutingTable {
    /// Checks what types cannot say. A table that passes can be served.
    pub fn validate(&self) -> Result<(), TableError> {
        let mut keys = BTreeSet::new();
        let mut roots = BTreeSet::new();
        for route in &self.routes {
            let key = route.key();
            for (what, name) in [
                ("project", &route.project),
                ("environment", &route.environment),
                ("service", &route.service),
            ] {
                if !is_name(name) {
                    let (route, name) = (key, name.clone());
                    return Err(TableError::Name { route, what, name });
                }
            }
            if let Some(name) = route.sticky_header()
                && http::HeaderName::try_from(name).is_err()
            {
                let (route, name) = (key, name.to_owned());
                return Err(TableError::Header { route, name });
            }
            validate_arms(&key, &route.arms)?;
            route.log.validate(route)?;
            validate_mirror(&key, route)?;
            if route.root && !roots.insert(&route.service) {
                return Err(TableError::Root(route.service.clone()));
            }
            if !keys.insert(key.clone()) {
                return Err(TableError::Duplicate(key));
            }
        }
        Ok(())
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(crate::address::is_name_byte) && !RESERVED.contains(&name)
}

fn validate_arms(route: &str, arms: &[Arm]) -> Result<(), TableError> {
    if arms.is_empty() {
        return Err(TableError::NoArm(route.to_owned()));
    }
    let mut versions = BTreeSet::new();
    for arm in arms {
        let (route, version, weight) = (route.to_owned(), arm.version, arm.weight);
        if !(0.0..=1.0).contains(&weight) {
            return Err(TableError::Weight {
                route,
                version,
                weight,
            });
        }
        if !versions.insert(version) {
            return Err(TableError::Version { route, version });
        }
    }
    let sum: f64 = arms.iter().map(|arm| arm.weight).sum();
    if (sum - 1.0).abs() > SUM_TOLERANCE {
        let route = route.to_owned();
        return Err(TableError::Sum { route, sum });
    }
    Ok(())
}

fn validate_mirror(key: &str, route: &Route) -> Result<(), TableError> {
    let Some(Mirror { version, share }) = route.mirror else {
        return Ok(());
    };
    let is_known = route.arms.iter().any(|arm| arm.version == version);
    if is_known && share > 0.0 && share <= 1.0 && route.speaks.is_frames() {
        return Ok(());
    }
    Err(TableError::Mirror {
        route: key.to_owned(),
        version,
        share,
    })
}

/// A validated table with the ways to find a route in it.
#[derive(Debug)]
pub(crate) struct Index {
    /// The table itself.
    pub(crate) table: RoutingTable,
    /// By `project/environment/service`.
    by_base: HashMap<String, usize>,
    /// By the bare name, of routes with `root`.
    by_root: HashMap<String, usize>,
    /// By the service's name, where only one route has it or one of them is at the root.
    by_model: HashMap<String, usize>,
    /// Whether replicas of any route speak HTTP.
    relays: bool,
}

impl Index {
    /// Checks a table and indexes it.
    pub(crate) fn new(table: RoutingTable) -> Result<Self, TableError> {
        table.validate()?;
        let mut index = Self {
            by_base: HashMap::new(),
            by_root: HashMap::new(),
            by_model: HashMap::new(),
            relays: table.routes.iter().any(|r| r.speaks == Speaks::Http),
            table,
        };
        let mut ambiguous = BTreeSet::new();
        for (at, route) in index.table.routes.iter().enumerate() {
            index.by_base.insert(route.key(), at);
            if route.root {
                index.by_root.insert(route.service.clone(), at);
            }
            if index.by_model.insert(route.service.clone(), at).is_some() {
                ambiguous.insert(route.service.clone());
            }
        }
        for name in ambiguous {
            match index.by_root.get(&name) {
                Some(at) => index.by_model.insert(name, *at),
                None => index.by_model.remove(&name),
            };
        }
        Ok(index)
    }

    /// Whether replicas of any route speak HTTP.
    pub(crate) fn has_relays(&self) -> bool {
        self.relays
    }

    /// Whether the replicas of a route speak HTTP.
    pub(crate) fn relays(&self, route: usize) -> bool {
        self.table.routes[route].speaks == Speaks::Http
    }

    /// The route at a base path, without the first slash.
    pub(crate) fn by_base(&self, base: &str) -> Option<usize> {
        self.by_base.get(base).copied()
    }

    /// The only route, or the only one at the root.
    pub(crate) fn only(&self) -> Option<usize> {
        match self.table.routes.len() {
            1 => Some(0),
            _ if self.by_root.len() == 1 => self.by_root.values().next().copied(),
            _ => None,
        }
    }

    /// The route at a bare name.
    pub(crate) fn by_root(&self, service: &str) -> Option<usize> {
        self.by_root.get(service).copied()
    }

    /// The route that an Open Inference Protocol model name at the root means.
    pub(crate) fn by_model(&self, service: &str) -> Option<usize> {
        self.by_model.get(service).copied()
    }
}

#[cfg(test)]
mod tests;
