//! Stages of old clients: answered and kept, and without any effect on what serves.

use super::{
    call::Call,
    convert::registry,
    failure::{Answer, Refuse as _},
    registered::{self, Change, find, find_version},
    routes::Table,
};
use axum::{
    Json,
    routing::{get, post},
};
use http::Method;
use mlflow::{
    Error,
    registry::{Latest, Transition, version_number},
    required,
};
use serde_json::{Value, json};
use store::{Aliases as _, Models as _, Tx};

pub(super) fn routes(table: Table) -> Table {
    let latest_versions = "/mlflow/registered-models/get-latest-versions";
    table
        .read(
            Method::GET,
            latest_versions,
            "MLflow: newest version of each stage",
            get(latest),
        )
        .read(
            Method::POST,
            latest_versions,
            "MLflow: newest version of each stage",
            post(latest),
        )
        .write(
            Method::POST,
            "/mlflow/model-versions/transition-stage",
            "MLflow: set a version's stage",
            post(transition),
        )
}

const STAGES: [&str; 4] = ["None", "Staging", "Production", "Archived"];

/// A stage by its one spelling.
fn canonical(stage: &str) -> Result<&'static str, Error> {
    let known = STAGES
        .into_iter()
        .find(|known| known.eq_ignore_ascii_case(stage));
    known.ok_or_else(|| {
        Error::invalid(format!("Invalid Model Version stage: {stage}. Value must be one of None, Staging, Production, Archived."))
    })
}

async fn latest(call: Call<Latest>) -> Answer<Value> {
    let name = required("name", &call.message.name)?.to_owned();
    let stages = call.message.stages.iter().map(|stage| canonical(stage));
    let stages = stages.collect::<Result<Vec<_>, Error>>()?;
    let project = call.project().to_owned();
    let shown = call
        .read(move |tx| {
            find(tx, &project, &name)?;
            let aliases = tx.aliases(&project, &name)?;
            let newest = registry::latest(tx.versions(&project, &name)?);
            let asked = newest
                .into_iter()
                .filter(|one| stages.is_empty() || stages.contains(&one.stage.as_str()));
            Ok(asked
                .map(|one| registry::version(one, &aliases))
                .collect::<Vec<_>>())
        })
        .await?;
    Ok(Json(if shown.is_empty() {
        json!({})
    } else {
        json!({ "model_versions": shown })
    }))
}

async fn transition(call: Call<Transition>) -> Answer<Value> {
    let change = Change::of(&call)?;
    let asked = call.message.clone();
    required("name", &asked.name)?;
    let number = version_number(required("version", &asked.version)?)?;
    let stage = canonical(required("stage", &asked.stage)?)?;
    let shown = call
        .write(move |tx| {
            if asked.archive_existing_versions {
                archive(tx, &change, &asked.name, number, stage)?;
            }
            let mut version = find_version(tx, &change.project, &asked.name, number)?;
            stage.clone_into(&mut version.stage);
            version.updated_at = change.now;
            tx.update_version(&version)?;
            change.touch(tx, &asked.name)?;
            registered::show_version(tx, version)
        })
        .await?;
    Ok(Json(json!({ "model_version": shown })))
}

/// Moves what else holds the stage out of it.
fn archive(
    tx: &mut Tx<'_>,
    change: &Change,
    name: &str,
    except: u32,
    stage: &str,
) -> store::Result<()> {
    if !matches!(stage, "Staging" | "Production") {
        let refused = Error::invalid(format!(
            "Model version transition cannot archive existing model versions because '{stage}' is not an Active stage. Valid stages are ['Staging', 'Production']"
        ));
        return Err(refused).refuse();
    }
    for mut version in tx.versions(&change.project, name)? {
        if version.stage == stage && version.version != except {
            "Archived".clone_into(&mut version.stage);
            version.updated_at = change.now;
            tx.update_version(&version)?;
        }
    }
    Ok(())
}
