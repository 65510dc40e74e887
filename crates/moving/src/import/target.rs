//! The project that takes records in: Mainspan's own import, and its artifact proxy.

use crate::{
    error::{Error, Result},
    http::{Http, escape, escape_path},
};
use mlflow::{
    artifacts,
    moving::{AskFiles, AskPoints, Batch, FilesOf, Held, Item, Outcome, Outcomes, PointsOf},
    tally::Shown,
};
use std::{collections::BTreeMap, io::Read};

/// How large a message may become.
const BYTES: usize = 8 << 20;
/// How many records it may have.
const ITEMS: usize = 500;

/// A project of a running server.
#[derive(Debug)]
pub struct Target {
    http: Http,
    project: String,
}

impl Target {
    /// A project of the server.
    #[must_use]
    pub fn new(http: Http, project: &str) -> Self {
        Target {
            http,
            project: escape(project),
        }
    }

    pub(super) fn http(&self) -> &Http {
        &self.http
    }

    /// What comes before the paths of foreign protocols.
    pub(super) fn base(&self) -> String {
        format!("/p/{}", self.project)
    }

    fn at(&self, what: &str) -> String {
        format!("/api/v1/projects/{}/import{what}", self.project)
    }

    /// Sends records; as many answers come back.
    pub(super) fn take(&self, items: Vec<Item>) -> Result<Vec<Outcome>> {
        let mut outcomes = Vec::with_capacity(items.len());
        let (mut some, mut size) = (Vec::new(), 0);
        for item in items {
            let length = serde_json::to_string(&item).map_or(0, |text| text.len());
            if some.len() >= ITEMS || (size + length > BYTES && !some.is_empty()) {
                outcomes.append(&mut self.send(std::mem::take(&mut some))?);
                size = 0;
            }
            size += length;
            some.push(item);
        }
        outcomes.append(&mut self.send(some)?);
        Ok(outcomes)
    }

    fn send(&self, items: Vec<Item>) -> Result<Vec<Outcome>> {
        if items.is_empty() {
            return Ok(Vec::new());
        }
        let sent = items.len();
        let Outcomes { outcomes } = self.http.post(&self.at(""), &Batch { items })?;
        if outcomes.len() == sent {
            return Ok(outcomes);
        }
        let why = format!("{} answers to {sent} records", outcomes.len());
        Err(Error::shape("the answer of the import", why))
    }

    /// What runs hold already.
    pub(super) fn points(&self, run_ids: Vec<String>) -> Result<BTreeMap<String, Shown>> {
        if run_ids.is_empty() {
            return Ok(BTreeMap::new());
        }
        let of: PointsOf = self
            .http
            .post(&self.at("/points"), &AskPoints { run_ids })?;
        Ok(of.runs)
    }

    /// The files below a place.
    pub(super) fn files(&self, artifact_uri: &str) -> Result<BTreeMap<String, Held>> {
        let asked = AskFiles {
            artifact_uri: artifact_uri.to_owned(),
        };
        let of: FilesOf = self.http.post(&self.at("/files"), &asked)?;
        Ok(of
            .files
            .into_iter()
            .map(|held| (held.path.clone(), held))
            .collect())
    }

    /// Puts a file below a place.
    pub(super) fn put(&self, artifact_uri: &str, path: &str, from: impl Read + Send) -> Result<()> {
        let root = artifacts::proxy_path(artifact_uri).unwrap_or(artifact_uri);
        let path = escape_path(&format!("{root}/{path}"));
        let at = format!(
            "/p/{}/api/2.0/mlflow-artifacts/artifacts/{path}",
            self.project
        );
        self.http.upload(&at, from)
    }
}
