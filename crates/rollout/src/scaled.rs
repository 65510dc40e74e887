//! The journal of replica counts: the reconciler writes each change with its reason, and whoever shows a project reads
//! the newest ones.

use crate::record::{RECONCILER, subject};
use crate::scale::Wanted;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;
use spec::Service;
use std::collections::BTreeMap;
use store::{Deployment, Event, EventFilter, Events as _, NewEvent, Result, Tx};

const KIND: &str = "replicas.changed";
/// Events that are looked back upon for one service.
const HISTORY: u32 = 50;

/// How many replicas a version should have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Scaled {
    /// Where.
    pub environment: String,
    /// Of which service.
    pub service: String,
    /// Of which version.
    pub version: u32,
    /// How many.
    pub replicas: u32,
    /// Since when.
    pub since: Timestamp,
    /// Why.
    pub reason: String,
}

/// Records that a version should have another number of replicas.
pub(crate) fn write(
    tx: &mut Tx<'_>,
    deployment: &Deployment,
    version: u32,
    before: u32,
    wanted: &Wanted,
    now: Timestamp,
) -> Result<()> {
    let count = |replicas: u32| Some(json!({ "version": version, "replicas": replicas }));
    tx.append_event(&NewEvent {
        project: Some(deployment.project.clone()),
        at: now,
        actor: RECONCILER.to_owned(),
        kind: KIND.to_owned(),
        subject: subject(&deployment.service, &deployment.environment),
        reason: wanted.why.clone(),
        before: count(before),
        after: count(wanted.replicas),
    })?;
    Ok(())
}

/// How many replicas the versions of a service should have that serve, or are rolled out or kept (`versions`), as far as
/// that follows its requests.
///
/// # Errors
/// When the store cannot be read.
pub fn read(tx: &mut Tx<'_>, deployment: &Deployment, versions: &[u32]) -> Result<Vec<Scaled>> {
    if !follows(deployment) {
        return Ok(Vec::new());
    }
    let subject = subject(&deployment.service, &deployment.environment);
    let events = tx.events(&EventFilter {
        project: Some(deployment.project.clone()),
        kind: Some(KIND.to_owned()),
        subject_prefix: Some(subject.clone()),
        limit: HISTORY,
        ..EventFilter::default()
    })?;
    let mut newest = BTreeMap::new();
    for event in events.iter().filter(|event| event.subject == subject) {
        if let Some(scaled) = scaled(deployment, event)
            && versions.contains(&scaled.version)
        {
            newest.entry(scaled.version).or_insert(scaled);
        }
    }
    Ok(newest.into_values().collect())
}

fn follows(deployment: &Deployment) -> bool {
    let service: Option<Service> = serde_json::from_value(deployment.shape.clone()).ok();
    service.is_some_and(|service| service.scale.follows())
}

fn scaled(deployment: &Deployment, event: &Event) -> Option<Scaled> {
    let after = event.after.as_ref()?;
    let number = |name: &str| u32::try_from(after[name].as_u64()?).ok();
    Some(Scaled {
        environment: deployment.environment.clone(),
        service: deployment.service.clone(),
        version: number("version")?,
        replicas: number("replicas")?,
        since: event.at,
        reason: event.reason.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{booked, deployment, store_with_model};
    use store::Priority;

    #[tokio::test]
    async fn the_newest_of_each_version_is_shown() {
        let (store, _state, _dir) = store_with_model().await;
        let wrote = store.write(Priority::Normal, |tx| {
            let here = deployment(Some(2), Some(1));
            let elsewhere = Deployment {
                environment: "prod2".into(),
                ..here.clone()
            };
            let steps = [(&here, 1, 4), (&here, 2, 3), (&here, 2, 5), (&here, 3, 6)];
            for (second, (place, version, replicas)) in
                (0..).zip(steps.into_iter().chain([(&elsewhere, 2, 7)]))
            {
                let wanted = Wanted {
                    replicas,
                    why: format!("reason {replicas}"),
                };
                let at = Timestamp::from_second(second).unwrap();
                write(tx, place, version, 1, &wanted, at)?;
            }
            Ok(())
        });
        wrote.await.unwrap();
        let service = |max: u32| Deployment {
            shape: json!({ "model": "delay", "scale": { "min": 0, "max": max } }),
            ..deployment(Some(2), Some(1))
        };
        let read = store.read(move |tx| {
            let fixed = read(tx, &service(0), &[1, 2])?;
            Ok((fixed, read(tx, &service(9), &[1, 2])?))
        });
        let (fixed, shown) = read.await.unwrap();
        assert_eq!(fixed, []);
        let lines: Vec<String> = shown
            .iter()
            .map(|it| {
                format!(
                    "v{} {}: {} at {}",
                    it.version,
                    it.replicas,
                    it.reason,
                    it.since.as_second()
                )
            })
            .collect();
        assert_eq!(lines, ["v1 4: reason 4 at 0", "v2 5: reason 5 at 2"]);
        assert_eq!(booked(&store).await[0], "replicas.changed by rollout");
    }
}
