//! Artifacts: the proxy's answers and the URIs that name them.

use serde::{Deserialize, Serialize};

/// One file or folder of a listing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Relative to the run's root, or to the listed folder in the proxy's own listing.
    pub path: String,
    /// A folder.
    pub is_dir: bool,
    /// Bytes; absent for folders.
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

const SCHEME: &str = "mlflow-artifacts:/";

/// The URI of an experiment's artifact root.
pub fn experiment_root(experiment_id: &str) -> String {
    format!("{SCHEME}{experiment_id}")
}

/// The URI of a run's artifact root.
pub fn run_root(experiment_id: &str, run_id: &str) -> String {
    format!("{SCHEME}{experiment_id}/{run_id}/artifacts")
}

/// The URI of a logged model's artifact root.
pub fn model_root(experiment_id: &str, model_id: &str) -> String {
    format!("{SCHEME}{experiment_id}/models/{model_id}/artifacts")
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
    }
}
