//! Files of runs and logged models, folder by folder.

use super::{
    artifacts::checked,
    call::Call,
    failure::{Answer, Failure},
    find,
    routes::Table,
};
use axum::{Json, routing::get};
use http::Method;
use mlflow::{
    artifacts::{File, List, proxy_path},
    logged_models::ListFiles,
    runs::run_id,
};
use serde_json::{Value, json};
use store::{Artifact, Artifacts as _};

pub(super) fn routes(table: Table) -> Table {
    table
        .read(
            Method::GET,
            "/mlflow/artifacts/list",
            "MLflow: files of a run",
            get(of_run),
        )
        .read(
            Method::GET,
            "/mlflow/logged-models/{model_id}/artifacts/directories",
            "MLflow: files of a logged model",
            get(of_model),
        )
}

pub(super) async fn of_run(call: Call<List>) -> Answer<Value> {
    let asked = &call.message;
    let id = run_id(asked.run_id.as_deref(), asked.run_uuid.as_deref())?.to_owned();
    let below = checked(asked.path.as_deref().unwrap_or_default())?;
    let project = call.project().to_owned();
    let run = call.read(move |tx| find::head(tx, &project, &id)).await?;
    files(&call, run.artifact_uri, &below).await
}

async fn of_model(call: Call<ListFiles>) -> Answer<Value> {
    let below = checked(
        call.message
            .artifact_directory_path
            .as_deref()
            .unwrap_or_default(),
    )?;
    let (project, id) = (call.project().to_owned(), call.param("model_id").to_owned());
    let model = call
        .read(move |tx| find::logged_model(tx, &project, &id))
        .await?;
    files(&call, model.artifact_uri, &below).await
}

/// The files right below a folder of a root; a root elsewhere is not looked into.
async fn files<M>(call: &Call<M>, root_uri: String, below: &str) -> Answer<Value> {
    let Some(root) = proxy_path(&root_uri).map(str::to_owned) else {
        return Ok(Json(answer(&[], Some(&root_uri))));
    };
    let folder = if below.is_empty() {
        root.clone()
    } else {
        format!("{root}/{below}")
    };
    let found = below_folder(call, &folder).await?;
    let relative = |file: File| File {
        path: file
            .path
            .strip_prefix(&root)
            .unwrap_or(&file.path)
            .trim_start_matches('/')
            .to_owned(),
        ..file
    };
    let files: Vec<File> = children(&found, &folder)
        .into_iter()
        .map(relative)
        .collect();
    Ok(Json(answer(&files, Some(&root_uri))))
}

async fn below_folder<M>(call: &Call<M>, folder: &str) -> Result<Vec<Artifact>, Failure> {
    let (project, folder) = (call.project().to_owned(), folder.to_owned());
    call.read(move |tx| tx.artifacts(&project, &folder)).await
}

/// A listing as the protocol shows it: what is empty is left out.
pub(super) fn answer(files: &[File], root_uri: Option<&str>) -> Value {
    let mut answer = json!({});
    if !files.is_empty() {
        answer["files"] = json!(files);
    }
    if let Some(uri) = root_uri {
        answer["root_uri"] = json!(uri);
    }
    answer
}

/// The files and folders right below `folder`, of all files below it in order.
pub(super) fn children(all: &[Artifact], folder: &str) -> Vec<File> {
    let mut children: Vec<File> = Vec::new();
    for artifact in all {
        let rest = if folder.is_empty() {
            artifact.path.as_str()
        } else {
            artifact.path.get(folder.len() + 1..).unwrap_or_default()
        };
        let start = artifact.path.len() - rest.len();
        let (name, is_dir) = match rest.split_once('/') {
            Some((name, _)) => (name, true),
            None => (rest, false),
        };
        let path = &artifact.path[..start + name.len()];
        // All that is below one folder comes in one go.
        if children.last().is_some_and(|child| child.path == path) {
            continue;
        }
        children.push(File {
            path: path.to_owned(),
            is_dir,
            // Like what is unset, an empty file's size is left out.
            file_size: (!is_dir && artifact.size > 0).then_some(artifact.size),
        });
    }
    children
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::Digest;

    #[test]
    fn files_and_folders_right_below() {
        let all = ["r/a/b/c.txt", "r/a/d", "r/a.txt", "r/z/1", "r/z/2"].map(|path| Artifact {
            project: "p".into(),
            path: path.into(),
            digest: Digest::of(b"x"),
            size: 1,
            created_at: jiff::Timestamp::UNIX_EPOCH,
        });
        let check = |all: &[Artifact], folder: &str, expect: &[(&str, bool)]| {
            let got = children(all, folder);
            let got: Vec<_> = got
                .iter()
                .map(|file| (file.path.as_str(), file.is_dir))
                .collect();
            assert_eq!(got, expect, "{folder}");
        };
        check(
            &all,
            "r",
            &[("r/a", true), ("r/a.txt", false), ("r/z", true)],
        );
        check(&all, "", &[("r", true)]);
        check(&all[..2], "r/a", &[("r/a/b", true), ("r/a/d", false)]);
        assert_eq!(answer(&[], None), json!({}));
    }
}
