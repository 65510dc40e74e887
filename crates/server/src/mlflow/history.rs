//! Histories of metrics: of one run in pages, of several runs at once, and sampled for charts.

use super::{
    call::Call,
    convert::metric::{of_run, plain},
    failure::Answer,
    page,
    routes::Table,
};
use axum::{Json, routing::get};
use http::Method;
use mlflow::{
    Error, limits, required,
    runs::{BulkHistory, History, Points, SampledHistory, run_id},
};
use serde_json::{Value, json};
use store::{TrackingRead as _, Tx};

pub(super) fn routes(table: Table) -> Table {
    let at = "/mlflow/metrics";
    table
        .read(
            Method::GET,
            &format!("{at}/get-history"),
            "MLflow: all points of a metric",
            get(history),
        )
        .read(
            Method::GET,
            &format!("{at}/get-history-bulk"),
            "MLflow: all points of a metric of several runs",
            get(bulk),
        )
        .read(
            Method::GET,
            &format!("{at}/get-history-bulk-interval"),
            "MLflow: a sample of the points of a metric of several runs",
            get(sampled),
        )
}

async fn history(call: Call<History>) -> Answer<Points> {
    let asked = &call.message;
    let id = run_id(asked.run_id.as_deref(), asked.run_uuid.as_deref())?.to_owned();
    let key = required("metric_key", &asked.metric_key)?.to_owned();
    let after = page::cursor(asked.page_token.as_deref())?;
    let limit = rows(asked.max_results)?;
    let project = call.project().to_owned();
    let (points, next) = call
        .read(move |tx| {
            of_one(tx, &project, &id, |tx, id| {
                let page = tx.metric_history(id, &key, after.as_ref(), limit)?;
                Ok((page.items, page.next))
            })
        })
        .await?;
    Ok(Json(Points {
        metrics: points.into_iter().map(plain).collect(),
        next_page_token: page::token(next),
    }))
}

/// The points of a run; one that is not there has none, as in MLflow.
fn of_one<P: Default>(
    tx: &mut Tx<'_>,
    project: &str,
    id: &str,
    points: impl Fn(&mut Tx<'_>, &str) -> store::Result<P>,
) -> store::Result<P> {
    let run = tx.run_head(id)?.filter(|run| run.project == project);
    run.map_or_else(|| Ok(P::default()), |run| points(tx, &run.run_id))
}

/// The size of a page; all points are asked for when none is given.
fn rows(asked: Option<i64>) -> Result<u32, Error> {
    let Some(asked) = asked else {
        return Ok(u32::MAX - 1);
    };
    let positive = u64::try_from(asked).ok().filter(|rows| *rows > 0).ok_or_else(|| {
        Error::invalid(format!("Invalid value {asked} for parameter 'max_results' supplied. It must be a positive integer."))
    })?;
    Ok(u32::try_from(positive.min(limits::HISTORY_PAGE)).unwrap_or(u32::MAX - 1))
}

async fn bulk(call: Call<BulkHistory>) -> Answer<Value> {
    let asked = &call.message;
    let missing =
        |what: &str| Error::invalid(format!("GetMetricHistoryBulk request must specify {what}."));
    let mut ids = asked.run_id.clone();
    if ids.is_empty() {
        return Err(missing("at least one run_id").into());
    }
    few_enough(&ids)?;
    ids.sort();
    let key = asked
        .metric_key
        .clone()
        .ok_or_else(|| missing("a metric_key"))?;
    let most = rows(Some(asked.max_results.unwrap_or(i64::MAX)))?;
    let project = call.project().to_owned();
    let points = call
        .read(move |tx| {
            let mut all = Vec::new();
            for id in ids {
                let left = most.saturating_sub(u32::try_from(all.len()).unwrap_or(u32::MAX));
                let points = of_one(tx, &project, &id, |tx, id| {
                    Ok(tx.metric_history(id, &key, None, left)?.items)
                })?;
                all.extend(points.into_iter().map(|point| of_run(point, &id)));
            }
            Ok(all)
        })
        .await?;
    Ok(Json(json!({ "metrics": points })))
}

fn few_enough(ids: &[String]) -> Result<(), Error> {
    if ids.len() <= limits::HISTORY_RUNS {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "Histories of at most {} runs can be asked for at once, not of {}.",
        limits::HISTORY_RUNS,
        ids.len()
    )))
}

pub(super) async fn sampled(call: Call<SampledHistory>) -> Answer<Points> {
    let asked = &call.message;
    let ids = asked.run_ids.clone();
    required("run_ids", ids.first().map_or("", String::as_str))?;
    few_enough(&ids)?;
    let key = required("metric_key", &asked.metric_key)?.to_owned();
    let most = limits::page(
        asked.max_results,
        (limits::SAMPLED_POINTS, limits::SAMPLED_POINTS),
    )?;
    let most = u32::try_from(most).unwrap_or(u32::MAX);
    let steps = interval(asked.start_step, asked.end_step)?;
    let project = call.project().to_owned();
    let metrics = call
        .read(move |tx| {
            let mut all = Vec::new();
            for id in ids {
                let points = of_one(tx, &project, &id, |tx, id| {
                    tx.metric_sample(id, &key, steps, most)
                })?;
                all.extend(points.into_iter().map(|point| of_run(point, &id)));
            }
            Ok(all)
        })
        .await?;
    Ok(Json(Points {
        metrics,
        next_page_token: None,
    }))
}

/// Both ends of an interval of steps, or none.
fn interval(start: Option<i64>, end: Option<i64>) -> Result<Option<(i64, i64)>, Error> {
    match (start, end) {
        (None, None) => Ok(None),
        (Some(start), Some(end)) if start <= end => Ok(Some((start, end))),
        (Some(start), Some(end)) => Err(Error::invalid(format!(
            "end_step must be greater than start_step. Found start_step={start} and end_step={end}."
        ))),
        _ => Err(Error::invalid(
            "If either start step or end step are specified, both must be specified.",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_sizes() {
        assert_eq!(rows(None), Ok(u32::MAX - 1));
        assert_eq!(rows(Some(10)), Ok(10));
        assert_eq!(rows(Some(1_000_000)), Ok(25_000));
        assert!(rows(Some(0)).is_err() && rows(Some(-1)).is_err());
    }

    #[test]
    fn intervals() {
        assert_eq!(interval(None, None), Ok(None));
        assert_eq!(interval(Some(1), Some(1)), Ok(Some((1, 1))));
        assert!(interval(Some(2), Some(1)).is_err() && interval(Some(2), None).is_err());
    }
}
