//! Artifacts: the proxy's answers and the URIs that name them.

use crate::{Error, limits, tag::integer};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One file or folder of a listing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Relative to the run's root, or to the listed folder in the proxy's own listing.
    pub path: String,
    /// A folder.
    pub is_dir: bool,
    /// Bytes; absent for folders and empty files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_size: Option<u64>,
}

/// `artifacts/list` of a run.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct List {
    /// Which run.
    pub run_id: Option<String>,
    /// The same, from old clients.
    pub run_uuid: Option<String>,
    /// Folder under the run's root.
    pub path: Option<String>,
}

/// `mpu/create` of an upload in parts; the folder is in the path of the request.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct CreateMultipart {
    /// The file at the client, of which the name counts.
    pub path: String,
    /// How many parts will come.
    #[serde(deserialize_with = "integer::deserialize")]
    pub num_parts: Option<i64>,
}

/// Where one part goes, and with which headers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Credential {
    /// The address for a PUT.
    pub url: String,
    /// From 1.
    pub part_number: u32,
    /// To send along.
    pub headers: BTreeMap<String, String>,
}

/// `mpu/complete`, and without its parts `mpu/abort`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct EndMultipart {
    /// The file at the client, of which the name counts.
    pub path: String,
    /// Which upload.
    pub upload_id: String,
    /// What was sent.
    pub parts: Vec<SentPart>,
}

/// A part as the client remembers it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct SentPart {
    /// From 1.
    pub part_number: u32,
    /// As the server named its bytes.
    pub etag: String,
}

/// The most parts of one upload.
const MOST_PARTS: i64 = 10_000;

/// The number of parts of an upload to begin.
///
/// # Errors
/// INVALID_PARAMETER_VALUE.
pub fn number_of_parts(asked: Option<i64>) -> Result<u32, Error> {
    let asked = asked.unwrap_or(1);
    u32::try_from(asked)
        .ok()
        .filter(|_| (1..=MOST_PARTS).contains(&asked))
        .ok_or_else(|| {
            Error::invalid(format!(
                "num_parts must be between 1 and {MOST_PARTS} (got {asked})"
            ))
        })
}

/// The name that a file has at the client, whatever system that runs.
pub fn file_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

/// `presigned-upload-url` and `presigned-download-url`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Presign {
    /// A run's file …
    pub run_id: Option<String>,
    /// … or a logged model's.
    pub model_id: Option<String>,
    /// Below its root.
    pub path: Option<String>,
    /// For how many seconds.
    #[serde(deserialize_with = "integer::deserialize")]
    pub expiration: Option<i64>,
}

/// `get-artifact` and its likes.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct GetFile {
    /// Of this run …
    pub run_id: Option<String>,
    /// … the same from old clients …
    pub run_uuid: Option<String>,
    /// … or of this model …
    pub name: Option<String>,
    /// … in this version.
    pub version: Option<String>,
    /// The file below the root.
    pub path: Option<String>,
    /// The same for logged models.
    pub artifact_file_path: Option<String>,
}

const SCHEME: &str = "mlflow-artifacts:/";

/// The URI of an experiment's artifact root.
pub fn experiment_root(experiment_id: &str) -> String {
    format!("{SCHEME}{experiment_id}")
}

/// The URI of a run's artifact root.
pub fn run_root(experiment_id: &str, run_id: &str) -> String {
    format!("{SCHEME}{experiment_id}/{run_id}/artifacts")
}

/// The folder in a run's root that is Mainspan's own.
const OURS: &str = "mainspan";

/// The path below a run's root of what was registered from an output of its step.
pub fn registered(root: &str, output: &str) -> String {
    format!("{root}/{OURS}/{output}")
}

/// The URI by which a version says that its files are there.
pub fn registered_uri(run_id: &str, output: &str) -> String {
    registered(&format!("runs:/{run_id}"), output)
}

/// Whether a path below a run's root is in that folder.
pub fn is_ours(below: &str) -> bool {
    below == OURS
        || below
            .strip_prefix(OURS)
            .is_some_and(|rest| rest.starts_with('/'))
}

/// The URI of a logged model's artifact root.
pub fn model_root(experiment_id: &str, model_id: &str) -> String {
    format!("{SCHEME}{experiment_id}/models/{model_id}/artifacts")
}

/// The URI of a place below another: the query of an object store's URI stays at its end.
pub fn below(root: &str, path: &str) -> String {
    let (place, query) = root
        .split_once('?')
        .map_or((root, None), |(place, query)| (place, Some(query)));
    let place = place.trim_end_matches('/');
    match query {
        None => format!("{place}/{path}"),
        Some(query) => format!("{place}/{path}?{query}"),
    }
}

/// Checks a place for artifacts that a client names: it may not point out of itself.
///
/// # Errors
/// INVALID_PARAMETER_VALUE.
pub fn check_location(uri: &str) -> Result<(), Error> {
    let plain = uri
        .to_ascii_lowercase()
        .replace("%2e", ".")
        .replace("%2f", "/");
    let climbs = plain.split(['/', '\\']).any(|part| part == "..") || plain.contains("%25");
    if climbs || uri.contains(['#', '\0']) || uri.chars().any(char::is_control) {
        return Err(Error::invalid(
            "'artifact_location' must not contain '..', '#' or control characters",
        ));
    }
    limits::at_most("artifact_location", uri, 2048)
}

/// Schemes whose URIs name a host that clients of this server would then be sent to.
const HOSTS: [&str; 9] = [
    "http", "https", "ftp", "sftp", "hdfs", "viewfs", "r2", "b2", "abfss",
];

/// Checks the place of an experiment's artifacts: a store, and not a host that the client picks.
///
/// # Errors
/// INVALID_PARAMETER_VALUE.
pub fn check_experiment_location(uri: &str) -> Result<(), Error> {
    check_location(uri)?;
    let scheme = uri.split_once(':').map_or("", |(scheme, _)| scheme);
    let elsewhere = uri
        .strip_prefix("mlflow-artifacts://")
        .is_some_and(|rest| !rest.starts_with('/'));
    let refused = HOSTS.iter().chain(&["runs"]);
    if elsewhere
        || refused
            .into_iter()
            .any(|host| scheme.eq_ignore_ascii_case(host))
    {
        return Err(Error::invalid(format!(
            "'artifact_location' cannot use the '{scheme}' scheme: leave it out, or name an object store"
        )));
    }
    Ok(())
}

/// The path under the proxy that a URI names; `None` for another scheme.
pub fn proxy_path(uri: &str) -> Option<&str> {
    uri.strip_prefix(SCHEME)
        .map(|rest| rest.trim_start_matches('/').trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_and_paths() {
        let uri = run_root("3", "ab");
        assert_eq!(proxy_path(&uri), Some("3/ab/artifacts"));
        assert_eq!(proxy_path("mlflow-artifacts:///3/ab"), Some("3/ab"));
        assert_eq!(proxy_path("s3://x/y"), None);
        assert_eq!(
            below("s3://b/p?region=eu", "r/artifacts"),
            "s3://b/p/r/artifacts?region=eu"
        );
        assert_eq!(file_name("/tmp/x/big.bin"), "big.bin");
        assert_eq!(file_name(r"C:\x\big.bin"), "big.bin");
        for (asked, expect) in [
            (None, Some(1)),
            (Some(10_000), Some(10_000)),
            (Some(0), None),
            (Some(10_001), None),
        ] {
            assert_eq!(number_of_parts(asked).ok(), expect, "{asked:?}");
        }
        assert!(check_location("s3://bucket/a..b").is_ok());
        for bad in [
            "s3://b/../c",
            "file:///a/%2e%2E/b",
            "x/%252e%252e/y",
            "a#b",
            "a\\..\\b",
        ] {
            assert!(check_location(bad).is_err(), "{bad}");
        }
    }
}
