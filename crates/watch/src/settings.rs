//! What the project file asks to be watched of a deployment, in the watcher's terms.
//!
//! Read from the shape that is stored with the deployment, so that what is watched is what was applied. Pure.

use jiff::SignedDuration;
use serde_json::Value as Json;
use spec::{LiveMetric, Measure, Monitor};

use crate::monitor::Config;

/// Harm under this share of the reference is no news (docs/monitors.md).
const TOLERANCE: f64 = 0.05;

/// What is watched of a deployment.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// How long after the answer a label still counts.
    pub within: SignedDuration,
    /// The alarm on live error, when there is one.
    pub alarm: Option<Alarm>,
    /// Whether drift against the training data is wanted between alarms too.
    pub drift: bool,
}

/// An alarm on live error.
#[derive(Debug, Clone, PartialEq)]
pub struct Alarm {
    /// As the file writes it: `live.mae`.
    pub name: String,
    /// The figure.
    pub metric: LiveMetric,
    /// As the file writes it: `1 per 90d`.
    pub budget: String,
    /// How it is judged.
    pub config: Config,
}

impl Settings {
    /// From the shape of a deployment; none when its service has no labels to watch.
    #[must_use]
    pub fn of(shape: &Json) -> Option<Self> {
        let monitor: Monitor = match serde_json::from_value(shape.get("monitor")?.clone()) {
            Ok(monitor) => monitor,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(
                    error,
                    "a deployment's monitor cannot be read; apply the project file again"
                );
                return None;
            }
        };
        let within = SignedDuration::try_from(monitor.labels.as_ref()?.within.get())
            .unwrap_or(SignedDuration::MAX);
        let drift = monitor.drift.is_some();
        Some(Self {
            within,
            alarm: monitor.alarm.as_ref().and_then(Alarm::of),
            drift,
        })
    }
}

impl Alarm {
    fn of(alarm: &spec::Alarm) -> Option<Self> {
        let Measure::Live(metric) = alarm.on else {
            return None;
        };
        let budget = alarm.false_alarms.per.get() / alarm.false_alarms.count;
        Some(Self {
            name: alarm.on.to_string(),
            metric,
            budget: alarm.false_alarms.to_string(),
            config: Config::new(metric, budget, TOLERANCE),
        })
    }
}

/// The mean loss of version `version` divided by that of `other`, from the gate's record of one of them
/// (`{"champion": N, "figures": {"champion": {metric: x}, "<step>": {metric: y}}}`): both measured on the same rows.
pub(crate) fn gate_ratio(
    metric: LiveMetric,
    gates: &[(u32, Json)],
    version: u32,
    other: u32,
) -> Option<f64> {
    let of = |candidate: u32, champion: u32| -> Option<f64> {
        let (_, gate) = gates.iter().find(|(version, _)| *version == candidate)?;
        if gate["champion"].as_u64() != Some(u64::from(champion)) {
            return None;
        }
        let name = metric.to_string();
        let figures = gate["figures"].as_object()?;
        let champions = figures.get("champion")?[&name].as_f64()?;
        let own = figures
            .iter()
            .filter(|(step, _)| *step != "champion")
            .find_map(|(_, step)| step[&name].as_f64())?;
        (champions > 0.0 && own > 0.0).then(|| own / champions)
    };
    of(version, other).or_else(|| of(other, version).map(|ratio| 1.0 / ratio))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_shape_says_what_is_watched() {
        let shape = |alarm: Json| json!({ "model": "delay", "monitor": { "labels": { "join": "request_id", "within": "30d", "time": "flown_at" }, "alarm": alarm, "drift": { "reference": "training" } } });
        let settings = Settings::of(&shape(
            json!({ "on": "live.mae", "false_alarms": "2 per 365d" }),
        ))
        .unwrap();
        assert_eq!(
            (settings.within, settings.drift),
            (SignedDuration::from_hours(720), true)
        );
        let alarm = settings.alarm.unwrap();
        assert_eq!(
            (alarm.name.as_str(), alarm.metric, alarm.budget.as_str()),
            ("live.mae", LiveMetric::Mae, "2 per 365d")
        );
        assert_eq!(alarm.config.budget, Duration::from_secs(365 * 43_200));
        assert_eq!(Settings::of(&json!({ "model": "delay" })), None);
        assert_eq!(Settings::of(&json!({ "monitor": {} })), None);
        assert_eq!(Settings::of(&json!({ "monitor": { "labels": 3 } })), None);
    }

    #[test]
    fn the_gate_says_how_two_versions_compare() {
        let gate = json!({ "expression": "…", "champion": 1, "figures": { "fit": { "cv_mae": 9.0 }, "evaluate": { "mae": 9.0, "rows": 5.0 }, "champion": { "mae": 12.0 } } });
        let gates = [
            (1, Json::Null),
            (2, gate),
            (
                3,
                json!({ "champion": 2, "figures": { "evaluate": { "mae": 1.0 } } }),
            ),
        ];
        let check = |version, other, expected| {
            assert_eq!(
                gate_ratio(LiveMetric::Mae, &gates, version, other),
                expected
            );
        };
        check(2, 1, Some(0.75));
        check(1, 2, Some(1.0 / 0.75));
        check(3, 1, None);
        check(3, 2, None);
        assert_eq!(gate_ratio(LiveMetric::Mse, &gates, 2, 1), None);
    }
}
