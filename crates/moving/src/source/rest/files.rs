//! Files of a server: through its artifact proxy where they are kept there, else as its pages get them.

use super::API;
use crate::{
    error::Result,
    http::{Http, escape, escape_path},
    source::{Owner, Place},
};
use mlflow::artifacts::{File, proxy_path};
use serde::Deserialize;
use std::io::Read;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Listed {
    files: Vec<File>,
}

/// All files below a place, asked folder by folder.
pub(super) fn all(http: &Http, place: &Place) -> Result<Vec<File>> {
    let mut folders = vec![String::new()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for file in list(http, place, &folder)? {
            if file.is_dir {
                folders.push(file.path);
            } else {
                // Of an empty file, MLflow says no size.
                found.push(File {
                    file_size: Some(file.file_size.unwrap_or_default()),
                    ..file
                });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

fn list(http: &Http, place: &Place, folder: &str) -> Result<Vec<File>> {
    let folder = Some(folder).filter(|folder| !folder.is_empty());
    let listed: Listed = match &place.owner {
        Owner::Run(id) => {
            let mut query = vec![("run_id", id.as_str())];
            query.extend(folder.map(|folder| ("path", folder)));
            http.get(&format!("{API}/artifacts/list"), &query)?
        }
        Owner::Model(id) => {
            let query: Vec<_> = folder
                .map(|folder| ("artifact_directory_path", folder))
                .into_iter()
                .collect();
            let path = format!("{API}/logged-models/{}/artifacts/directories", escape(id));
            http.get(&path, &query)?
        }
    };
    Ok(listed.files)
}

pub(super) fn open(http: &Http, place: &Place, path: &str) -> Result<Box<dyn Read + Send>> {
    let file = match (proxy_path(&place.uri), &place.owner) {
        (Some(root), _) => {
            let path = escape_path(&format!("{root}/{path}"));
            http.download(&format!("/api/2.0/mlflow-artifacts/artifacts/{path}"), &[])?
        }
        (None, Owner::Run(id)) => {
            http.download("/get-artifact", &[("run_id", id.as_str()), ("path", path)])?
        }
        (None, Owner::Model(id)) => http.download(
            &format!(
                "/ajax-api/2.0/mlflow/logged-models/{}/artifacts/files",
                escape(id)
            ),
            &[("artifact_file_path", path)],
        )?,
    };
    Ok(Box::new(file))
}
