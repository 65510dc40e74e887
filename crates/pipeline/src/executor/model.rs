//! What serves of a registered output, by the engines of the services that the commit's file gives it.

use super::{Executor, Fault};
use crate::{
    signature,
    tree::{self, Held},
};
use inference::onnx;
use mlflow::model_file;
use serde_json::Value as Json;
use spec::EngineKind;
use store::Digest;

/// A larger file than this is not described (it would be read into memory); it must be an external-data model.
const MODEL_LIMIT: u64 = 2 << 30;

/// What serves.
pub(super) struct Model {
    /// A file or a tree.
    pub artifact: Digest,
    /// Its inputs and outputs, if they are known.
    pub signature: Json,
    /// Whether it is one ONNX file.
    pub is_onnx: bool,
}

impl Executor {
    /// What serves of an output, and its inputs and outputs: an ONNX file, or for other engines the output itself.
    pub(super) async fn model(
        &self,
        output: &Digest,
        engines: &[EngineKind],
    ) -> Result<Result<Model, String>, Fault> {
        let tree = match tree::open(output, &self.parts.blobs).await? {
            Held::File => None,
            Held::Tree(files) => Some(files),
        };
        let whole = |signature| Model {
            artifact: output.clone(),
            signature,
            is_onnx: false,
        };
        if !engines.is_empty() && engines.iter().all(|engine| *engine == EngineKind::Command) {
            return Ok(Ok(whole(Json::Null)));
        }
        let onnx = match &tree {
            None => Some(output.clone()),
            Some(files) => {
                let all = files.files().iter();
                let onnx: Vec<_> = all.filter(|file| file.path.ends_with(".onnx")).collect();
                match onnx.as_slice() {
                    [] => None,
                    [one] => Some(one.digest.clone()),
                    _ => return Ok(Err("holds several .onnx files: name one of them".to_owned())),
                }
            }
        };
        let described = tree.as_ref().and_then(|files| files.file(model_file::NAME));
        let by_python = engines.contains(&EngineKind::Pyfunc);
        match (described, onnx) {
            (Some(file), None) if by_python || engines.is_empty() => {
                Ok(Ok(whole(self.signature(&file.digest).await?)))
            }
            (Some(file), Some(_)) if by_python => Ok(Ok(whole(self.signature(&file.digest).await?))),
            (_, _) if by_python => Ok(Err("is no folder that MLflow wrote for a model: `mlflow.….save_model` writes one".to_owned())),
            (Some(_), None) => Ok(Err("holds no .onnx file: set `engine: pyfunc` for its service, or log the model with `mlflow.onnx`".to_owned())),
            (None, None) => Ok(Err("holds no .onnx file: log the model with `mlflow.onnx`, or write the ONNX file itself".to_owned())),
            (_, Some(onnx)) => self.onnx(onnx).await,
        }
    }

    /// What an MLflow model says that it takes and gives.
    async fn signature(&self, file: &Digest) -> Result<Json, Fault> {
        let bytes = self.parts.blobs.get(file).await?;
        let text = String::from_utf8_lossy(&bytes);
        let signature = model_file::signature(&text);
        Ok(match signature {
            Some(signature) => serde_json::to_value(signature::describe(&signature))?,
            None => Json::Null,
        })
    }

    async fn onnx(&self, artifact: Digest) -> Result<Result<Model, String>, Fault> {
        if tree::size(&artifact, &self.parts.blobs).await? > MODEL_LIMIT {
            return Ok(Err("is larger than 2 GiB, which no ONNX file is".to_owned()));
        }
        let bytes = self.parts.blobs.get(&artifact).await?;
        let described = onnx::describe(&bytes).and_then(|summary| summary.description());
        Ok(match described {
            Ok(description) => Ok(Model {
                artifact,
                signature: serde_json::to_value(description)?,
                is_onnx: true,
            }),
            Err(error) => Err(format!("is not a model that can be served: {error}")),
        })
    }
}
