//! Histories of metrics, in pages.

use super::{call::Call, convert::metric::plain, failure::Answer, find, page, routes::Table};
use axum::{Json, routing::get};
use http::Method;
use mlflow::{
    Error, limits, required,
    runs::{History, Points, run_id},
};
use store::TrackingRead as _;

pub(super) fn routes(table: Table) -> Table {
    table.read(
        Method::GET,
        "/mlflow/metrics/get-history",
        "MLflow: all points of a metric",
        get(history),
    )
}

async fn history(call: Call<History>) -> Answer<Points> {
    let asked = &call.message;
    let id = run_id(asked.run_id.as_deref(), asked.run_uuid.as_deref())?.to_owned();
    let key = required("metric_key", &asked.metric_key)?.to_owned();
    let skip = page::offset(asked.page_token.as_deref())?;
    let limit = rows(asked.max_results)?;
    let project = call.project().to_owned();
    let mut points = call
        .read(move |tx| {
            find::head(tx, &project, &id)?;
            tx.metric_history(&id, &key, skip, limit + 1)
        })
        .await?;
    let more = points.len() > limit as usize;
    points.truncate(limit as usize);
    Ok(Json(Points {
        metrics: points.into_iter().map(plain).collect(),
        next_page_token: more.then(|| page::offset_token(skip + u64::from(limit))),
    }))
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
}
