//! GraphQL, by which MLflow's pages ask for several things at once: each is answered by the endpoint that has it, for the
//! same caller.

use super::{
    call::{self, Call},
    experiments,
    failure::{Answer, Failure},
    history, listing,
    routes::Table,
    runs, versions,
};
use axum::{
    Json,
    routing::{get, post},
};
use guard::Permission;
use http::Method;
use mlflow::{
    Error, ErrorCode,
    graphql::{Refused, Request, Root, plan},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

pub(super) fn routes(table: Table) -> Table {
    let summary = "MLflow: GraphQL";
    [(Method::GET, get(answer)), (Method::POST, post(answer))]
        .into_iter()
        .fold(table, |table, (method, handler)| {
            table.anywhere(
                &method,
                "/graphql",
                Permission::TrackingRead,
                summary,
                &handler,
            )
        })
}

async fn answer(call: Call<Request>) -> Answer<Value> {
    let plan = match plan(&call.message) {
        Ok(plan) => plan,
        Err(Refused::Syntax(error)) => return Err(error.into()),
        Err(Refused::Wrong(errors)) => {
            return Ok(Json(json!({ "data": null, "errors": errors })));
        }
    };
    let (mut data, mut errors) = (Map::new(), Vec::new());
    for root in &plan.roots {
        let said = Box::pin(said(&call, root)).await.unwrap_or_else(|failure| {
            errors.push(failure.into_message());
            Value::Null
        });
        data.insert(root.key().to_owned(), root.answer(&said));
    }
    let errors = Some(errors).filter(|errors| !errors.is_empty());
    Ok(Json(json!({ "data": data, "errors": errors })))
}

/// What the endpoint behind a field says.
async fn said(call: &Call<Request>, root: &Root) -> Result<Value, Failure> {
    let Some(asks) = root.asks() else {
        return Ok(Value::Null);
    };
    let Some(input) = root.input() else {
        // As MLflow has it.
        if asks == "testMutation" {
            return Ok(Value::Null);
        }
        return Err(Error::invalid(format!("Field '{asks}' needs an argument")).into());
    };
    let mut said = match asks {
        "test" => json!({ "output": input }),
        "mlflowGetExperiment" => through(call, input, experiments::by_id).await?,
        "mlflowGetRun" => through(call, input, runs::one).await?,
        "mlflowSearchRuns" => through(call, input, runs::search).await?,
        "mlflowSearchDatasets" => through(call, input, experiments::datasets).await?,
        "mlflowSearchModelVersions" => through(call, input, versions::search).await?,
        "mlflowListArtifacts" => through(call, input, listing::of_run).await?,
        "mlflowGetMetricHistoryBulkInterval" => through(call, input, history::sampled).await?,
        _ => Value::Null,
    };
    complete_runs(call, root, &mut said).await?;
    Ok(said)
}

/// Looks up what belongs to runs and is not part of them, where it was asked for.
async fn complete_runs(call: &Call<Request>, root: &Root, said: &mut Value) -> Result<(), Failure> {
    let (of_experiment, of_versions) = (
        root.asks_of_runs("experiment"),
        root.asks_of_runs("modelVersions"),
    );
    let Value::Object(fields) = said else {
        return Ok(());
    };
    let mut experiments = BTreeMap::new();
    for (name, value) in fields {
        let runs = match (name.as_str(), value) {
            ("run", run) => std::slice::from_mut(run),
            ("runs", Value::Array(runs)) => &mut runs[..],
            _ => continue,
        };
        for run in runs {
            let text = |field: &str| run["info"][field].as_str().unwrap_or_default().to_owned();
            let (id, experiment) = (text("run_id"), text("experiment_id"));
            if of_experiment {
                if !experiments.contains_key(&experiment) {
                    let input = json!({ "experiment_id": experiment });
                    let mut found = through(call, input, experiments::by_id).await?;
                    experiments.insert(experiment.clone(), found["experiment"].take());
                }
                run["experiment"] = experiments[&experiment].clone();
            }
            if of_versions {
                let input = json!({ "filter": format!("run_id='{id}'") });
                let mut found = through(call, input, versions::search).await?;
                run["model_versions"] = found["model_versions"].take();
            }
        }
    }
    Ok(())
}

/// Asks an endpoint on behalf of the same caller.
async fn through<M, A, F>(
    call: &Call<Request>,
    input: Value,
    endpoint: impl FnOnce(Call<M>) -> F,
) -> Result<Value, Failure>
where
    M: DeserializeOwned,
    A: Serialize,
    F: Future<Output = Answer<A>>,
{
    let Json(said) = endpoint(call.with(call::read(input)?)).await?;
    let unsaid = |_| Error::new(ErrorCode::InternalError, "the answer cannot be written");
    Ok(serde_json::to_value(said).map_err(unsaid)?)
}
