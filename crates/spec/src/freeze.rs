//! Whether an environment is frozen, and until when.
//!
//! The roll-out reconciler, people's commands and the plan ask, passing the present in; nothing here reads a clock.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::quantity::Window;
use crate::schedule;

/// When nothing is deployed to a service's environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Freeze {
    /// In the time of `timezone`.
    pub windows: Vec<Window>,
    /// The project's; UTC without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
}

/// A freeze that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frozen {
    /// The window that holds now.
    pub window: Window,
    /// When no window holds any more.
    pub until: Timestamp,
}

impl Freeze {
    /// Windows that follow each other this closely are looked through at the most.
    const MOST: usize = 100;

    /// The freeze that holds at a moment. Windows that overlap or touch are one.
    pub fn at(&self, now: Timestamp) -> Option<Frozen> {
        // A zone was checked when the file was read.
        let zone = schedule::zone(self.timezone.as_deref()).unwrap_or(TimeZone::UTC);
        let mut local = now.to_zoned(zone.clone()).datetime();
        let mut holds = None;
        for _ in 0..Self::MOST {
            let ends = self
                .windows
                .iter()
                .filter_map(|window| Some((window.end(local)?, *window)));
            let Some((end, window)) = ends.max_by_key(|(end, _)| *end) else {
                break;
            };
            holds.get_or_insert(window);
            local = end;
        }
        let until = zone.to_ambiguous_timestamp(local).compatible();
        Some(Frozen {
            window: holds?,
            until: until.unwrap_or(Timestamp::MAX),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(windows: &[&str], zone: Option<&str>, now: &str, expect: Option<&str>) {
        let freeze = Freeze {
            windows: windows.iter().map(|text| text.parse().unwrap()).collect(),
            timezone: zone.map(str::to_owned),
        };
        let got = freeze.at(now.parse().unwrap());
        let got = got.map(|frozen| frozen.until.to_string());
        assert_eq!(got.as_deref(), expect, "{windows:?} {zone:?} {now}");
    }

    #[test]
    fn every_week() {
        let weekend = &["Fri 16:00 - Mon 08:00"];
        // 2026-11-27 is a Friday.
        let monday = Some("2026-11-30T08:00:00Z");
        check(weekend, None, "2026-11-27T15:59:59Z", None);
        check(weekend, None, "2026-11-27T16:00:00Z", monday);
        check(weekend, None, "2026-11-29T03:00:00Z", monday);
        check(weekend, None, "2026-11-30T07:59:59Z", monday);
        check(weekend, None, "2026-11-30T08:00:00Z", None);
        let berlin = Some("Europe/Berlin");
        check(weekend, berlin, "2026-11-27T14:59:59Z", None);
        check(
            weekend,
            berlin,
            "2026-11-27T15:00:00Z",
            Some("2026-11-30T07:00:00Z"),
        );
        let night = &["Tue 22:00 - Tue 06:00"];
        check(night, None, "2026-11-24T07:00:00Z", None);
        check(
            night,
            None,
            "2026-11-30T23:00:00Z",
            Some("2026-12-01T06:00:00Z"),
        );
        // Summer time begins within it.
        check(
            weekend,
            berlin,
            "2026-03-28T12:00:00Z",
            Some("2026-03-30T06:00:00Z"),
        );
    }

    #[test]
    fn once_and_together() {
        let days = &["2026-12-19 - 2027-01-03"];
        check(days, None, "2026-12-18T23:59:59Z", None);
        check(
            days,
            None,
            "2026-12-19T00:00:00Z",
            Some("2027-01-04T00:00:00Z"),
        );
        check(days, None, "2027-01-04T00:00:00Z", None);
        let hours = &["2026-12-19 12:00 - 2026-12-19 13:30"];
        check(
            hours,
            None,
            "2026-12-19T13:00:00Z",
            Some("2026-12-19T13:30:00Z"),
        );
        check(hours, None, "2026-12-19T13:30:00Z", None);
        let both = &["Fri 16:00 - Mon 08:00", "2026-11-30 - 2026-12-01"];
        check(
            both,
            None,
            "2026-11-28T00:00:00Z",
            Some("2026-12-02T00:00:00Z"),
        );
        check(&[], None, "2026-11-28T00:00:00Z", None);
        // Without an end: every moment of the week.
        let always = &["Mon 00:00 - Thu 00:00", "Thu 00:00 - Mon 00:00"];
        let freeze = Freeze {
            windows: always.iter().map(|text| text.parse().unwrap()).collect(),
            timezone: None,
        };
        assert!(freeze.at("2026-11-28T00:00:00Z".parse().unwrap()).is_some());
    }

    #[test]
    fn windows_are_written_in_one_way() {
        for text in [
            "Fri 16:00 - Mon 08:00",
            "2026-12-19 - 2027-01-03",
            "2026-12-19 08:00 - 2027-01-03",
        ] {
            assert_eq!(text.parse::<Window>().unwrap().to_string(), text);
        }
        for text in [
            "now",
            "fri 16:00 - mon 08:00",
            "Fri 16:00",
            "Fri 16:00 - 2026-12-19",
            "Fri 24:00 - Mon 08:00",
            "Fri 6:00 - Mon 08:00",
            "Fri 16:00 - Fri 16:00",
            "2026-02-30 - 2026-03-01",
            "2027-01-03 - 2026-12-19",
            "2026-12-19 08:00 - 2026-12-19 08:00",
        ] {
            assert!(text.parse::<Window>().is_err(), "{text}");
        }
    }
}
