//! The files that MLflow clients find behind a registered version: names below its step's MLflow run that point at
//! what was registered, whether or not the step logged it.
//!
//! Used by [`super::finish`]. The folder is Mainspan's own, so that nothing a step or a person logs gets in its way;
//! the server lets nobody else write there.

use super::{Executor, Fault};
use crate::tree::{self, Held};
use jiff::Timestamp;
use mlflow::{artifacts, model_file};
use store::{Artifact, Artifacts as _, Digest, LoggedModels as _, TrackingRead as _, Tx};

/// The name of a file that is no part of a folder.
const FILE: &str = "model.onnx";

/// A file of a model: where it is in the folder, and its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Part {
    path: String,
    digest: Digest,
    size: u64,
}

/// What is registered.
pub(super) struct Registered<'a> {
    /// The project.
    pub project: &'a str,
    /// The MLflow run of the attempt that wrote it.
    pub attempt: &'a str,
    /// The output's name.
    pub name: &'a str,
    /// A file or a tree.
    pub output: &'a Digest,
    /// The ONNX file, if one serves: the output, or one of the tree.
    pub onnx: Option<&'a Digest>,
}

impl Executor {
    /// The names to put, all below [`artifacts::registered`]. Puts the bytes of what is written here.
    pub(super) async fn files(
        &self,
        of: &Registered<'_>,
        now: Timestamp,
    ) -> Result<Vec<Artifact>, Fault> {
        let (project, attempt, onnx) = (
            of.project.to_owned(),
            of.attempt.to_owned(),
            of.onnx.cloned(),
        );
        let found = self
            .parts
            .store
            .read(move |tx| logged(tx, &project, &attempt, onnx.as_ref()))
            .await?;
        let Some((root, logged)) = found else {
            return Ok(Vec::new());
        };
        let mut parts = self.parts_of(of.output).await?;
        match (of.onnx, logged) {
            // What is no ONNX file is loaded by what lies beside it, or by no client of MLflow.
            _ if describes(&parts) => {}
            (None, _) => {}
            (Some(_), Some(logged)) => parts = logged,
            (Some(onnx), None) => parts.push(self.describe(of.attempt, onnx, &parts).await?),
        }
        let folder = artifacts::registered(&root, of.name);
        Ok(parts
            .into_iter()
            .map(|part| Artifact {
                project: of.project.to_owned(),
                path: format!("{folder}/{}", part.path),
                digest: part.digest,
                size: part.size,
                created_at: now,
            })
            .collect())
    }

    async fn parts_of(&self, output: &Digest) -> Result<Vec<Part>, Fault> {
        let one = |path: &str, digest: &Digest, size| Part {
            path: path.to_owned(),
            digest: digest.clone(),
            size,
        };
        Ok(match tree::open(output, &self.parts.blobs).await? {
            Held::File => vec![one(
                FILE,
                output,
                tree::size(output, &self.parts.blobs).await?,
            )],
            Held::Tree(files) => files
                .files()
                .iter()
                .map(|file| one(&file.path, &file.digest, file.size))
                .collect(),
        })
    }

    /// The file that says how to load what has none.
    async fn describe(&self, attempt: &str, onnx: &Digest, parts: &[Part]) -> Result<Part, Fault> {
        let onnx = parts.iter().find(|part| part.digest == *onnx);
        let data = onnx.map_or(FILE, |part| part.path.as_str());
        let text = model_file::onnx(data, attempt);
        let size = text.len() as u64;
        Ok(Part {
            path: model_file::NAME.to_owned(),
            digest: self.parts.blobs.put(text).await?,
            size,
        })
    }
}

fn describes(parts: &[Part]) -> bool {
    parts.iter().any(|part| part.path == model_file::NAME)
}

/// Where an attempt's files are under the proxy, and the folder with the same ONNX file that it logged with MLflow: a
/// logged model, or files of the run itself.
fn logged(
    tx: &mut Tx<'_>,
    project: &str,
    attempt: &str,
    onnx: Option<&Digest>,
) -> store::Result<Option<(String, Option<Vec<Part>>)>> {
    let Some(run) = tx.tracked_run(attempt)? else {
        return Ok(None);
    };
    let Some(root) = artifacts::proxy_path(&run.artifact_uri).map(str::to_owned) else {
        return Ok(None);
    };
    let Some(onnx) = onnx else {
        return Ok(Some((root, None)));
    };
    let mut places = Vec::new();
    for output in &run.outputs {
        let model = tx.logged_model(&output.model_id)?;
        let place =
            model.and_then(|model| artifacts::proxy_path(&model.artifact_uri).map(str::to_owned));
        places.extend(place);
    }
    places.push(root.clone());
    for place in places {
        let files = tx.artifacts(project, &place)?;
        if let Some(parts) = folder_of(&files, onnx) {
            return Ok(Some((root, Some(parts))));
        }
    }
    Ok(Some((root, None)))
}

/// The files of the folder that holds `onnx` and says how to load it.
fn folder_of(files: &[Artifact], onnx: &Digest) -> Option<Vec<Part>> {
    let held = files.iter().filter(|file| file.digest == *onnx);
    let mut folders = held.filter_map(|file| Some(file.path.rsplit_once('/')?.0));
    folders.find_map(|folder| {
        let below = files.iter().filter_map(|file| {
            let path = file.path.strip_prefix(folder)?.strip_prefix('/')?;
            Some(Part {
                path: path.to_owned(),
                digest: file.digest.clone(),
                size: file.size,
            })
        });
        let parts: Vec<Part> = below.collect();
        describes(&parts).then_some(parts)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_that_was_logged_with_the_same_file() {
        let file = |path: &str, text: &str| Artifact {
            project: "p".into(),
            path: path.into(),
            digest: Digest::of(text.as_bytes()),
            size: text.len() as u64,
            created_at: Timestamp::UNIX_EPOCH,
        };
        let check = |files: &[Artifact], expect: Option<&[&str]>| {
            let parts = folder_of(files, &Digest::of(b"onnx"));
            let paths: Option<Vec<&str>> = parts
                .as_ref()
                .map(|parts| parts.iter().map(|part| part.path.as_str()).collect());
            assert_eq!(paths.as_deref(), expect, "{files:?}");
        };
        let model = file("1/r/artifacts/m/model.onnx", "onnx");
        let said = file("1/r/artifacts/m/MLmodel", "said");
        let other = file("1/r/artifacts/other/MLmodel", "said");
        let deep = file("1/r/artifacts/m/data/x", "x");
        check(&[], None);
        check(&[model.clone(), other.clone()], None);
        check(
            &[said.clone(), deep, model, other],
            Some(&["MLmodel", "data/x", "model.onnx"]),
        );
        check(&[said, file("1/r/artifacts/m/model.onnx", "another")], None);
    }
}
