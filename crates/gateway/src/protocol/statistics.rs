//! Triton's statistics extension, from the counters that roll-outs are judged by.
//!
//! Times are of whole attempts as the gateway sees them, from a histogram whose buckets are a
//! sixteenth wide; queue and compute are not told apart here.

use inference::latency::{Histogram, lower_bound, upper_bound};
use serde::Serialize;

use super::Refused;
use crate::clock;
use crate::evidence::VersionEvidence;
use crate::live::{Live, LiveRoute};
use crate::respond::Answer;
use crate::worker::Worker;

/// What a version did.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct ModelStatistics {
    pub(crate) name: String,
    pub(crate) version: String,
    /// Milliseconds since 1970; 0 when it is not known.
    pub(crate) last_inference: u64,
    /// Requests that succeeded. Rows of a request are not told apart.
    pub(crate) inference_count: u64,
    pub(crate) execution_count: u64,
    pub(crate) inference_stats: Durations,
    pub(crate) batch_stats: Vec<()>,
}

/// Counts and times by what became of requests.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Durations {
    pub(crate) success: Duration,
    pub(crate) fail: Duration,
    pub(crate) queue: Duration,
    pub(crate) compute_input: Duration,
    pub(crate) compute_infer: Duration,
    pub(crate) compute_output: Duration,
    pub(crate) cache_hit: Duration,
    pub(crate) cache_miss: Duration,
}

/// So many, that took so long together.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Duration {
    pub(crate) count: u64,
    /// Nanoseconds.
    pub(crate) ns: u64,
}

#[derive(Serialize)]
struct Body {
    model_stats: Vec<ModelStatistics>,
}

/// Answers for some models.
pub(crate) fn statistics(models: Result<Vec<ModelStatistics>, Refused>) -> Answer {
    match models {
        Ok(model_stats) => super::ok(&Body { model_stats }),
        Err(refused) => refused.answer(),
    }
}

/// All versions at one service, or at all.
pub(crate) fn of_all(worker: &Worker, live: &Live, at: Option<usize>) -> Vec<ModelStatistics> {
    let routes = live.routes.iter().enumerate();
    let wanted = routes.filter(|(index, _)| at.is_none_or(|at| at == *index));
    wanted
        .flat_map(|(_, route)| of_route(worker, route))
        .collect()
}

/// A service's versions, or one of them.
pub(crate) fn of_model(
    worker: &Worker,
    route: &LiveRoute,
    version: Option<u32>,
) -> Result<Vec<ModelStatistics>, Refused> {
    let mut all = of_route(worker, route);
    if let Some(version) = version {
        super::arm(route, Some(version))?;
        all.retain(|one| one.version == version.to_string());
    }
    Ok(all)
}

fn of_route(worker: &Worker, route: &LiveRoute) -> Vec<ModelStatistics> {
    let evidence = worker.ledger.read(clock::now_micros());
    let counted = evidence.routes.into_iter().find(|counted| {
        let (project, environment) = (&counted.project, &counted.environment);
        format!("{project}/{environment}/{}", counted.service) == *route.key
    });
    let versions = counted.map(|counted| counted.versions).unwrap_or_default();
    let served = versions
        .iter()
        .filter(|counted| route.version(counted.version).is_some());
    served
        .map(|counted| of_version(&route.route.service, counted))
        .collect()
}

fn of_version(name: &str, counted: &VersionEvidence) -> ModelStatistics {
    let failed = counted.errors + counted.client_errors + counted.abandoned;
    let good = counted.requests.saturating_sub(failed);
    let timed = counted.latency.total().max(1);
    let ns = nanoseconds(&counted.latency);
    let success = Duration {
        count: good,
        ns: ns / timed * good,
    };
    let none = Duration::default();
    ModelStatistics {
        name: name.to_owned(),
        version: counted.version.to_string(),
        last_inference: 0,
        inference_count: good,
        execution_count: good,
        inference_stats: Durations {
            success,
            fail: Duration {
                count: failed,
                ns: ns.saturating_sub(success.ns),
            },
            compute_infer: success,
            queue: none,
            compute_input: none,
            compute_output: none,
            cache_hit: none,
            cache_miss: none,
        },
        batch_stats: Vec::new(),
    }
}

/// All times together, each as the middle of its bucket.
fn nanoseconds(latency: &Histogram) -> u64 {
    let counts = latency.counts().iter().enumerate();
    let buckets = counts.filter(|(_, count)| **count > 0);
    let sums = buckets.map(|(index, count)| {
        let (low, high) = (lower_bound(index), upper_bound(index));
        count.saturating_mul(low.saturating_add(high.saturating_sub(low) / 2) * 1000)
    });
    sums.fold(0, u64::saturating_add)
}
