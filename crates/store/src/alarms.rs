//! Alarms and the memory of the monitors that raise them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::error::Result;

/// An alarm of a monitor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alarm {
    /// UUIDv7.
    pub id: String,
    /// The project.
    pub project: String,
    /// The environment.
    pub environment: String,
    /// The service.
    pub service: String,
    /// The monitor (`alarm`, `drift`).
    pub monitor: String,
    /// When it fired.
    pub raised_at: Timestamp,
    /// When it was over.
    pub cleared_at: Option<Timestamp>,
    /// The numbers that it fired on.
    pub evidence: Json,
    /// The run that it started.
    pub run_id: Option<String>,
}

/// What a monitor remembers between two looks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MonitorState {
    /// The project.
    pub project: String,
    /// The environment.
    pub environment: String,
    /// The service.
    pub service: String,
    /// The monitor.
    pub monitor: String,
    /// Its memory.
    pub state: Json,
    /// When it last looked.
    pub updated_at: Timestamp,
}

/// Which alarms to list.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AlarmFilter {
    /// Of this project only.
    pub project: Option<String>,
    /// Of this environment only.
    pub environment: Option<String>,
    /// Of this service only.
    pub service: Option<String>,
    /// Of this monitor only.
    pub monitor: Option<String>,
    /// Only those that are not over.
    pub raised: bool,
    /// At most so many; 0 means 100.
    pub limit: u32,
}

/// Alarms and monitors.
pub trait Alarms {
    /// Creates the alarm, or replaces all of it.
    fn put_alarm(&mut self, alarm: &Alarm) -> Result<()>;
    /// One alarm.
    fn alarm(&mut self, id: &str) -> Result<Option<Alarm>>;
    /// The alarms that match, newest first.
    fn alarms(&mut self, filter: &AlarmFilter) -> Result<Vec<Alarm>>;
    /// What the monitor remembers.
    fn monitor_state(
        &mut self,
        project: &str,
        environment: &str,
        service: &str,
        monitor: &str,
    ) -> Result<Option<MonitorState>>;
    /// What all monitors of a project remember.
    fn monitor_states(&mut self, project: &str) -> Result<Vec<MonitorState>>;
    /// Replaces the monitor's memory.
    fn put_monitor_state(&mut self, state: &MonitorState) -> Result<()>;
}
