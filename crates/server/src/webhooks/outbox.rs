//! Writing down what is to be told, in the transaction of the change.

use jiff::{Timestamp, tz::TimeZone};
use mlflow::webhooks::News;
use store::{Delivery, Outbox as _, Tx, Webhooks as _};

/// So many may wait for one webhook; what comes after is left out, so that a receiver that is gone fills no disk.
const MOST: u64 = 10_000;

/// Tells every webhook of the project that wants to hear of it.
pub(crate) fn tell(
    tx: &mut Tx<'_>,
    project: &str,
    now: Timestamp,
    news: &News,
) -> store::Result<()> {
    for webhook in tx.listeners(project, &news.event.name())? {
        let id = uuid::Uuid::now_v7().to_string();
        let delivery = Delivery::new(id, webhook.id, body(news, now), now);
        if !tx.enqueue(&delivery, MOST)? {
            let webhook = delivery.webhook;
            tracing::warn!(
                webhook,
                "a webhook has too much waiting already: it is not told of this"
            );
        }
    }
    Ok(())
}

/// What is sent of something that happened at that time.
pub(crate) fn body(news: &News, at: Timestamp) -> String {
    news.body(&dated(at))
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
