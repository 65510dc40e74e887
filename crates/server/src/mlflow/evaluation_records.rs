//! Records of evaluation datasets: put, get, delete. Records with the same inputs are one.

use super::{
    call::Call,
    convert::evaluation::{counts, grown, merge, new_record, record as shown},
    evaluation_datasets::Place,
    failure::Answer,
    page,
    routes::Table,
};
use axum::{
    Json,
    routing::{delete, get, post},
};
use guard::Permission;
use http::Method;
use mlflow::{
    evaluation_datasets::{self as wire, Asked, DeleteRecords, Records, Upsert},
    limits,
};
use serde_json::{Value, json};
use store::{Digest, EvaluationDatasets as _, EvaluationRecords as _, Page, Search, Tx};

pub(super) fn routes(table: Table) -> Table {
    let at = "/mlflow/datasets/{dataset_id}/records";
    let (read, write) = (Permission::TrackingRead, Permission::TrackingWrite);
    let put = "MLflow: put records into an evaluation dataset";
    let table = table.under("3.0", Method::POST, at, write, put, post(upsert));
    let got = "MLflow: records of an evaluation dataset";
    let table = table.under("3.0", Method::GET, at, read, got, get(page_of));
    let gone = "MLflow: delete records of an evaluation dataset";
    table.under("3.0", Method::DELETE, at, write, gone, delete(remove))
}

/// A record with the digest of its inputs, and the id that it gets when it is new.
struct Numbered {
    asked: Asked,
    digest: Digest,
    id: String,
}

async fn upsert(call: Call<Upsert>) -> Answer<Value> {
    let place = Place::writable(&call)?;
    let asked = wire::records(&call.message.records)?;
    let numbered = |asked: &Asked| Numbered {
        digest: Digest::of(asked.key().as_bytes()),
        // Those made together come in the order of their ids.
        id: format!("dr-{}", uuid::Uuid::now_v7().simple()),
        asked: asked.clone(),
    };
    let records: Vec<_> = asked.iter().map(numbered).collect();
    let (inserted, updated) = call
        .log(move |tx| {
            let mut dataset = place.find(tx)?;
            let done = put(tx, &place, &records)?;
            let count = tx.count_evaluation_records(&place.id)?;
            grown(&mut dataset, &asked, count, place.now);
            tx.update_evaluation_dataset(&dataset)?;
            Ok(done)
        })
        .await?;
    Ok(Json(
        json!({ "inserted_count": inserted, "updated_count": updated }),
    ))
}

/// Puts records; how many were new, and how many were there already.
fn put(tx: &mut Tx<'_>, place: &Place, records: &[Numbered]) -> store::Result<(u64, u64)> {
    let (mut inserted, mut updated) = (0, 0);
    for Numbered { asked, digest, id } in records {
        let record = match tx.evaluation_record(&place.id, digest)? {
            Some(mut known) => {
                merge(&mut known, asked, place.now);
                updated += 1;
                known
            }
            None => {
                inserted += 1;
                new_record(&place.id, id, digest.clone(), asked, place.now)
            }
        };
        tx.put_evaluation_record(&record)?;
    }
    Ok((inserted, updated))
}

async fn page_of(call: Call<Records>) -> Answer<Value> {
    let Records {
        max_results,
        page_token,
    } = &call.message;
    let (_, most) = limits::EVALUATION_PAGE;
    let asked = max_results.filter(|rows| *rows != 0);
    // A page may be smaller than what was asked for: its token says that there is more.
    let asked = asked.map(|rows| rows.min(i64::try_from(most).unwrap_or(i64::MAX)));
    let rows = limits::page(asked, limits::EVALUATION_PAGE)?;
    let search = Search {
        after: page::cursor(page_token.as_deref())?,
        limit: u32::try_from(rows).unwrap_or(u32::MAX),
        ..Search::default()
    };
    let place = Place::of(&call);
    let found = call
        .read(move |tx| match place.look(tx)? {
            Some(dataset) => tx.evaluation_records(&dataset.id, &search),
            // As MLflow answers.
            None => Ok(Page {
                items: Vec::new(),
                next: None,
            }),
        })
        .await?;
    let records: Vec<_> = found.items.into_iter().map(shown).collect();
    let mut answer = json!({ "records": json!(records).to_string() });
    if let Some(token) = page::token(found.next) {
        answer["next_page_token"] = json!(token);
    }
    Ok(Json(answer))
}

async fn remove(call: Call<DeleteRecords>) -> Answer<Value> {
    let place = Place::writable(&call)?;
    let ids = call.message.dataset_record_ids.clone();
    let deleted = call
        .log(move |tx| {
            let Some(mut dataset) = place.look(tx)? else {
                return Ok(0);
            };
            let mut deleted = 0;
            for id in &ids {
                deleted += u64::from(tx.delete_evaluation_record(&place.id, id)?);
            }
            if deleted > 0 {
                dataset.profile = Some(counts(tx.count_evaluation_records(&place.id)?));
                tx.update_evaluation_dataset(&dataset)?;
            }
            Ok(deleted)
        })
        .await?;
    Ok(Json(json!({ "deleted_count": deleted })))
}
