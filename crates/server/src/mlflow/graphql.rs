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
    let (path, permission) = ("/graphql", Permission::TrackingRead);
    let summary = "MLflow: GraphQL";
    table
        .anywhere(&Method::GET, path, permission, summary, &get(answer))
        .anywhere(&Method::POST, path, permission, summary, &post(answer))
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
        let answer = Box::pin(one(&call, root)).await.unwrap_or_else(|failure| {
            errors.push(failure.into_message());
            Value::Null
        });
        data.insert(root.key().to_owned(), answer);
    }
    let errors = Some(errors).filter(|errors| !errors.is_empty());
    Ok(Json(json!({ "data": data, "errors": errors })))
}

/// The answer to one field at the top.
async fn one(call: &Call<Request>, root: &Root) -> Result<Value, Failure> {
    let Some(asks) = root.asks() else {
        return Ok(root.answer(&Value::Null, &BTreeMap::new()));
    };
    // As MLflow has it.
    if asks == "testMutation" {
        return Ok(Value::Null);
    }
    let input = root
        .input()
        .ok_or_else(|| Error::invalid(format!("Field '{asks}' needs an argument")))?;
    let mut said = match asks {
        "test" => json!({ "output": input }),
        "mlflowGetExperiment" => experiment(call, input).await?,
        "mlflowGetRun" => through(call, input, runs::one).await?,
        "mlflowSearchRuns" => through(call, input, runs::search).await?,
        "mlflowSearchDatasets" => through(call, input, experiments::datasets).await?,
        "mlflowSearchModelVersions" => through(call, input, versions::search).await?,
        "mlflowListArtifacts" => through(call, input, listing::of_run).await?,
        "mlflowGetMetricHistoryBulkInterval" => through(call, input, history::sampled).await?,
        _ => Value::Null,
    };
    let experiments = look_up(call, root, &mut said).await?;
    Ok(root.answer(&said, &experiments))
}

/// Looks up what belongs to runs and is not part of them, where it was asked for: the versions that came of each, which are
/// put into it, and their experiments.
async fn look_up(
    call: &Call<Request>,
    root: &Root,
    said: &mut Value,
) -> Result<BTreeMap<String, Value>, Failure> {
    let mut experiments = BTreeMap::new();
    let (of_experiment, of_versions) = (
        root.asks_of_runs("experiment"),
        root.asks_of_runs("modelVersions"),
    );
    if !of_experiment && !of_versions {
        return Ok(experiments);
    }
    let runs = match said.get_mut("runs") {
        Some(Value::Array(runs)) => &mut runs[..],
        _ => said
            .get_mut("run")
            .map_or(&mut [][..], std::slice::from_mut),
    };
    for run in runs {
        let text = |field: &str| run["info"][field].as_str().unwrap_or_default().to_owned();
        let (id, experiment_id) = (text("run_id"), text("experiment_id"));
        if of_experiment && !experiments.contains_key(&experiment_id) {
            let mut found = experiment(call, json!({ "experiment_id": experiment_id })).await?;
            experiments.insert(experiment_id, found["experiment"].take());
        }
        if of_versions {
            let input = json!({ "filter": format!("run_id='{id}'") });
            let mut found = through(call, input, versions::search).await?;
            run["model_versions"] = found["model_versions"].take();
        }
    }
    Ok(experiments)
}

/// An experiment with its workspace, which is the project.
async fn experiment(call: &Call<Request>, input: Value) -> Result<Value, Failure> {
    let mut said = through(call, input, experiments::by_id).await?;
    said["experiment"]["workspace"] = call.project().into();
    Ok(said)
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
