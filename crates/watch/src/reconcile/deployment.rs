//! A deployment's turn: read what is new, look, store what came of it.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value as Json, json};
use store::{
    Alarm, AlarmFilter, Alarms as _, Datasets as _, Deployment, Events as _, JoinLog as _, Loss,
    LossFilter, Models as _, MonitorState, NewEvent, Priority, Runs as _, Tx,
};

use super::look::{Found, look};
use super::{Watcher, clear, route};
use crate::alarm::{MONITOR, cleared, evidence};
use crate::drift::{Report, traffic};
use crate::error::Error;
use crate::log::Place;
use crate::memory::Memory;
use crate::settings::Settings;

/// Losses of one look.
const LOSSES: u32 = 5_000;
/// Requests that drift is measured on.
const REQUESTS: usize = 20_000;
/// Drift is measured at every alarm and this often between.
const DRIFT: SignedDuration = SignedDuration::from_mins(1);
/// The name under which the last drift report is kept.
const DRIFT_MONITOR: &str = "drift";

/// What is read for a look.
struct News {
    memory: Memory,
    losses: Vec<Loss>,
    gates: Vec<(u32, Json)>,
}

impl Watcher {
    pub(super) async fn look(
        &mut self,
        deployment: &Deployment,
        settings: &Settings,
    ) -> Result<(), Error> {
        let route = route(deployment);
        loop {
            let (of, alarmed, known) = (
                deployment.clone(),
                settings.alarm.is_some(),
                self.memories.get(&route).cloned(),
            );
            let news = self
                .parts
                .store
                .read(move |tx| news(tx, &of, alarmed, known))
                .await?;
            let more = news.losses.len() == LOSSES as usize;
            let before = news.memory.clone();
            let found = look(news.memory, deployment, settings, &news.losses, &news.gates);
            let memory = found.memory.clone();
            if memory == before || self.keep(deployment, settings, before.seq, found).await? {
                self.memories.insert(route.clone(), memory);
            } else {
                self.memories.remove(&route);
            }
            if !more {
                return self.drift_between(deployment, settings).await;
            }
        }
    }

    /// Stores a look with its alarm; false when somebody else has looked in the meantime.
    async fn keep(
        &self,
        deployment: &Deployment,
        settings: &Settings,
        seq: u64,
        found: Found,
    ) -> Result<bool, Error> {
        let now = (self.parts.now)();
        let raised = match (&found.raised, &settings.alarm) {
            (Some(rise), Some(alarm)) => {
                let drift = self.drift(deployment).await;
                Some(new_alarm(
                    deployment,
                    now,
                    evidence(deployment, alarm, rise, drift.as_ref()),
                ))
            }
            _ => None,
        };
        let name = settings.alarm.as_ref().map_or("", |alarm| &alarm.name);
        let over = found.cleared.map(|why| cleared(name, why));
        let up = found.memory.monitor.raised;
        let state = Arc::new(record(deployment, MONITOR, to_json(&found.memory)?, now));
        let priority = if raised.is_some() || over.is_some() {
            Priority::Normal
        } else {
            Priority::Bulk
        };
        let write = self.parts.store.write(priority, move |tx| {
            if stored(tx, &state.project, &state.environment, &state.service)?.seq != seq {
                return Ok(false);
            }
            tx.put_monitor_state(&state)?;
            if raised.is_some() || !up {
                let why = over
                    .as_deref()
                    .unwrap_or("what it is judged by has changed");
                for alarm in open(tx, &state)? {
                    clear(tx, &alarm, why, now)?;
                }
            }
            if let Some(alarm) = &raised {
                raise(tx, alarm)?;
            }
            Ok(true)
        });
        Ok(write.await?)
    }

    /// Measures drift once in a while, for those who look before there is an alarm.
    async fn drift_between(
        &mut self,
        deployment: &Deployment,
        settings: &Settings,
    ) -> Result<(), Error> {
        let now = (self.parts.now)();
        let last = self
            .drifted
            .get(&route(deployment))
            .copied()
            .unwrap_or(Timestamp::MIN);
        if !settings.drift || now.duration_since(last).abs() < DRIFT {
            return Ok(());
        }
        self.drifted.insert(route(deployment), now);
        let Some(report) = self.drift(deployment).await else {
            return Ok(());
        };
        let state = record(deployment, DRIFT_MONITOR, to_json(&report)?, now);
        Ok(self
            .parts
            .store
            .write(Priority::Bulk, move |tx| tx.put_monitor_state(&state))
            .await?)
    }

    /// How recent requests differ from what the serving version was trained on; none when either is not to be had.
    /// An explanation that fails holds nothing up.
    async fn drift(&self, deployment: &Deployment) -> Option<Report> {
        let of = deployment.clone();
        let profile = self
            .parts
            .store
            .read(move |tx| profile(tx, &of))
            .await
            .ok()
            .flatten()
            .map(|profile| without_redacted(profile, deployment))?;
        let folder = self.parts.traffic.join("log");
        let place = Place {
            project: deployment.project.clone(),
            environment: deployment.environment.clone(),
            service: deployment.service.clone(),
        };
        let report = tokio::task::spawn_blocking(move || {
            traffic::recent(&folder, &place, REQUESTS).map(|rows| Report::of(&profile, &rows))
        });
        match report.await {
            Ok(Ok(report)) => Some(report).filter(|report| report.rows > 0),
            Ok(Err(error)) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(
                    error,
                    "drift cannot be measured: the traffic log cannot be read"
                );
                None
            }
            Err(_) => None,
        }
    }
}

/// What the traffic log leaves out of the service's requests has not become rare in them.
fn without_redacted(mut profile: Json, deployment: &Deployment) -> Json {
    let redacted = deployment.shape["log"]["redact"].as_array();
    if let Some(columns) = profile["columns"].as_object_mut() {
        for name in redacted.into_iter().flatten().filter_map(Json::as_str) {
            columns.remove(name);
        }
    }
    profile
}

fn news(
    tx: &mut Tx<'_>,
    deployment: &Deployment,
    alarmed: bool,
    known: Option<Memory>,
) -> store::Result<News> {
    let memory = match known {
        Some(memory) => memory,
        None => stored(
            tx,
            &deployment.project,
            &deployment.environment,
            &deployment.service,
        )?,
    };
    let filter = LossFilter {
        after: memory.seq,
        limit: LOSSES,
        ..LossFilter::default()
    };
    let losses = tx.losses(&route(deployment), &filter)?;
    let mut gates = Vec::new();
    if alarmed && memory.monitor.version != deployment.version {
        for version in memory.monitor.version.into_iter().chain(deployment.version) {
            if let Some(record) = tx.version(&deployment.project, &deployment.model, version)? {
                gates.push((version, record.gate));
            }
        }
    }
    Ok(News {
        memory,
        losses,
        gates,
    })
}

fn stored(
    tx: &mut Tx<'_>,
    project: &str,
    environment: &str,
    service: &str,
) -> store::Result<Memory> {
    let Some(record) = tx.monitor_state(project, environment, service, MONITOR)? else {
        return Ok(Memory::default());
    };
    let corrupt = |error| {
        store::Error::Corrupt(format!(
            "the monitor of {project}/{environment}/{service}: {error}"
        ))
    };
    Memory::read(&record.state).map_err(corrupt)
}

/// The profile of the data that the version's run read; the largest when it read several.
fn profile(tx: &mut Tx<'_>, deployment: &Deployment) -> store::Result<Option<Json>> {
    let Some(version) = deployment.version else {
        return Ok(None);
    };
    let Some(record) = tx.version(&deployment.project, &deployment.model, version)? else {
        return Ok(None);
    };
    let Some(run) = record.run_id.map(|id| tx.run(&id)).transpose()?.flatten() else {
        return Ok(None);
    };
    let mut largest: Option<Json> = None;
    for (dataset, digest) in &run.datasets {
        let Some(found) = tx.dataset(&deployment.project, dataset, digest)? else {
            continue;
        };
        let columns = |profile: &Json| {
            profile["columns"]
                .as_object()
                .map_or(0, serde_json::Map::len)
        };
        if largest
            .as_ref()
            .is_none_or(|known| columns(&found.profile) > columns(known))
        {
            largest = Some(found.profile);
        }
    }
    Ok(largest)
}

fn open(tx: &mut Tx<'_>, state: &MonitorState) -> store::Result<Vec<Alarm>> {
    tx.alarms(&AlarmFilter {
        project: Some(state.project.clone()),
        environment: Some(state.environment.clone()),
        service: Some(state.service.clone()),
        monitor: Some(MONITOR.to_owned()),
        raised: true,
        limit: 100,
    })
}

fn raise(tx: &mut Tx<'_>, alarm: &Alarm) -> store::Result<()> {
    tx.put_alarm(alarm)?;
    tx.append_event(&NewEvent {
        project: Some(alarm.project.clone()),
        at: alarm.raised_at,
        actor: "watch".to_owned(),
        kind: "alarm.raised".to_owned(),
        subject: format!("service/{}/{}", alarm.service, alarm.environment),
        reason: alarm.evidence["sentence"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
        before: None,
        after: Some(json!({ "alarm": alarm.id, "evidence": alarm.evidence })),
    })?;
    Ok(())
}

fn new_alarm(deployment: &Deployment, now: Timestamp, evidence: Json) -> Alarm {
    let (seconds, nanos) = (
        u64::try_from(now.as_second()).unwrap_or(0),
        now.subsec_nanosecond().unsigned_abs(),
    );
    let id = uuid::Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanos));
    Alarm {
        id: id.to_string(),
        project: deployment.project.clone(),
        environment: deployment.environment.clone(),
        service: deployment.service.clone(),
        monitor: MONITOR.to_owned(),
        raised_at: now,
        cleared_at: None,
        evidence,
        run_id: None,
    }
}

fn record(deployment: &Deployment, monitor: &str, state: Json, now: Timestamp) -> MonitorState {
    MonitorState {
        project: deployment.project.clone(),
        environment: deployment.environment.clone(),
        service: deployment.service.clone(),
        monitor: monitor.to_owned(),
        state,
        updated_at: now,
    }
}

fn to_json(value: &impl serde::Serialize) -> Result<Json, Error> {
    serde_json::to_value(value)
        .map_err(|error| Error::Store(store::Error::Invalid(error.to_string())))
}
