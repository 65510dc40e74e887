//! Registered scorers: register, list, get, delete, and which share of traces they should judge.
//!
//! They are kept as clients write them and never run here: invoking one would take a model's API and jobs.

use super::{
    access,
    call::Call,
    convert::evaluation::scorer as shown,
    failure::{Answer, Refuse as _},
    find, grants, page,
    routes::Table,
};
use axum::{
    Json,
    routing::{delete, get, post, put},
};
use guard::Permission;
use http::Method;
use mlflow::{
    Error, ErrorCode, required,
    scorers::{self as wire, List, Named, Online, SetOnline},
};
use serde_json::{Value, json};
use store::{Lifecycle, OnlineScoring, Roles as _, ScorerVersion, Scorers as _, Tx};

pub(super) fn routes(table: Table) -> Table {
    let at = |path: &str| format!("/mlflow/scorers/{path}");
    let (read, write) = (Permission::TrackingRead, Permission::TrackingWrite);
    let register_at = at("register");
    table
        .under(
            "3.0",
            Method::POST,
            &register_at,
            write,
            "MLflow: register a scorer",
            post(register),
        )
        .under(
            "3.0",
            Method::GET,
            &at("list"),
            read,
            "MLflow: scorers of experiments",
            get(list),
        )
        .under(
            "3.0",
            Method::GET,
            &at("versions"),
            read,
            "MLflow: versions of a scorer",
            get(versions),
        )
        .under(
            "3.0",
            Method::GET,
            &at("get"),
            read,
            "MLflow: one version of a scorer",
            get(one),
        )
        .under(
            "3.0",
            Method::DELETE,
            &at("delete"),
            write,
            "MLflow: delete a scorer",
            delete(remove),
        )
        .under(
            "3.0",
            Method::GET,
            &at("online-configs"),
            read,
            "MLflow: which traces scorers should judge",
            get(online),
        )
        .under(
            "3.0",
            Method::PUT,
            &at("online-config"),
            write,
            "MLflow: say which traces a scorer should judge",
            put(set_online),
        )
}

fn may_write<M>(call: &Call<M>) -> Result<(), Error> {
    access::not_a_unit(
        &call.caller.identity,
        "register scorers outside of pipelines",
    )
}

/// The experiment, which must be active, and the scorer that a request names.
struct Place {
    project: String,
    experiment: String,
    name: String,
}

impl Place {
    fn of<M>(call: &Call<M>, experiment: &str, name: &str) -> Result<Self, Error> {
        Ok(Place {
            project: call.project().to_owned(),
            experiment: required("experiment_id", experiment)?.to_owned(),
            name: required("name", name)?.to_owned(),
        })
    }

    /// The experiment's own id.
    fn experiment(&self, tx: &mut Tx<'_>) -> store::Result<String> {
        Ok(find::active_experiment(tx, &self.project, &self.experiment)?.id)
    }

    fn missing(&self, version: Option<i64>) -> Error {
        let version = version
            .map(|n| format!(" and version {n}"))
            .unwrap_or_default();
        Error::missing(format!(
            "Scorer with name '{}'{version} not found for experiment {}.",
            self.name, self.experiment
        ))
    }

    /// All versions of the scorer; it is missing when there are none.
    fn versions(&self, tx: &mut Tx<'_>) -> store::Result<Vec<ScorerVersion>> {
        let experiment = self.experiment(tx)?;
        let versions = tx.scorer_versions(&experiment, &self.name)?;
        if versions.is_empty() {
            return Err(self.missing(None)).refuse();
        }
        Ok(versions)
    }
}

async fn register(call: Call<Named>) -> Answer<Value> {
    may_write(&call)?;
    let asked = &call.message;
    let place = Place::of(&call, &asked.experiment_id, &asked.name)?;
    required("serialized_scorer", &asked.serialized_scorer)?;
    if place.name.trim().is_empty() {
        return Err(Error::invalid("A scorer's name cannot be empty.").into());
    }
    wire::check(&asked.serialized_scorer)?;
    let (id, now) = (uuid::Uuid::now_v7().to_string(), call.app.now());
    let serialized = asked.serialized_scorer.clone();
    let made = call
        .log(move |tx| {
            let version = ScorerVersion {
                id: id.clone(),
                experiment: place.experiment(tx)?,
                name: place.name.clone(),
                version: 0,
                serialized: serialized.clone(),
                created_at: now,
            };
            tx.register_scorer(&place.project, &version)
        })
        .await?;
    Ok(Json(json!({
        "version": made.version,
        "scorer_id": made.id,
        "experiment_id": made.experiment,
        "name": made.name,
        "serialized_scorer": made.serialized,
        "creation_time": made.created_at.as_millisecond(),
    })))
}

async fn list(call: Call<List>) -> Answer<Value> {
    let List {
        experiment_id,
        experiment_ids,
    } = call.message.clone();
    let one = experiment_id.filter(|id| !id.is_empty());
    if one.is_some() && experiment_ids.is_some() {
        return Err(
            Error::invalid("Name either 'experiment_id' or 'experiment_ids', not both.").into(),
        );
    }
    let project = call.project().to_owned();
    let found = call
        .read(move |tx| {
            let experiments = match (one, experiment_ids) {
                (Some(one), _) => vec![find::active_experiment(tx, &project, &one)?.id],
                (None, Some(some)) => active(tx, &project, &some)?,
                (None, None) => tx.scored_experiments(&project)?,
            };
            tx.scorers(&experiments)
        })
        .await?;
    Ok(scorers(found))
}

/// Those of the experiments that are there and active, by their number, once each.
fn active(tx: &mut Tx<'_>, project: &str, ids: &[String]) -> store::Result<Vec<String>> {
    let mut numbers = Vec::new();
    for id in ids {
        match find::experiment(tx, project, id) {
            Ok(found) if found.lifecycle == Lifecycle::Active => {
                numbers.extend(found.id.parse::<u64>());
            }
            Ok(_) => {}
            Err(error) => skip_missing(error)?,
        }
    }
    numbers.sort_unstable();
    numbers.dedup();
    Ok(numbers.iter().map(ToString::to_string).collect())
}

fn skip_missing(error: store::Error) -> store::Result<()> {
    match error.into_caller::<Error>() {
        Ok(refused) if refused.error_code == ErrorCode::ResourceDoesNotExist => Ok(()),
        Ok(refused) => Err(refused).refuse(),
        Err(error) => Err(error),
    }
}

fn scorers(versions: Vec<ScorerVersion>) -> Json<Value> {
    let all: Vec<_> = versions.into_iter().map(shown).collect();
    Json(page::answer("scorers", &all, None))
}

async fn versions(call: Call<Named>) -> Answer<Value> {
    let place = Place::of(&call, &call.message.experiment_id, &call.message.name)?;
    let found = call.read(move |tx| place.versions(tx)).await?;
    Ok(scorers(found))
}

async fn one(call: Call<Named>) -> Answer<Value> {
    let asked = &call.message;
    let place = Place::of(&call, &asked.experiment_id, &asked.name)?;
    let number = asked.version;
    let found = call
        .read(move |tx| {
            let mut all = place.versions(tx)?;
            let wanted = match number {
                None => all.pop(),
                Some(number) => all.into_iter().find(|one| i64::from(one.version) == number),
            };
            wanted.ok_or_else(|| place.missing(number)).refuse()
        })
        .await?;
    Ok(Json(json!({ "scorer": shown(found) })))
}

async fn remove(call: Call<Named>) -> Answer<Value> {
    may_write(&call)?;
    let asked = &call.message;
    let place = Place::of(&call, &asked.experiment_id, &asked.name)?;
    let number = asked.version;
    call.log(move |tx| {
        let all = place.versions(tx)?;
        let wanted = all
            .iter()
            .find(|one| Some(i64::from(one.version)) == number);
        if number.is_some() && wanted.is_none() {
            return Err(place.missing(number)).refuse();
        }
        let experiment = place.experiment(tx)?;
        if number.is_none() || all.len() == 1 {
            let escaped: String =
                url::form_urlencoded::byte_serialize(place.name.as_bytes()).collect();
            for name in [escaped.replace('+', "%20"), place.name.clone()] {
                tx.forget_grants(&place.project, "scorer", &format!("{experiment}/{name}"))?;
            }
        }
        tx.delete_scorer(&experiment, &place.name, wanted.map(|one| one.version))
    })
    .await?;
    grants::changed(&call);
    Ok(Json(json!({})))
}

async fn online(call: Call<Online>) -> Answer<Value> {
    let ids = call.message.scorer_ids.clone();
    let ids = ids.ok_or_else(|| Error::missing_value("scorer_ids"))?;
    let project = call.project().to_owned();
    let found = call
        .read(move |tx| tx.online_scoring(&project, &ids))
        .await?;
    let all: Vec<_> = found.iter().map(config).collect();
    Ok(Json(json!({ "configs": all })))
}

fn config(scoring: &OnlineScoring) -> Value {
    let mut shown = json!({
        "online_scoring_config_id": scoring.id,
        "scorer_id": scoring.scorer,
        "sample_rate": scoring.sample_rate,
        "experiment_id": scoring.experiment,
    });
    if let Some(filter) = &scoring.filter {
        shown["filter_string"] = json!(filter);
    }
    shown
}

async fn set_online(call: Call<SetOnline>) -> Answer<Value> {
    may_write(&call)?;
    let asked = &call.message;
    let place = Place::of(&call, &asked.experiment_id, &asked.name)?;
    let rate = asked.rate()?;
    let filter = asked.filter_string.clone();
    let id = uuid::Uuid::now_v7().simple().to_string();
    let kept = call
        .log(move |tx| {
            let experiment = place.experiment(tx)?;
            let scorer = tx.scorer_id(&experiment, &place.name)?;
            let scorer = scorer.ok_or_else(|| place.missing(None)).refuse()?;
            judged_by_itself(&place.name, rate).refuse()?;
            let scoring = OnlineScoring {
                id: id.clone(),
                scorer,
                experiment,
                sample_rate: rate,
                filter: filter.clone(),
            };
            tx.put_online_scoring(&scoring)?;
            Ok(scoring)
        })
        .await?;
    Ok(Json(json!({ "config": config(&kept) })))
}

/// MLflow judges traces by itself through its gateway only, which is not here: no scorer can.
fn judged_by_itself(name: &str, rate: f64) -> Result<(), Error> {
    if rate > 0.0 {
        return Err(Error::invalid(format!(
            "Scorer '{name}' does not use a gateway model, so it judges no traces by itself: run mlflow.genai.evaluate in a pipeline"
        )));
    }
    Ok(())
}
