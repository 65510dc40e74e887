//! One look at what is new of a deployment: a pure step from memory and losses to memory and change.

use serde_json::Value as Json;
use store::{Deployment, Loss};

use crate::memory::Memory;
use crate::monitor::{Change, Cleared, Rise, Sample};
use crate::settings::{Settings, gate_ratio};

/// What a look found out.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Found {
    /// What to remember.
    pub(super) memory: Memory,
    /// The alarm that went up and still is.
    pub(super) raised: Option<Rise>,
    /// Why an alarm that was up before is over.
    pub(super) cleared: Option<Cleared>,
}

/// Takes new losses in. `gates` are the gates' records of the versions concerned.
pub(super) fn look(
    mut memory: Memory,
    deployment: &Deployment,
    settings: &Settings,
    losses: &[Loss],
    gates: &[(u32, Json)],
) -> Found {
    let was_raised = memory.monitor.raised;
    let mut changes = Vec::new();
    for loss in losses {
        memory.seq = memory.seq.max(loss.seq);
        memory
            .live
            .entry(loss.version)
            .or_default()
            .add(loss.prediction, loss.label);
    }
    if let Some(alarm) = &settings.alarm {
        memory.configure(alarm);
        if let Some(version) = deployment.version {
            let ratio = |other| gate_ratio(alarm.metric, gates, version, other);
            changes.extend(memory.monitor.deployed(version, ratio));
        }
        let samples: Vec<Sample> = losses
            .iter()
            .map(|loss| Sample {
                event_at: loss.event_at,
                version: loss.version,
                prediction: loss.prediction,
                label: loss.label,
            })
            .collect();
        changes.extend(memory.monitor.observe(&samples, &alarm.config));
    }
    let (mut raised, mut cleared) = (None, None);
    for change in changes {
        match change {
            Change::Raised(rise) => raised = Some(rise),
            // One that went up and down within a look is over before anybody saw it.
            Change::Cleared(why) if raised.take().is_none() => cleared = Some(why),
            Change::Cleared(_) => {}
        }
    }
    Found {
        memory,
        raised,
        cleared: cleared.filter(|_| was_raised),
    }
}
