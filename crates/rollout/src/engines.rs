//! How a replica of a version is started: what the reconciler must be told by those who know engines, toolchains and
//! stored models.

use platform::{HOME, Input, LogLimits, TEMPORARY, UNIT_DIR, UnitSpec};
use spec::Service;
use std::{collections::BTreeMap, path::PathBuf, pin::Pin, time::Duration};
use store::ModelVersion;

/// Name of a replica's socket in its folder.
const SOCKET: &str = "engine.sock";

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

impl Start {
    /// The unit of a replica of a service, whose engine is begun by `engine`; what else its labels say is added by
    /// whoever starts it.
    #[must_use]
    pub fn unit(self, id: String, project: &str, service: &Service, engine: &[String]) -> UnitSpec {
        let mut argv = engine.to_vec();
        argv.extend(["--socket".to_owned(), format!("{UNIT_DIR}/{SOCKET}")]);
        argv.extend(self.arguments);
        let mut unit = UnitSpec::new(id, project, argv);
        unit.labels = self.labels;
        unit.env = BTreeMap::from([
            ("LANG".to_owned(), "C.UTF-8".to_owned()),
            ("PATH".to_owned(), "/usr/bin:/bin".to_owned()),
            ("HOME".to_owned(), format!("{UNIT_DIR}/{HOME}")),
            ("TMPDIR".to_owned(), format!("{UNIT_DIR}/{TEMPORARY}")),
        ]);
        unit.env.extend(self.env);
        unit.inputs = self.inputs;
        unit.endpoint = Some(PathBuf::from(SOCKET));
        unit.limits.cpu = Some(service.resources.cpu.get());
        unit.limits.cpu_enforced = false;
        unit.limits.memory = Some(service.resources.memory.bytes());
        unit.limits.gpu = service.resources.gpu;
        unit.limits.pids = Some(512);
        unit.log = LogLimits {
            max_bytes: 4 << 20,
            keep: 1,
        };
        unit.grace = Duration::from_secs(10);
        unit
    }
}

/// A start that is being looked up; an error is for people.
pub type Starting<'a> = Pin<Box<dyn Future<Output = Result<Start, String>> + Send + 'a>>;

/// Knows how replicas are started.
pub trait Engines: Send + Sync {
    /// What a replica of this version of this service is started with. An error says, for people, what is not there yet
    /// or cannot be; it is asked again in the next pass, so it must not wait for anything that takes long.
    fn start<'a>(&'a self, service: &'a Service, version: &'a ModelVersion) -> Starting<'a>;
}
