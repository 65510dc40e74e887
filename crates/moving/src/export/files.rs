//! Files into the artifact proxy of an MLflow server.

use super::Export;
use crate::{
    error::{Error, Result},
    http::escape_path,
    import::files::hashed,
    report::Kind,
    source::{Place, Source as _},
};
use mlflow::{artifacts::proxy_path, moving::State};
use std::collections::BTreeMap;

impl Export<'_> {
    /// Sends the files of a place that are not there.
    pub(super) fn files(&mut self, here: &Place, there: &Place) -> Result<()> {
        if !self.options.files {
            return Ok(());
        }
        let files = self.source.files(here)?;
        if files.is_empty() {
            return Ok(());
        }
        self.report.count(Kind::Files).found += files.len() as u64;
        let Some(root) = proxy_path(&there.uri).map(str::to_owned) else {
            let why = "the server does not keep artifacts itself: start it with --serve-artifacts";
            for file in files {
                self.report
                    .tell(Kind::Files, &file.path, State::Failed, Some(why));
            }
            return Ok(());
        };
        let held = self.sizes(there)?;
        let mut sent = Vec::new();
        for file in files {
            let name = format!("{}/{}", here.uri, file.path);
            match held.get(&file.path) {
                None => {
                    self.send_file(here, &root, &file.path)?;
                    sent.push(file);
                }
                Some(size) => {
                    let mut same = file.file_size.is_none() || *size == file.file_size;
                    if same && self.options.verify {
                        let ours = hashed(self.source.open(here, &file.path)?)?;
                        same = hashed(self.there.open(there, &file.path)?)? == ours;
                    }
                    let state = if same { State::Same } else { State::Different };
                    let why = "a file of that name is there, with other bytes";
                    self.report.tell(Kind::Files, &name, state, Some(why));
                }
            }
        }
        if sent.is_empty() {
            return Ok(());
        }
        let held = self.sizes(there)?;
        for file in sent {
            let arrived = held
                .get(&file.path)
                .is_some_and(|size| *size == file.file_size);
            let state = if arrived {
                State::Copied
            } else {
                State::Failed
            };
            let name = format!("{}/{}", here.uri, file.path);
            self.report
                .tell(Kind::Files, &name, state, Some("it has not arrived whole"));
        }
        Ok(())
    }

    fn sizes(&mut self, there: &Place) -> Result<BTreeMap<String, Option<u64>>> {
        match self.there.files(there) {
            Ok(files) => Ok(files
                .into_iter()
                .map(|file| (file.path, file.file_size))
                .collect()),
            Err(Error::Refused { status: 404, .. }) => Ok(BTreeMap::new()),
            Err(error) => Err(error),
        }
    }

    fn send_file(&mut self, here: &Place, root: &str, path: &str) -> Result<()> {
        let from = self.source.open(here, path)?;
        let path = escape_path(&format!("{root}/{path}"));
        self.http
            .upload(&format!("/api/2.0/mlflow-artifacts/artifacts/{path}"), from)
    }
}
