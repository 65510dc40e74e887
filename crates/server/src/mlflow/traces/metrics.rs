//! Statistics of traces, spans and assessments.

use super::AT;
use crate::mlflow::{call::Call, convert, failure::Answer, page, routes::Table, runs::own};
use axum::{Json, routing::post};
use guard::Permission;
use http::Method;
use jiff::Timestamp;
use mlflow::{
    Error,
    traces::{
        TOKENS, keys,
        metrics::{Filter, Plan, Query, Row, View},
    },
};
use serde_json::Value;
use store::{
    AssessmentKind, Figure, FigureFilter, FigureKind, Figures, SpanField, TraceField, Traces as _,
};

pub(super) fn routes(table: Table) -> Table {
    table.under(
        "3.0",
        Method::POST,
        &format!("{AT}/metrics"),
        Permission::TrackingRead,
        "MLflow: statistics of traces",
        post(metrics),
    )
}

async fn metrics(call: Call<Query>) -> Answer<Value> {
    let plan = call.message.plan()?;
    let time = |field: &str, millis: Option<i64>| {
        millis
            .map(|millis| convert::time(field, millis))
            .transpose()
    };
    let until = time("end_time_ms", call.message.end_time_ms)?;
    let costs = plan.view == View::Spans && plan.metric.ends_with("_cost");
    let figures = Figures {
        kind: match plan.view {
            View::Traces => FigureKind::Traces,
            View::Spans if costs => FigureKind::Costs,
            View::Spans => FigureKind::Spans,
            View::Assessments => FigureKind::Assessments,
        },
        filters: plan.filters.iter().map(filter).collect::<Result<_, _>>()?,
        from: time("start_time_ms", call.message.start_time_ms)?,
        until,
    };
    let ids = call.message.experiment_ids.clone().unwrap_or_default();
    let project = call.project().to_owned();
    let found = call
        .read(move |tx| {
            let own = own(tx, &project, &ids)?;
            tx.trace_figures(&project, &own, &figures)
        })
        .await?;
    let rows = found.into_iter().filter_map(|figure| row(&plan, figure));
    let points = plan.points(once(&plan, rows.collect()), shown);
    Ok(Json(page::answer("data_points", &points, None)))
}

/// The start of a bucket.
fn shown(millis: i64) -> String {
    let time = Timestamp::from_millisecond(millis).unwrap_or_default();
    time.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string()
}

/// Sessions are counted once in each bucket, whose number is its name; everything else as it is.
fn once(plan: &Plan, mut rows: Vec<(Row, Option<String>)>) -> Vec<Row> {
    if plan.metric == "session_count" {
        let bucket = |row: &Row| match (
            plan.bucket,
            row.0.first().and_then(|at| at.parse::<i64>().ok()),
        ) {
            (Some(bucket), Some(at)) => at.div_euclid(bucket),
            _ => 0,
        };
        rows.sort_by_cached_key(|(row, session)| (bucket(row), session.clone()));
        rows.dedup_by(|(a, one), (b, other)| bucket(a) == bucket(b) && one == other);
    }
    rows.into_iter().map(|(row, _)| row).collect()
}

/// The group and number of a figure; none when it has no number, or lacks what it is grouped by.
fn row(plan: &Plan, figure: Figure) -> Option<(Row, Option<String>)> {
    let mut group = Vec::with_capacity(plan.dimensions.len() + 1);
    if plan.bucket.is_some() {
        group.push(figure.at.to_string());
    }
    for dimension in &plan.dimensions {
        let value = match dimension.as_str() {
            "trace_status" | "span_status" => &figure.status,
            "span_type" => &figure.kind,
            "span_model_name" => &figure.model,
            "span_model_provider" => &figure.provider,
            "assessment_value" => &figure.value,
            _ => &figure.name,
        };
        group.push(value.clone()?);
    }
    Some(((group, number(&plan.metric, &figure)?), figure.session))
}

fn number(metric: &str, figure: &Figure) -> Option<f64> {
    match metric {
        "latency" => figure.latency,
        "session_count" => figure.session.as_ref().map(|_| 1.0),
        "input_cost" => figure.costs[0],
        "output_cost" => figure.costs[1],
        "total_cost" => figure.costs[2],
        "assessment_value" => figure.number,
        _ => match TOKENS.names.iter().position(|name| *name == metric) {
            Some(place) => TOKENS
                .numbers(figure.tokens.as_deref()?)
                .get(place)
                .copied()?,
            // Everything else counts.
            None => Some(1.0),
        },
    }
}

fn filter(filter: &Filter) -> Result<FigureFilter, Error> {
    Ok(match filter.clone() {
        Filter::TraceStatus(text) => FigureFilter::Trace(TraceField::State, text),
        Filter::TraceTag(key, text) => FigureFilter::Trace(TraceField::Tag(key), text),
        Filter::TraceMetadata(key, text) if key == keys::SOURCE_RUN => FigureFilter::Run(text),
        Filter::TraceMetadata(key, text) => FigureFilter::Trace(TraceField::Metadata(key), text),
        Filter::SpanName(text) => FigureFilter::Span(SpanField::Name, text),
        Filter::SpanStatus(text) => FigureFilter::Span(SpanField::Status, text),
        Filter::SpanType(text) => FigureFilter::Span(SpanField::Kind, text),
        Filter::AssessmentName(text) => FigureFilter::AssessmentName(text),
        Filter::AssessmentType(text) => match text.parse::<AssessmentKind>() {
            Ok(kind) => FigureFilter::AssessmentKind(kind),
            // No assessment is of a kind that there is not, and none is without a name.
            Err(_) => {
                return Err(Error::invalid(format!(
                    "there is no assessment type '{text}': use feedback, expectation or issue"
                )));
            }
        },
    })
}
