//! Uploads in parts, each to an address of its own: begun, sent in any order, completed or given up.
//!
//! Nothing of a file is visible before it is complete. Who may complete one is asked at the beginning and at the end;
//! a part's address is good for that part alone.

use super::{
    access,
    address::Passes,
    artifacts::{self, broken, named},
    call::{self, Call},
    failure::{Answer, Failure, Refuse as _},
    routes::Table,
};
use crate::{app::App, http::Caller};
use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
    routing::{post, put},
};
use futures_util::TryStreamExt as _;
use http::{HeaderMap, Method, header};
use jiff::SignedDuration;
use mlflow::{
    Error,
    artifacts::{CreateMultipart, Credential, EndMultipart, SentPart, file_name, number_of_parts},
    required,
};
use serde_json::{Value, json};
use store::{Artifact, Digest, Priority, Stored, Tx, Upload, UploadPart, Uploads as _};

/// How long the parts may take. Retention keeps what was begun for longer.
const LIFETIME: SignedDuration = SignedDuration::from_hours(24);

pub(super) fn routes(table: Table) -> Table {
    let at = "/mlflow-artifacts/mpu";
    table
        .write(
            Method::POST,
            &format!("{at}/create/{{*path}}"),
            "MLflow: begin an upload in parts",
            post(create),
        )
        .write(
            Method::PUT,
            &format!("{at}/parts/{{upload}}/{{number}}"),
            "MLflow: send a part",
            put(part),
        )
        .write(
            Method::POST,
            &format!("{at}/complete/{{*path}}"),
            "MLflow: complete an upload in parts",
            post(complete),
        )
        .write(
            Method::POST,
            &format!("{at}/abort/{{*path}}"),
            "MLflow: give up an upload in parts",
            post(abort),
        )
}

/// The artifact that an upload is for: a folder from the address, and the name that the file has at the client.
fn target(folder: &str, path: &str) -> Result<String, Error> {
    let folder = named(folder)?;
    let name = file_name(required("path", path)?);
    named(&format!("{folder}/{}", required("path", name)?))
}

async fn create(headers: HeaderMap, call: Call<CreateMultipart>) -> Answer<Value> {
    let path = target(call.param("path"), &call.message.path)?;
    let parts = number_of_parts(call.message.num_parts)?;
    artifacts::allowed(&call.app, &call.caller, &path).await?;
    let upload = Upload {
        id: uuid::Uuid::now_v7().simple().to_string(),
        project: call.project().to_owned(),
        path,
        parts,
        created_at: call.app.now(),
        digest: None,
    };
    let passes = Passes::new(&call.app, &call.caller, &headers, LIFETIME)?;
    let credential = |number: u32| {
        let pass = passes.make(&Method::PUT, &format!("mpu/parts/{}/{number}", upload.id));
        Credential {
            url: pass.url,
            part_number: number,
            headers: pass.headers,
        }
    };
    let credentials: Vec<Credential> = (1..=parts).map(credential).collect();
    let answer = json!({ "upload_id": upload.id, "credentials": credentials });
    call.log(move |tx| tx.insert_upload(&upload)).await?;
    Ok(Json(answer))
}

/// The upload of that id, while it takes parts.
fn open(tx: &mut Tx<'_>, project: &str, id: &str) -> store::Result<Upload> {
    let upload = tx.upload(project, id)?;
    upload
        .filter(|upload| upload.digest.is_none())
        .ok_or_else(|| unknown(id))
        .refuse()
}

fn unknown(id: &str) -> Error {
    Error::missing(format!(
        "No upload '{id}' is under way: it is complete, was given up, or was never begun"
    ))
}

async fn part(State(app): State<App>, request: Request) -> Result<Response, Failure> {
    let (mut parts, body) = request.into_parts();
    let (app, caller, params) = call::who(&mut parts, app).await?;
    let (id, number) = (params["upload"].clone(), params["number"].clone());
    access::not_a_unit(
        &caller.identity,
        "send parts with the headers that came with their address",
    )?;
    let (project, wanted) = (caller.project().to_owned(), id.clone());
    let upload = app
        .store()
        .read(move |tx| open(tx, &project, &wanted))
        .await?;
    let known = |number: &u32| (1..=upload.parts).contains(number);
    let number = number.parse().ok().filter(known).ok_or_else(|| {
        Error::invalid(format!("this upload has the parts 1 to {}", upload.parts))
    })?;
    let pieces = body.into_data_stream().map_err(std::io::Error::other);
    // By the id of the record: what stands in an address names no folder.
    let stored = app
        .blobs()
        .put_part(&upload.id, number, pieces)
        .await
        .map_err(broken)?;
    let etag = format!("\"{}\"", stored.digest.hex());
    record(&app, &upload, number, stored).await?;
    Ok(([(header::ETAG, etag)], ()).into_response())
}

/// Records a part that is on disk, unless the upload was given up meanwhile.
async fn record(app: &App, upload: &Upload, number: u32, stored: Stored) -> Result<(), Failure> {
    let part = UploadPart {
        upload: upload.id.clone(),
        number,
        digest: stored.digest,
        size: stored.size,
    };
    let (project, id) = (upload.project.clone(), upload.id.clone());
    let recorded = app.store().write(Priority::Bulk, move |tx| {
        open(tx, &project, &id)?;
        tx.put_upload_part(&part)
    });
    if let Err(error) = recorded.await {
        app.blobs().drop_parts(&upload.id).await?;
        return Err(error.into());
    }
    Ok(())
}

/// The upload that a request ends, if it is for that file.
async fn ended(call: &Call<EndMultipart>) -> Result<(Upload, Vec<UploadPart>), Failure> {
    let path = target(call.param("path"), &call.message.path)?;
    let id = required("upload_id", &call.message.upload_id)?.to_owned();
    artifacts::allowed(&call.app, &call.caller, &path).await?;
    let project = call.project().to_owned();
    call.read(move |tx| {
        let upload = tx
            .upload(&project, &id)?
            .filter(|upload| upload.path == path);
        let upload = upload.ok_or_else(|| unknown(&id)).refuse()?;
        Ok((upload, tx.upload_parts(&id)?))
    })
    .await
}

/// The parts that a client lists, as they were received.
fn listed(sent: &[SentPart], received: &[UploadPart]) -> Result<Vec<(u32, Digest)>, Error> {
    if !sent.is_sorted_by(|a, b| a.part_number < b.part_number) {
        return Err(Error::invalid(
            "parts must be in the order of their numbers",
        ));
    }
    let one = |part: &SentPart| {
        let tag = part.etag.trim_matches('"');
        let found = received
            .iter()
            .find(|one| one.number == part.part_number && one.digest.hex() == tag);
        found
            .map(|one| (one.number, one.digest.clone()))
            .ok_or_else(|| {
                Error::invalid(format!(
                    "part {} was not received with the ETag '{tag}': send it again",
                    part.part_number
                ))
            })
    };
    sent.iter().map(one).collect()
}

async fn complete(call: Call<EndMultipart>) -> Answer<Value> {
    required("path", &call.message.path)?;
    if call.message.parts.is_empty() {
        return Err(Error::missing_value("parts").into());
    }
    let (upload, received) = ended(&call).await?;
    // A client that did not hear of it asks again.
    if upload.digest.is_some() {
        return Ok(Json(json!({})));
    }
    let parts = listed(&call.message.parts, &received)?;
    let stored = call.app.blobs().join_parts(&upload.id, &parts).await?;
    let artifact = Artifact {
        project: upload.project.clone(),
        path: upload.path.clone(),
        digest: stored.digest,
        size: stored.size,
        created_at: call.app.now(),
    };
    finish(&call.app, call.caller, upload.id, artifact).await?;
    Ok(Json(json!({})))
}

async fn finish(app: &App, caller: Caller, id: String, artifact: Artifact) -> Result<(), Failure> {
    let done = id.clone();
    let work = move |tx: &mut Tx<'_>| {
        open(tx, &artifact.project, &done)?;
        artifacts::keep_in(tx, &caller, &artifact)?;
        tx.complete_upload(&done, &artifact.digest)
    };
    app.store().write(Priority::Bulk, work).await?;
    if let Err(error) = app.blobs().drop_parts(&id).await {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "parts of a complete upload stay for now"
        );
    }
    Ok(())
}

async fn abort(call: Call<EndMultipart>) -> Answer<Value> {
    let (upload, _) = ended(&call).await?;
    if upload.digest.is_some() {
        return Err(unknown(&upload.id).into());
    }
    call.app.blobs().drop_parts(&upload.id).await?;
    call.log(move |tx| tx.delete_upload(&upload.id).map(drop))
        .await?;
    Ok(Json(json!({})))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_as_the_client_lists_them() {
        let received: Vec<UploadPart> = (1..=3)
            .map(|number| UploadPart {
                upload: "u".into(),
                number,
                digest: Digest::of(&[u8::try_from(number).unwrap()]),
                size: 1,
            })
            .collect();
        let tag = |number: usize| format!("\"{}\"", received[number - 1].digest.hex());
        let check = |sent: &[(u32, String)], fine: bool| {
            let sent: Vec<SentPart> = sent
                .iter()
                .map(|(part_number, etag)| SentPart {
                    part_number: *part_number,
                    etag: etag.clone(),
                })
                .collect();
            assert_eq!(listed(&sent, &received).is_ok(), fine, "{sent:?}");
        };
        check(&[(1, tag(1)), (2, tag(2)), (3, tag(3))], true);
        check(&[(1, tag(1)), (3, tag(3))], true);
        check(&[(2, tag(2)), (1, tag(1))], false);
        check(&[(1, tag(1)), (1, tag(1))], false);
        check(&[(1, tag(2))], false);
        check(&[(4, tag(3))], false);
        check(&[(1, String::new())], false);
    }

    #[test]
    fn where_an_upload_goes() {
        for (folder, path, expect) in [
            (
                "1/r/artifacts",
                "/tmp/big.bin",
                Some("1/r/artifacts/big.bin"),
            ),
            (
                "1/r/artifacts",
                "C:\\x\\big.bin",
                Some("1/r/artifacts/big.bin"),
            ),
            ("1/r/artifacts", "/tmp/..", None),
            ("1/r/artifacts", "%2e%2e", None),
            ("1/r/artifacts", "", None),
            ("1/r/artifacts", "a/", None),
            ("../x", "a", None),
            ("", "a", None),
        ] {
            assert_eq!(
                target(folder, path).ok().as_deref(),
                expect,
                "{folder} {path}"
            );
        }
    }
}
