//! Label schemas: what reviewers are asked about the traces of an experiment. Create, get, list, change, delete.
//!
//! Each experiment has a question of its own, which is made when its questions are listed first, as in MLflow.

use super::{
    access,
    call::Call,
    convert::{label_schema as shown, label_schema::kind},
    failure::{Answer, Failure, Refuse as _},
    find, page,
    routes::Table,
};
use axum::{
    Json,
    routing::{delete, get, patch, post},
};
use guard::Permission;
use http::Method;
use jiff::Timestamp;
use mlflow::{
    Error,
    label_schemas::{
        self as wire, ById, ByName, Create, DEFAULT_INSTRUCTION, DEFAULT_NAME, Input, List, Text,
        Update,
    },
    limits, required,
};
use serde_json::{Value, json};
use store::{LabelKind, LabelSchema, LabelSchemas as _, Search, Tx};

pub(super) fn routes(table: Table) -> Table {
    let at = |path: &str| format!("/mlflow/label-schemas/{path}");
    let (read, write) = (Permission::TrackingRead, Permission::TrackingWrite);
    table
        .under(
            "3.0",
            Method::POST,
            &at("create"),
            write,
            "MLflow: make a question to reviewers",
            post(create),
        )
        .under(
            "3.0",
            Method::GET,
            &at("get"),
            read,
            "MLflow: one question to reviewers",
            get(get_one),
        )
        .under(
            "3.0",
            Method::GET,
            &at("get-by-name"),
            read,
            "MLflow: a question to reviewers by its name",
            get(get_by_name),
        )
        .under(
            "3.0",
            Method::GET,
            &at("list"),
            read,
            "MLflow: questions to reviewers",
            get(list),
        )
        .under(
            "3.0",
            Method::PATCH,
            &at("update"),
            write,
            "MLflow: change a question to reviewers",
            patch(update),
        )
        .under(
            "3.0",
            Method::DELETE,
            &at("delete"),
            write,
            "MLflow: delete a question to reviewers",
            delete(remove),
        )
}

fn may_write<M>(call: &Call<M>) -> Result<(), Error> {
    access::not_a_unit(&call.caller.identity, "ask reviewers outside of pipelines")
}

fn new_id() -> String {
    format!("ls-{}", uuid::Uuid::now_v7().simple())
}

fn answer(schema: LabelSchema) -> Json<Value> {
    Json(json!({ "label_schema": shown::wire(schema) }))
}

/// A schema of the project.
fn known(tx: &mut Tx<'_>, project: &str, id: &str) -> store::Result<LabelSchema> {
    tx.label_schema(project, id)?
        .ok_or_else(|| Error::missing(format!("Label schema with id '{id}' not found.")))
        .refuse()
}

/// Refuses a name that another schema of the experiment has.
fn free(tx: &mut Tx<'_>, schema: &LabelSchema) -> store::Result<()> {
    match tx.label_schema_by_name(&schema.experiment, &schema.name)? {
        Some(other) if other.id != schema.id => Err(Error::exists(format!(
            "Label schema with name '{}' already exists for experiment '{}'.",
            schema.name, schema.experiment
        )))
        .refuse(),
        _ => Ok(()),
    }
}

/// An input that was checked, as it is kept.
fn kept(input: &Input) -> Result<Value, Error> {
    input.check()?;
    Ok(json!(input))
}

async fn create(call: Call<Create>) -> Answer<Value> {
    may_write(&call)?;
    let asked = &call.message;
    let experiment = required("experiment_id", &asked.experiment_id)?.to_owned();
    required("name", &asked.name)?;
    let kind = kind(asked.kind.as_deref())?;
    wire::check_name(&asked.name)?;
    wire::check_instruction(asked.instruction.as_deref().unwrap_or_default())?;
    let now = call.app.now();
    let new = LabelSchema {
        id: new_id(),
        project: call.project().to_owned(),
        experiment: String::new(),
        name: asked.name.clone(),
        kind,
        instruction: asked.instruction.clone(),
        comment: asked.enable_comment.unwrap_or_default(),
        input: kept(&asked.input.clone().unwrap_or_default())?,
        is_default: false,
        created_at: now,
        updated_at: now,
    };
    let made = call
        .log(move |tx| {
            let schema = LabelSchema {
                experiment: find::present_experiment(tx, &new.project, &experiment)?.id,
                ..new.clone()
            };
            free(tx, &schema)?;
            tx.create_label_schema(&schema)?;
            Ok(schema)
        })
        .await?;
    Ok(answer(made))
}

async fn get_one(call: Call<ById>) -> Answer<Value> {
    let project = call.project().to_owned();
    let id = required("schema_id", &call.message.schema_id)?.to_owned();
    let found = call.read(move |tx| known(tx, &project, &id)).await?;
    Ok(answer(found))
}

async fn get_by_name(call: Call<ByName>) -> Answer<Value> {
    let project = call.project().to_owned();
    let experiment = required("experiment_id", &call.message.experiment_id)?.to_owned();
    let name = required("name", &call.message.name)?.to_owned();
    let found = call
        .read(move |tx| {
            let place = find::present_experiment(tx, &project, &experiment)?;
            tx.label_schema_by_name(&place.id, &name)?
                .ok_or_else(|| {
                    Error::missing(format!(
                        "Label schema with name '{name}' not found for experiment '{experiment}'."
                    ))
                })
                .refuse()
        })
        .await?;
    Ok(answer(found))
}

async fn list(call: Call<List>) -> Answer<Value> {
    let asked = &call.message;
    let experiment = required("experiment_id", &asked.experiment_id)?.to_owned();
    let limit = limits::page(asked.max_results, limits::REVIEWS_PAGE)?;
    let search = Search {
        after: page::cursor(asked.page_token.as_deref())?,
        limit: u32::try_from(limit).unwrap_or(u32::MAX),
        ..Search::default()
    };
    let experiment = with_its_own(&call, experiment).await?;
    let page = call
        .read(move |tx| tx.search_label_schemas(&experiment, &search))
        .await?;
    let schemas: Vec<_> = page.items.into_iter().map(shown::wire).collect();
    Ok(Json(page::with_token("label_schemas", &schemas, page.next)))
}

/// The experiment's own id, once it has its own question.
async fn with_its_own(call: &Call<List>, experiment: String) -> Result<String, Failure> {
    let project = call.project().to_owned();
    let place = project.clone();
    let (id, asks) = call
        .read(move |tx| {
            let id = find::present_experiment(tx, &place, &experiment)?.id;
            let asks = tx.label_schema_by_name(&id, DEFAULT_NAME)?.is_some();
            Ok((id, asks))
        })
        .await?;
    if !asks {
        let own = own_question(project, id.clone(), call.app.now());
        // Whoever may look at the experiment finds its question there.
        call.log(move |tx| {
            tx.reading(
                |tx| match tx.label_schema_by_name(&own.experiment, DEFAULT_NAME)? {
                    Some(_) => Ok(()),
                    None => tx.create_label_schema(&own),
                },
            )
        })
        .await?;
    }
    Ok(id)
}

/// The question that an experiment has by itself.
fn own_question(project: String, experiment: String, now: Timestamp) -> LabelSchema {
    let input = Input {
        text: Some(Text::default()),
        ..Input::default()
    };
    LabelSchema {
        id: new_id(),
        project,
        experiment,
        name: DEFAULT_NAME.to_owned(),
        kind: LabelKind::Feedback,
        instruction: Some(DEFAULT_INSTRUCTION.to_owned()),
        comment: false,
        input: json!(input),
        is_default: true,
        created_at: now,
        updated_at: now,
    }
}

async fn update(call: Call<Update>) -> Answer<Value> {
    may_write(&call)?;
    let asked = call.message.clone();
    let id = required("schema_id", &asked.schema_id)?.to_owned();
    let (project, now) = (call.project().to_owned(), call.app.now());
    let changed = call
        .log(move |tx| {
            let old = known(tx, &project, &id)?;
            let schema = LabelSchema {
                updated_at: now,
                ..changed(old, &asked).refuse()?
            };
            free(tx, &schema)?;
            tx.update_label_schema(&schema)?;
            Ok(schema)
        })
        .await?;
    Ok(answer(changed))
}

/// The schema with what a client wants to have changed.
fn changed(old: LabelSchema, asked: &Update) -> Result<LabelSchema, Error> {
    if old.is_default {
        return Err(Error::invalid(
            "The experiment's default question cannot be edited.",
        ));
    }
    if let Some(name) = &asked.name {
        wire::check_name(name)?;
    }
    if let Some(instruction) = &asked.instruction {
        wire::check_instruction(instruction)?;
    }
    let input = match &asked.input {
        Some(input) => {
            let kept = kept(input)?;
            input.may_follow(&serde_json::from_value(old.input).unwrap_or_default())?;
            kept
        }
        None => old.input,
    };
    Ok(LabelSchema {
        name: asked.name.clone().unwrap_or(old.name),
        instruction: asked.instruction.clone().or(old.instruction),
        comment: asked.enable_comment.unwrap_or(old.comment),
        input,
        ..old
    })
}

/// Deleting what is not there is no mistake.
async fn remove(call: Call<ById>) -> Answer<Value> {
    may_write(&call)?;
    let project = call.project().to_owned();
    let id = required("schema_id", &call.message.schema_id)?.to_owned();
    call.log(move |tx| {
        if tx
            .label_schema(&project, &id)?
            .is_some_and(|one| one.is_default)
        {
            let own = Error::invalid("The experiment's default question cannot be deleted.");
            return Err(own).refuse();
        }
        tx.delete_label_schema(&project, &id).map(drop)
    })
    .await?;
    Ok(Json(json!({})))
}
