//! [`Alarms`] in SQL.

use super::filter::Filter;
use super::{Tx, params, record::record};
use crate::alarms::{Alarm, AlarmFilter, Alarms, MonitorState};
use crate::error::Result;

record!(Alarm in "alarms", key(id), project, environment, service, monitor, raised_at, cleared_at, evidence, run_id);
record!(MonitorState in "monitor_states", key(project, environment, service, monitor), state, updated_at);

impl Alarms for Tx<'_> {
    fn put_alarm(&mut self, alarm: &Alarm) -> Result<()> {
        self.upsert(alarm)
    }

    fn alarm(&mut self, id: &str) -> Result<Option<Alarm>> {
        self.get(params![id])
    }

    fn alarms(&mut self, filter: &AlarmFilter) -> Result<Vec<Alarm>> {
        let mut wanted = Filter::default();
        wanted
            .some("\"project\" = ?", filter.project.as_ref())
            .some("\"environment\" = ?", filter.environment.as_ref())
            .some("\"service\" = ?", filter.service.as_ref())
            .some("\"monitor\" = ?", filter.monitor.as_ref());
        if filter.raised {
            wanted.plain("\"cleared_at\" IS NULL");
        }
        let (rest, values) = wanted.finish("\"id\" DESC", filter.limit, 100);
        self.select(&rest, &values)
    }

    fn monitor_state(
        &mut self,
        project: &str,
        environment: &str,
        service: &str,
        monitor: &str,
    ) -> Result<Option<MonitorState>> {
        self.get(params![project, environment, service, monitor])
    }

    fn monitor_states(&mut self, project: &str) -> Result<Vec<MonitorState>> {
        self.select(
            "WHERE \"project\" = ?1 ORDER BY \"environment\", \"service\", \"monitor\"",
            params![project],
        )
    }

    fn put_monitor_state(&mut self, state: &MonitorState) -> Result<()> {
        self.upsert(state)
    }
}
