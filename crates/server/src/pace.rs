//! How many requests services have had of late, from the gateway's counters.
//!
//! Counters say how many, not when: they are read now and then and remembered for some minutes, by a clock that nobody
//! sets. What is forgotten at a restart is only known a little later.

use crate::app::App;
use gateway::Evidence;
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

/// Counters are read this often, …
const PERIOD: Duration = Duration::from_secs(10);
/// … and remembered for so long.
const WINDOW: Duration = Duration::from_secs(600);
/// In less time than this nothing is measured.
const LEAST: Duration = Duration::from_secs(5);

/// Project, environment and service.
type Route = (String, String, String);

/// Requests of the last minutes.
#[derive(Default)]
pub struct Pace(Mutex<VecDeque<Sample>>);

struct Sample {
    at: Instant,
    epoch: i64,
    requests: BTreeMap<Route, u64>,
}

/// Reads the counters until the shutdown.
pub(crate) async fn run(app: App, shutdown: CancellationToken) {
    loop {
        // The gateway may be away.
        if let Ok(counted) = app.gateway().evidence().await {
            app.pace().take(&counted, Instant::now());
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(PERIOD) => {}
        }
    }
}

impl Pace {
    fn take(&self, counted: &Evidence, now: Instant) {
        let mut samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        samples.retain(|sample| {
            sample.epoch == counted.epoch && now.duration_since(sample.at) <= WINDOW
        });
        samples.push_back(Sample {
            at: now,
            epoch: counted.epoch,
            requests: requests(counted),
        });
    }

    /// Requests a second to a service until now, and over how long; none without any.
    pub(crate) fn present(
        &self,
        counted: &Evidence,
        now: Instant,
        project: &str,
        environment: &str,
        service: &str,
    ) -> Option<(f64, Duration)> {
        let route = (
            project.to_owned(),
            environment.to_owned(),
            service.to_owned(),
        );
        let samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = |sample: &&Sample| {
            sample.epoch == counted.epoch && sample.requests.contains_key(&route)
        };
        let first = samples.iter().find(known)?;
        let over = now.duration_since(first.at);
        let more = requests(counted)
            .get(&route)?
            .saturating_sub(first.requests[&route]);
        (over >= LEAST && more > 0).then(|| (more as f64 / over.as_secs_f64(), over))
    }
}

fn requests(counted: &Evidence) -> BTreeMap<Route, u64> {
    let of = |route: &gateway::RouteEvidence| {
        let name = (
            route.project.clone(),
            route.environment.clone(),
            route.service.clone(),
        );
        (
            name,
            route.versions.iter().map(|version| version.requests).sum(),
        )
    };
    counted.routes.iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(epoch: i64, requests: u64) -> Evidence {
        Evidence {
            epoch,
            at: 0,
            routes: vec![gateway::RouteEvidence {
                project: "p".into(),
                environment: "prod".into(),
                service: "delay".into(),
                versions: vec![gateway::VersionEvidence {
                    version: 1,
                    requests,
                    ..gateway::VersionEvidence::default()
                }],
            }],
        }
    }

    #[test]
    fn requests_of_the_last_minutes() {
        let begin = Instant::now();
        let at = |second| begin + Duration::from_secs(second);
        let check = |samples: &[(u64, i64, u64)], (second, epoch, requests), expect| {
            let pace = Pace::default();
            for (second, epoch, requests) in samples {
                pace.take(&counted(*epoch, *requests), at(*second));
            }
            let found = pace.present(&counted(epoch, requests), at(second), "p", "prod", "delay");
            assert_eq!(found.map(|(rate, over)| (rate, over.as_secs())), expect);
        };
        check(&[], (100, 1, 100), None);
        check(&[(90, 1, 0)], (100, 1, 100), Some((10.0, 10)));
        check(&[(98, 1, 0)], (100, 1, 100), None);
        check(&[(90, 1, 100)], (100, 1, 100), None);
        check(&[(0, 1, 0), (50, 1, 9)], (100, 1, 100), Some((1.0, 100)));
        // Older than the window, of other counters, or counters that went back.
        check(&[(0, 1, 0), (700, 1, 9)], (710, 1, 19), Some((1.0, 10)));
        check(&[(0, 1, 0)], (100, 2, 100), None);
        check(&[(0, 1, 500)], (100, 1, 100), None);
        let pace = Pace::default();
        pace.take(&counted(1, 0), at(0));
        assert_eq!(
            pace.present(&counted(1, 9), at(10), "p", "staging", "delay"),
            None
        );
    }
}
