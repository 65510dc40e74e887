//! An engine of one version that belongs to no route: started for a comparison, asked, and ended with it.
//!
//! It runs as a unit at the lowest priority, with the memory of a replica; where there is no room for it, it does not run.

use super::{
    Fault, Pair,
    asking::{Connection, Gone},
    captured::Request,
};
use crate::engines::Local;
use ::compare::Side;
use platform::{Platform, UnitStatus};
use rollout::Engines as _;
use std::time::{Duration, Instant};
use store::ModelVersion;

/// The kind of these units.
pub(super) const KIND: &str = "comparison";
/// How long an engine may take until it listens, and how long the Python of a model may take to be prepared.
const START_PATIENCE: Duration = Duration::from_secs(60);
const PREPARE_PATIENCE: Duration = Duration::from_secs(900);
/// How often it is looked whether it does.
const LOOK: Duration = Duration::from_millis(20);
/// How often an engine that ended is started again.
const RESTARTS: u32 = 3;
/// How long an engine may take to end.
const GRACE: Duration = Duration::from_secs(2);
/// Weight among units when the processor is short.
const CPU: f64 = 0.05;

/// One version's engine.
pub(super) struct Engine<'a> {
    platform: &'a dyn Platform,
    engines: &'a Local,
    command: &'a [String],
    pair: &'a Pair,
    version: &'a ModelVersion,
    name: String,
    starts: u32,
    /// The unit that was started last, until it is ended.
    unit: Option<String>,
    connection: Option<Connection>,
}

impl<'a> Engine<'a> {
    /// One that is not started yet; `name` is unlike any other's.
    pub(super) fn new(
        (platform, engines, command): (&'a dyn Platform, &'a Local, &'a [String]),
        pair: &'a Pair,
        version: &'a ModelVersion,
        name: String,
    ) -> Self {
        Self {
            platform,
            engines,
            command,
            pair,
            version,
            name,
            starts: 0,
            unit: None,
            connection: None,
        }
    }

    /// Starts it, and waits until it can be asked. `say` is told what is waited for.
    pub(super) async fn start(&mut self, say: &(dyn Fn(String) + Sync)) -> Result<(), Fault> {
        let number = self.version.version;
        let service = &self.pair.service;
        let deadline = Instant::now() + PREPARE_PATIENCE;
        let start = loop {
            match self.engines.start(service, self.version).await {
                Ok(start) => break start,
                Err(why) if self.engines.prepares(self.version) && Instant::now() < deadline => {
                    say(format!("version {number} waits: {why}"));
                    tokio::time::sleep(LOOK).await;
                }
                Err(why) => return Err(Fault::Start(number, why)),
            }
        };
        say(format!("starting version {number}"));
        let id = format!("{}-{}", self.name, self.starts);
        self.starts += 1;
        let mut unit = start.unit(id.clone(), &self.pair.place.project, service, self.command);
        unit.labels.insert("kind".to_owned(), KIND.to_owned());
        unit.argv
            .splice(0..0, ["nice", "-n", "19"].map(str::to_owned));
        unit.limits.cpu = Some(CPU);
        unit.grace = GRACE;
        self.unit = Some(id);
        let status = self.platform.start(unit).await;
        let status = status.map_err(|error| match error {
            platform::Error::NoRoom(what) | platform::Error::TooLarge(what) => Fault::NoRoom(what),
            other => Fault::Platform(other),
        })?;
        let connection = self.connect(&status).await;
        self.connection = Some(connection.map_err(|why| Fault::Start(number, why))?);
        Ok(())
    }

    async fn connect(&self, status: &UnitStatus) -> Result<Connection, String> {
        let socket = status.endpoint.clone().unwrap_or_default();
        let deadline = Instant::now() + START_PATIENCE;
        loop {
            if let Ok(connection) = Connection::open(&socket).await {
                return Ok(connection);
            }
            let now = self.platform.status(&status.id).await;
            if now.is_ok_and(|now| now.state.is_over()) {
                return Err(self.last_words(&status.id).await);
            }
            if Instant::now() > deadline {
                return Err(format!("it does not listen after {START_PATIENCE:?}"));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The end of its output, which says more than we could.
    async fn last_words(&self, id: &str) -> String {
        let log = self.platform.logs(id, 0).await;
        let log = log.map_or_else(|_| Vec::new(), |chunk| chunk.bytes.to_vec());
        let log = String::from_utf8_lossy(&log).into_owned();
        let last = log.lines().rev().find(|line| !line.trim().is_empty());
        let last = last.unwrap_or("it ended and said nothing");
        last.chars().take(500).collect()
    }

    /// Asks a handful of requests. An engine that goes away is started again, a few times.
    pub(super) async fn ask(
        &mut self,
        requests: &[Request],
        say: &(dyn Fn(String) + Sync),
    ) -> Result<Vec<Side>, Fault> {
        if self.connection.is_none() {
            self.start(say).await?;
        }
        let Some(connection) = &mut self.connection else {
            return Err(Fault::Ended(self.version.version));
        };
        let (sides, state) = connection.ask(requests).await;
        if let Err(Gone) = state {
            self.end().await;
            if self.starts > RESTARTS {
                return Err(Fault::Ended(self.version.version));
            }
        }
        Ok(sides)
    }

    /// Ends it, however far it is.
    pub(super) async fn end(&mut self) {
        self.connection = None;
        if let Some(unit) = self.unit.take() {
            end(self.platform, &unit).await;
        }
    }
}

/// Ends a unit and forgets it; what cannot be ended now is found by the next [`sweep`].
async fn end(platform: &dyn Platform, id: &str) {
    let _ = platform.stop(id, Some(GRACE)).await;
    let deadline = Instant::now() + GRACE * 3;
    while Instant::now() < deadline {
        if platform.remove(id).await.is_ok() {
            return;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Ends the engines that an earlier server left.
pub(super) async fn sweep(platform: &dyn Platform) {
    for unit in platform.list().await.unwrap_or_default() {
        if unit.labels.get("kind").is_some_and(|kind| kind == KIND) {
            if unit.state.is_over() {
                let _ = platform.remove(&unit.id).await;
            } else {
                end(platform, &unit.id).await;
            }
        }
    }
}
