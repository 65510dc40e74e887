//! What is observed for the outlook of roll-outs: traffic, the history of what serves, and how late labels come. What
//! follows from it is [`rollout::outlook`]'s to say.

use crate::app::App;
use gateway::Evidence;
use rollout::{
    outlook::{Outlook, Present, Seen, late_labels, outlook},
    reconcile::History,
};
use spec::{
    Diagnostic, Measure, ProjectFile, Service,
    plan::{Action, Plan, ResourceKind},
};
use std::time::{Duration, Instant};
use store::{Deployment, Deployments as _, JoinLog as _, Loss, Store};

/// How many of the newest losses are looked at.
const LOSSES: u32 = 5_000;

/// The outlook of every service whose roll-outs have stages and judges.
///
/// # Errors
/// When the store cannot be read. A gateway that is away is no traffic.
pub async fn outlooks(app: &App, file: &ProjectFile) -> store::Result<Vec<Outlook>> {
    let counted = app.gateway().evidence().await.unwrap_or_default();
    let project = file.project.clone();
    let deployments = app
        .store()
        .read(move |tx| tx.deployments(Some(&project)))
        .await?;
    let mut wanted = Vec::new();
    for (environment, name, service) in staged(file) {
        let deployment = deployments
            .iter()
            .find(|d| d.environment == environment && d.service == name);
        let losses = losses(app.store(), &file.project, &environment, &name, &service).await?;
        let place = (file.project.as_str(), environment.as_str(), name.as_str());
        let seen = seen(app, &counted, place, &service, deployment, &losses);
        wanted.push((environment, name, service, seen));
    }
    let play = move || {
        let each = |(environment, name, service, seen): &(String, String, Service, Seen)| {
            outlook(name, environment, service, seen)
        };
        wanted.iter().filter_map(each).collect()
    };
    // Half a second at the most, of nothing but arithmetic.
    Ok(tokio::task::spawn_blocking(play).await.unwrap_or_default())
}

/// Judges that a plan brings in although the labels of today come too late for them: mistakes in the file.
///
/// # Errors
/// When the store cannot be read.
pub async fn too_late(
    store: &Store,
    file: &ProjectFile,
    plan: &Plan,
) -> store::Result<Vec<Diagnostic>> {
    let mut found = Vec::new();
    for (environment, name, service) in staged(file) {
        let changes = plan.changes.iter().any(|change| {
            matches!(change.kind, ResourceKind::Service | ResourceKind::Monitor)
                && change.action != Action::Delete
                && change.key.name == name
                && change.key.environment.as_ref() == Some(&environment)
        });
        if !changes {
            continue;
        }
        let losses = losses(store, &file.project, &environment, &name, &service).await?;
        if let Some(late) = late_labels(&service, &delays(&losses)).filter(|late| late.certain) {
            let path = format!("{}.rollout.judge", file.service_path(&environment, &name));
            found.push(file.diagnostic_at_key(&path, late.why));
        }
    }
    Ok(found)
}

fn staged(file: &ProjectFile) -> Vec<(String, String, Service)> {
    let mut all = Vec::new();
    for environment in &file.environments {
        for (name, service) in file.for_environment(environment).into_iter().flatten() {
            if !service.rollout.stages.is_empty() && !service.rollout.judge.is_empty() {
                all.push((environment.clone(), name.to_owned(), service.clone()));
            }
        }
    }
    all
}

/// The newest losses, where a judge needs them.
async fn losses(
    store: &Store,
    project: &str,
    environment: &str,
    name: &str,
    service: &Service,
) -> store::Result<Vec<Loss>> {
    if metric(service).is_none() || service.monitor.labels.is_none() {
        return Ok(Vec::new());
    }
    let route = format!("{project}/{environment}/{name}");
    store
        .read(move |tx| tx.newest_losses(&route, None, LOSSES))
        .await
}

fn metric(service: &Service) -> Option<spec::LiveMetric> {
    let live = |measure: &Measure| match measure {
        Measure::Live(metric) => Some(*metric),
        _ => None,
    };
    service.rollout.judge.iter().find_map(live)
}

fn delays(losses: &[Loss]) -> Vec<Duration> {
    let delay = |loss: &Loss| {
        let late = loss.labelled_at.duration_since(loss.predicted_at);
        Duration::try_from(late).unwrap_or_default()
    };
    losses.iter().map(delay).collect()
}

fn seen(
    app: &App,
    counted: &Evidence,
    (project, environment, name): (&str, &str, &str),
    service: &Service,
    deployment: Option<&Deployment>,
    losses: &[Loss],
) -> Seen {
    let version = deployment.and_then(|deployment| deployment.version);
    let route = counted.routes.iter().find(|route| {
        (
            route.project.as_str(),
            route.environment.as_str(),
            route.service.as_str(),
        ) == (project, environment, name)
    });
    let serves = route.and_then(|route| route.versions.iter().find(|v| Some(v.version) == version));
    let pace = app
        .pace()
        .present(counted, Instant::now(), project, environment, name);
    let errors = serves.map_or(0.0, |v| {
        let judged = v.requests.saturating_sub(v.client_errors);
        v.errors as f64 / judged.max(1) as f64
    });
    let of_version = losses.iter().filter(|loss| Some(loss.version) == version);
    Seen {
        traffic: pace.map(|(requests_per_second, over)| Present {
            requests_per_second,
            over,
            errors,
        }),
        history: History {
            latency: serves.map(|v| v.latency.clone()).unwrap_or_default(),
            losses: metric(service).map_or_else(Vec::new, |metric| {
                of_version
                    .map(|loss| metric.loss(loss.prediction, loss.label))
                    .collect()
            }),
            // Plays of what could be found at best need none.
            past: Vec::new(),
        },
        label_delays: delays(losses),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::{SignedDuration, Timestamp};
    use spec::plan::{Desired, Observed, plan, resources};
    use store::{Label, Prediction, Priority, StateDir, StoreUrl};

    const FILE: &str = "mainspan: 1
project: flights
environments: [staging, prod]
pipelines:
  train:
    steps: { fit: { run: python fit.py, writes: [model] } }
    register: { model: delay, from: fit.model }
services:
  delay:
    model: delay
    rollout: { stages: [5%], judge: [live.mae], quiet: hold after 1h }
    monitor: { labels: { join: id, within: 30d } }
overrides:
  staging: { services: { delay: { rollout: { stages: [] } } } }
";

    /// A store in which the labels of `prod` came two hours late.
    async fn late() -> (Store, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::create(dir.path()).unwrap();
        let store = Store::open(&StoreUrl::Sqlite, &state).unwrap();
        let at = |second: i64| Timestamp::from_second(1_767_225_600 + second).unwrap();
        let prediction = move |n| Prediction {
            request_id: format!("r{n}"),
            version: 1,
            y: 1.0,
            event_at: at(n),
            arrived_at: at(n),
        };
        let label = move |n| Label {
            request_id: format!("r{n}"),
            label: 2.0,
            event_at: None,
            arrived_at: at(n + 7_200),
        };
        let (predictions, labels): (Vec<_>, Vec<_>) =
            (0..200).map(|n| (prediction(n), label(n))).unzip();
        store
            .write(Priority::Normal, move |tx| {
                tx.add_predictions("flights/prod/delay", &predictions)?;
                tx.add_labels("flights/prod/delay", &labels, SignedDuration::from_hours(9))
            })
            .await
            .unwrap();
        (store, dir)
    }

    #[tokio::test]
    async fn a_judge_whose_labels_come_too_late_is_a_mistake_of_who_brings_it_in() {
        let (store, _dir) = late().await;
        let check = async |text: &str, applied: Option<&str>, expect: &[&str]| {
            let parse = |text: &str| spec::parse("mainspan.yaml", text).unwrap();
            let (file, observed) = (
                parse(text),
                applied.map_or_else(Observed::default, |applied| Observed {
                    generation: 1,
                    resources: resources(&parse(applied)),
                }),
            );
            let desired = Desired {
                file: file.clone(),
                commit: None,
                prune: false,
            };
            let found = too_late(&store, &file, &plan(&desired, &observed)).await;
            let found: Vec<_> = found.unwrap().iter().map(ToString::to_string).collect();
            assert_eq!(found.len(), expect.len(), "{found:?}");
            for (found, expect) in found.iter().zip(expect) {
                assert!(found.contains(expect), "{found}");
            }
        };
        let place = "mainspan.yaml:11:30";
        check(FILE, None, &[place]).await;
        check(FILE, None, &["half of the labels come more than 2h after"]).await;
        let other = FILE.replace("[5%]", "[7%]");
        check(FILE, Some(&other), &[place]).await;
        // Nothing of it changes: labels that have become late stop no push.
        check(FILE, Some(FILE), &[]).await;
        check(&FILE.replace("train:", "fit:"), Some(FILE), &[]).await;
        check(&FILE.replace("hold after 1h", "hold after 3h"), None, &[]).await;
        check(&FILE.replace("live.mae", "errors"), None, &[]).await;
    }
}
