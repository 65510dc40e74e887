//! How a replica of a version is started: what the reconciler must be told by those who know engines, toolchains and
//! stored models.

use platform::Input;
use spec::Service;
use std::{collections::BTreeMap, pin::Pin};
use store::ModelVersion;

/// What a replica is started with, beside what every replica has.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Start {
    /// Arguments of the engine, behind its socket.
    pub arguments: Vec<String>,
    /// The model, and whatever else must be there.
    pub inputs: Vec<Input>,
    /// Variables of its environment; `PATH` takes the place of the usual one.
    pub env: BTreeMap<String, String>,
    /// Labels of its unit.
    pub labels: BTreeMap<String, String>,
}

/// A start that is being looked up; an error is for people.
pub type Starting<'a> = Pin<Box<dyn Future<Output = Result<Start, String>> + Send + 'a>>;

/// Knows how replicas are started.
pub trait Engines: Send + Sync {
    /// What a replica of this version of this service is started with. An error says, for people, what is not there yet
    /// or cannot be; it is asked again in the next pass, so it must not wait for anything that takes long.
    fn start<'a>(&'a self, service: &'a Service, version: &'a ModelVersion) -> Starting<'a>;
}
