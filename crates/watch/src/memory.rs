//! What the watcher remembers of a deployment between two turns, as it is stored.
//!
//! Written by the reconciler in the transaction that takes the losses in; read by whoever shows a service's state.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::alarm::{short, span};
use crate::live::Errors;
use crate::monitor::MonitorState;
use crate::settings::Alarm;

/// A deployment's figures and its monitor.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// The last loss that was taken in.
    pub seq: u64,
    /// What was watched and by which budget, to notice that the file changed.
    watched: Option<(String, String)>,
    /// Figures by version since it first answered.
    pub live: BTreeMap<u32, Errors>,
    /// The monitor of live error.
    pub monitor: MonitorState,
}

impl Memory {
    /// From the store; a memory that cannot be read is an error, never a fresh start.
    pub fn read(state: &Json) -> serde_json::Result<Self> {
        serde_json::from_value(state.clone())
    }

    /// Says what is watched now; when the figure or its budget has changed, the monitor begins anew or is calibrated
    /// anew.
    pub(crate) fn configure(&mut self, alarm: &Alarm) {
        let now = (alarm.name.clone(), alarm.budget.clone());
        match self.watched.replace(now) {
            Some((name, _)) if name != alarm.name => self.monitor = MonitorState::default(),
            Some((_, budget)) if budget != alarm.budget => self.monitor.recalibrate(),
            _ => {}
        }
    }

    /// The monitor's state in a few words.
    #[must_use]
    pub fn line(&self, alarm: &Alarm) -> String {
        let monitor = &self.monitor;
        let known = monitor.reference.len();
        let Some(reference) = monitor.reference_figure() else {
            return format!("{}: no labelled answers of a whole day yet", alarm.name);
        };
        let Some(threshold) = monitor.threshold else {
            return format!(
                "{}: learning, {known} of {}",
                alarm.name,
                span(alarm.config.warm_up, alarm)
            );
        };
        let state = if monitor.raised { "alarm" } else { "quiet" };
        format!(
            "{}: {state}, reference {} over {}, {:.0}% of the threshold",
            alarm.name,
            short(reference),
            span(known, alarm),
            100.0 * monitor.statistic / threshold,
        )
    }
}
