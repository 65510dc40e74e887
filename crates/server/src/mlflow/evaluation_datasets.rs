//! Evaluation datasets: create, get, search, tags, experiments, delete.

use super::{
    access,
    call::{Call, Nothing},
    convert::{
        self,
        evaluation::{dataset as shown, mark},
    },
    failure::{Answer, Failure, Refuse as _},
    find::{DEFAULT, is_default},
    page,
    routes::Table,
};
use axum::{
    Json,
    routing::{MethodRouter, delete, get, patch, post},
};
use guard::Permission;
use http::Method;
use jiff::Timestamp;
use mlflow::{
    Error,
    evaluation_datasets::{self as wire, Create, Experiments, Search, SetTags},
    filter::Subject,
    required,
};
use serde_json::{Value, json};
use store::{EvaluationDataset, EvaluationDatasets as _, Experiments as _, Field, Order, Tx};

pub(super) fn routes(table: Table) -> Table {
    let one = "/mlflow/datasets/{dataset_id}";
    let read = |table: Table, method, path: &str, summary, handler: MethodRouter<_>| {
        table.under(
            "3.0",
            method,
            path,
            Permission::TrackingRead,
            summary,
            handler,
        )
    };
    let write = |table: Table, method, path: &str, summary, handler: MethodRouter<_>| {
        table.under(
            "3.0",
            method,
            path,
            Permission::TrackingWrite,
            summary,
            handler,
        )
    };
    let search_at = "/mlflow/datasets/search";
    let found = "MLflow: search evaluation datasets";
    let table = read(table, Method::GET, search_at, found, get(search));
    let table = read(table, Method::POST, search_at, found, post(search));
    let table = read(
        table,
        Method::GET,
        one,
        "MLflow: one evaluation dataset",
        get(by_id),
    );
    let of = "MLflow: experiments of an evaluation dataset";
    let table = read(
        table,
        Method::GET,
        &format!("{one}/experiment-ids"),
        of,
        get(experiments),
    );
    let made = "MLflow: create an evaluation dataset";
    let table = write(
        table,
        Method::POST,
        "/mlflow/datasets/create",
        made,
        post(create),
    );
    let gone = "MLflow: delete an evaluation dataset";
    let table = write(table, Method::DELETE, one, gone, delete(remove));
    let tagged = "MLflow: tag an evaluation dataset";
    let table = write(
        table,
        Method::PATCH,
        &format!("{one}/tags"),
        tagged,
        patch(set_tags),
    );
    let untagged = "MLflow: untag an evaluation dataset";
    let table = write(
        table,
        Method::DELETE,
        &format!("{one}/tags/{{key}}"),
        untagged,
        delete(delete_tag),
    );
    let joined = "MLflow: add an evaluation dataset to experiments";
    let table = write(
        table,
        Method::POST,
        &format!("{one}/add-experiments"),
        joined,
        post(join),
    );
    let left = "MLflow: take an evaluation dataset out of experiments";
    write(
        table,
        Method::POST,
        &format!("{one}/remove-experiments"),
        left,
        post(leave),
    )
}

/// One change to one dataset.
pub(super) struct Place {
    pub(super) project: String,
    pub(super) id: String,
    pub(super) now: Timestamp,
}

impl Place {
    /// The dataset that the path names.
    pub(super) fn of<M>(call: &Call<M>) -> Self {
        Place {
            project: call.project().to_owned(),
            id: call.param("dataset_id").to_owned(),
            now: call.app.now(),
        }
    }

    /// The same, where the caller may change it.
    pub(super) fn writable<M>(call: &Call<M>) -> Result<Self, Failure> {
        may_write(call)?;
        Ok(Place::of(call))
    }

    /// The dataset, if there is one.
    pub(super) fn look(&self, tx: &mut Tx<'_>) -> store::Result<Option<EvaluationDataset>> {
        tx.evaluation_dataset(&self.project, &self.id)
    }

    /// The dataset, or that there is none.
    pub(super) fn find(&self, tx: &mut Tx<'_>) -> store::Result<EvaluationDataset> {
        let missing = || {
            Error::missing(format!(
                "Evaluation dataset with id '{}' not found",
                self.id
            ))
        };
        self.look(tx)?.ok_or_else(missing).refuse()
    }
}

fn may_write<M>(call: &Call<M>) -> Result<(), Error> {
    access::not_a_unit(
        &call.caller.identity,
        "make evaluation datasets outside of pipelines",
    )
}

/// An experiment's id in its one form: `0` is the project's own default.
fn canonical(tx: &mut Tx<'_>, project: &str, id: &str) -> store::Result<String> {
    if !is_default(id) {
        return Ok(id.to_owned());
    }
    let default = tx.experiment_by_name(project, DEFAULT)?;
    Ok(default.map_or_else(|| id.to_owned(), |experiment| experiment.id))
}

async fn create(call: Call<Create>) -> Answer<Value> {
    may_write(&call)?;
    let Create {
        name,
        experiment_ids,
        tags,
    } = call.message.clone();
    required("name", &name)?;
    let tags = tags.filter(|text| !text.is_empty());
    let tags = tags
        .map(|text| wire::tags(&text))
        .transpose()?
        .unwrap_or_default();
    let (user, now) = (wire::user(&tags), call.app.now());
    let dataset = EvaluationDataset {
        id: format!("d-{}", uuid::Uuid::now_v7().simple()),
        project: call.project().to_owned(),
        digest: mark(&name, now),
        name,
        schema: None,
        profile: None,
        tags,
        created_at: now,
        updated_at: now,
        created_by: user.clone(),
        updated_by: user,
    };
    let (made, ids) = (dataset.clone(), experiment_ids.clone());
    call.log(move |tx| {
        tx.create_evaluation_dataset(&made)?;
        for id in &ids {
            let id = canonical(tx, &made.project, id)?;
            tx.add_dataset_to_experiment(&made.id, &id)?;
        }
        Ok(())
    })
    .await?;
    let shown = wire::Dataset {
        experiment_ids,
        ..shown(dataset)
    };
    Ok(Json(json!({ "dataset": shown })))
}

async fn by_id(call: Call<Nothing>) -> Answer<Value> {
    let place = Place::of(&call);
    let dataset = call.read(move |tx| place.find(tx)).await?;
    Ok(Json(json!({ "dataset": shown(dataset) })))
}

async fn remove(call: Call<Nothing>) -> Answer<Value> {
    let place = Place::writable(&call)?;
    call.log(move |tx| tx.delete_evaluation_dataset(&place.project, &place.id))
        .await?;
    Ok(Json(json!({})))
}

async fn search(call: Call<Search>) -> Answer<Value> {
    let asked = &call.message;
    let mut search = convert::search::search(
        Subject::EvaluationDatasets,
        asked.filter_string.as_deref(),
        &asked.order_by,
        asked.max_results,
        asked.page_token.as_deref(),
    )?;
    if search.order.is_empty() {
        search.order.push(Order {
            field: Field::Attribute("created_time".to_owned()),
            descending: true,
        });
    }
    let (project, ids) = (call.project().to_owned(), asked.experiment_ids.clone());
    let found = call
        .read(move |tx| {
            let ids = ids.iter().map(|id| canonical(tx, &project, id));
            let ids = ids.collect::<store::Result<Vec<_>>>()?;
            tx.search_evaluation_datasets(&project, &ids, &search)
        })
        .await?;
    let all: Vec<_> = found.items.into_iter().map(shown).collect();
    Ok(Json(page::answer("datasets", &all, found.next)))
}

async fn set_tags(call: Call<SetTags>) -> Answer<Value> {
    let place = Place::writable(&call)?;
    let tags = wire::tags(required("tags", &call.message.tags)?)?;
    call.log(move |tx| {
        let mut dataset = place.find(tx)?;
        dataset.tags.extend(tags.clone());
        tx.update_evaluation_dataset(&dataset)
    })
    .await?;
    Ok(Json(json!({})))
}

async fn delete_tag(call: Call<Nothing>) -> Answer<Value> {
    let place = Place::writable(&call)?;
    let key = call.param("key").to_owned();
    call.log(move |tx| match place.look(tx)? {
        Some(mut dataset) => {
            dataset.tags.remove(&key);
            tx.update_evaluation_dataset(&dataset)
        }
        None => Ok(()),
    })
    .await?;
    Ok(Json(json!({})))
}

async fn experiments(call: Call<Nothing>) -> Answer<Value> {
    let place = Place::of(&call);
    let ids = call
        .read(move |tx| match place.look(tx)? {
            Some(dataset) => tx.dataset_experiments(&dataset.id),
            None => Ok(Vec::new()),
        })
        .await?;
    Ok(Json(page::answer("experiment_ids", &ids, None)))
}

async fn join(call: Call<Experiments>) -> Answer<Value> {
    let place = Place::writable(&call)?;
    let ids = call.message.experiment_ids.clone();
    let dataset = call
        .log(move |tx| {
            let mut dataset = place.find(tx)?;
            for id in &ids {
                let known = canonical(tx, &place.project, id)?;
                let missing = || Error::missing(format!("No Experiment with id={id}"));
                let found = tx.experiment(&place.project, &known)?;
                found.ok_or_else(missing).refuse()?;
                tx.add_dataset_to_experiment(&place.id, &known)?;
            }
            dataset.updated_at = place.now;
            tx.update_evaluation_dataset(&dataset)?;
            Ok(dataset)
        })
        .await?;
    Ok(Json(json!({ "dataset": shown(dataset) })))
}

async fn leave(call: Call<Experiments>) -> Answer<Value> {
    let place = Place::writable(&call)?;
    let ids = call.message.experiment_ids.clone();
    let dataset = call
        .log(move |tx| {
            let mut dataset = place.find(tx)?;
            for id in &ids {
                let known = canonical(tx, &place.project, id)?;
                if tx.remove_dataset_from_experiment(&place.id, &known)? {
                    dataset.updated_at = place.now;
                }
            }
            // It may be nobody's from here on; changing it was allowed when it was found.
            tx.unguarded(|tx| tx.update_evaluation_dataset(&dataset))?;
            Ok(dataset)
        })
        .await?;
    Ok(Json(json!({ "dataset": shown(dataset) })))
}
