//! Which two versions are compared, where, and what speaks against it.

use super::Place;
use rollout::difference;
use serde::Deserialize as _;
use spec::{EngineKind, Service};
use store::{Aliases as _, Deployment, Deployments as _, ModelVersion, Models as _, Tx};

/// Two versions of a model, and the service whose requests they are asked.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    pub(crate) place: Place,
    pub(crate) service: Service,
    pub(crate) before: ModelVersion,
    pub(crate) after: ModelVersion,
    /// What should be known beside the result.
    pub(crate) notes: Vec<String>,
}

/// What is asked for cannot be compared.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unfit {
    /// Not there.
    #[error("{0}")]
    Missing(String),
    /// There, and not comparable.
    #[error("{0}")]
    Never(String),
    /// The store.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// Finds a model's versions by number or alias; without `before`, the one that serves. The environment is one of the
/// project's, the service one that serves the model there.
pub(crate) fn pair(
    tx: &mut Tx<'_>,
    (project, environment, model): (&str, &str, &str),
    service: Option<&str>,
    (before, after): (Option<&str>, &str),
) -> Result<Pair, Unfit> {
    if tx.model(project, model)?.is_none() {
        let why = format!("no model `{model}`: `mainspan models` lists them");
        return Err(Unfit::Missing(why));
    }
    let deployment = deployment(tx, (project, environment, model), service)?;
    let name = &deployment.service;
    let shape = Service::deserialize(&deployment.shape).map_err(|_| {
        let why = format!("the shape of {name} is of another version: apply the file again");
        Unfit::Never(why)
    })?;
    if shape.engine == EngineKind::Command {
        let why = format!(
            "{name} runs a server of its own (`engine: command`), whose answers are not compared"
        );
        return Err(Unfit::Never(why));
    }
    let before = match before {
        Some(before) => version(tx, (project, model), before)?,
        None => match deployment.version {
            Some(serves) => version(tx, (project, model), &serves.to_string())?,
            None => {
                let why = format!(
                    "nothing serves as {name} in {environment} yet: name both versions to compare"
                );
                return Err(Unfit::Missing(why));
            }
        },
    };
    let after = version(tx, (project, model), after)?;
    let notes = difference(&before.signature, &after.signature)
        .map(|mismatch| mismatch.to_string())
        .into_iter();
    Ok(Pair {
        place: Place {
            project: project.to_owned(),
            environment: environment.to_owned(),
            service: deployment.service.clone(),
        },
        service: shape,
        before,
        after,
        notes: notes.collect(),
    })
}

fn deployment(
    tx: &mut Tx<'_>,
    (project, environment, model): (&str, &str, &str),
    service: Option<&str>,
) -> Result<Deployment, Unfit> {
    let all = tx.deployments(Some(project))?.into_iter();
    let mut found: Vec<Deployment> = all
        .filter(|d| d.environment == environment && d.model == model)
        .filter(|d| service.is_none_or(|name| d.service == name))
        .collect();
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => {
            let named = service.map_or_else(String::new, |name| format!(" as `{name}`"));
            Err(Unfit::Missing(format!(
                "`{model}` serves nothing in {environment}{named}: requests are captured by service (`--service`, `--environment`)"
            )))
        }
        _ => {
            let names: Vec<&str> = found.iter().map(|d| d.service.as_str()).collect();
            Err(Unfit::Never(format!(
                "`{model}` serves several services in {environment} ({}): say with --service whose requests to ask",
                names.join(", ")
            )))
        }
    }
}

/// A version by its number or by an alias.
fn version(
    tx: &mut Tx<'_>,
    (project, model): (&str, &str),
    wanted: &str,
) -> Result<ModelVersion, Unfit> {
    let number = match wanted.parse() {
        Ok(number) => Some(number),
        Err(_) => tx.alias(project, model, wanted)?,
    };
    let found = match number {
        Some(number) => tx.version(project, model, number)?,
        None => None,
    };
    let found = found.ok_or_else(|| {
        Unfit::Missing(format!(
            "`{model}` has no version or alias `{wanted}`: `mainspan models {model}` lists them"
        ))
    })?;
    if found.artifact.is_none() {
        let why = format!("version {} has no model that can be run", found.version);
        return Err(Unfit::Never(why));
    }
    Ok(found)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use jiff::Timestamp;
    use serde_json::json;
    use std::collections::BTreeMap;
    use store::{
        Digest, GateState, Priority, Project, Projects as _, RegisteredModel, StateDir, Store,
        StoreUrl,
    };

    pub(in super::super) fn version(number: u32) -> ModelVersion {
        ModelVersion {
            project: "flights".into(),
            model: "delay".into(),
            version: number,
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::UNIX_EPOCH,
            description: String::new(),
            user_id: String::new(),
            source: String::new(),
            mlflow_run_id: None,
            mlflow_model_id: None,
            run_id: None,
            artifact: (number != 3).then(|| Digest::of(b"model")),
            lineage: json!({}),
            gate: json!({}),
            signature: taking(if number == 4 { "carrier" } else { "dep_delay" }),
            gate_state: GateState::Passed,
            stage: "None".into(),
            status: "READY".into(),
            status_message: String::new(),
            tags: BTreeMap::new(),
        }
    }

    fn taking(name: &str) -> serde_json::Value {
        json!({ "inputs": [{ "name": name, "datatype": "FP32", "shape": [-1, 1] }], "outputs": [] })
    }

    fn fill(tx: &mut Tx<'_>) -> store::Result<()> {
        let now = Timestamp::UNIX_EPOCH;
        tx.put_project(&Project {
            name: "flights".into(),
            root: None,
            branch: None,
            created_at: now,
            generation: 1,
        })?;
        tx.create_model(&RegisteredModel {
            project: "flights".into(),
            name: "delay".into(),
            created_at: now,
            updated_at: now,
            description: String::new(),
            tags: BTreeMap::new(),
        })?;
        for number in 1..=4 {
            tx.create_version(&version(number))?;
        }
        tx.set_alias("flights", "delay", "champion", 1)?;
        for (environment, service, engine, serves) in [
            ("prod", "delay", "onnx", Some(1)),
            ("new", "delay", "onnx", None),
            ("two", "a", "onnx", Some(1)),
            ("two", "b", "command", Some(1)),
        ] {
            tx.put_deployment(&Deployment {
                project: "flights".into(),
                environment: environment.into(),
                service: service.into(),
                model: "delay".into(),
                version: serves,
                previous: None,
                since: now,
                rollout_id: None,
                reason: String::new(),
                commit: None,
                generation: 1,
                keep_previous_until: None,
                shape: json!({ "model": "delay", "engine": engine, "command": "run" }),
            })?;
        }
        Ok(())
    }

    #[tokio::test]
    async fn versions_are_found_where_they_serve() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::create(dir.path()).unwrap();
        let store = Store::open(&StoreUrl::Sqlite, &state).unwrap();
        store.write(Priority::Normal, fill).await.unwrap();
        let check = async |environment: &'static str,
                           service: Option<&'static str>,
                           before: Option<&'static str>,
                           after: &'static str,
                           expect: Result<(u32, u32), &str>| {
            let found = store.read(move |tx| {
                let place = ("flights", environment, "delay");
                Ok(pair(tx, place, service, (before, after)).map_err(|unfit| unfit.to_string()))
            });
            match (found.await.unwrap(), expect) {
                (Ok(found), Ok(expect)) => {
                    assert_eq!((found.before.version, found.after.version), expect);
                    assert_eq!(found.notes.is_empty(), expect.1 != 4, "{found:?}");
                }
                (Err(found), Err(expect)) => assert!(found.contains(expect), "{found}"),
                other => panic!("{other:?}"),
            }
        };
        check("prod", None, None, "2", Ok((1, 2))).await;
        check("prod", None, Some("2"), "champion", Ok((2, 1))).await;
        check("prod", Some("delay"), Some("1"), "4", Ok((1, 4))).await;
        check("new", None, Some("1"), "2", Ok((1, 2))).await;
        check("two", Some("a"), None, "2", Ok((1, 2))).await;
        check("new", None, None, "2", Err("nothing serves")).await;
        check("prod", None, None, "9", Err("no version or alias `9`")).await;
        check("prod", None, None, "best", Err("alias `best`")).await;
        check("prod", None, None, "3", Err("no model that can be run")).await;
        check("two", None, None, "2", Err("--service")).await;
        check("two", Some("b"), None, "2", Err("engine: command")).await;
        check("none", None, None, "2", Err("serves nothing in none")).await;
    }
}
