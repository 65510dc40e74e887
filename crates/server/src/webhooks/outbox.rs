//! What is told of what happened: from MLflow's news to the store's outbox, and from there to the bodies of deliveries.

use jiff::{Timestamp, tz::TimeZone};
use mlflow::webhooks::{self, News};
use serde_json::Value;
use store::{Happening, Outbox as _, Tx};

/// Tells every webhook of the project that wants to hear of it.
pub(crate) fn tell(
    tx: &mut Tx<'_>,
    project: &str,
    now: Timestamp,
    news: &News,
) -> store::Result<()> {
    tx.tell(&Happening {
        project: project.to_owned(),
        event: news.event.name(),
        data: news.data.clone(),
        at: now,
    })
}

/// What is sent of something that happened at that time.
pub(crate) fn body(event: &str, data: &Value, at: Timestamp) -> String {
    webhooks::body(event, data, &dated(at))
}

/// As MLflow writes times in payloads.
fn dated(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC)
        .strftime("%Y-%m-%dT%H:%M:%S%.6f+00:00")
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_in_payloads() {
        let at: Timestamp = "2026-01-02T03:04:05.678Z".parse().unwrap();
        assert_eq!(dated(at), "2026-01-02T03:04:05.678000+00:00");
    }
}
