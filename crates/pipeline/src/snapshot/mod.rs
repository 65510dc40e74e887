//! Snapshots: the files of a run as a tree of digests, and its checkout.
//!
//! Taken when a run is asked for, from a commit or from the work tree (tracked and unignored files); from then on
//! edits change nothing. The manifest is a blob, so a run names its whole source by one digest.

mod checkout;
mod take;

pub use checkout::checkout;
pub use take::{SnapshotError, of_commit, of_worktree};

use globset::{GlobBuilder, GlobSetBuilder};
use serde::{Deserialize, Serialize};
use store::Digest;

/// One file of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Relative to the project file's folder, with `/`.
    pub path: String,
    /// May be executed.
    pub executable: bool,
    /// Content.
    pub digest: Digest,
    /// Bytes.
    pub size: u64,
}

/// The files of a snapshot, ordered by path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    files: Vec<Entry>,
}

impl Manifest {
    /// What the bytes of every manifest begin with.
    pub(crate) const BEGIN: &[u8] = b"{\"files\":[";

    /// A manifest of these files.
    pub fn new(mut files: Vec<Entry>) -> Self {
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Manifest { files }
    }

    /// The files.
    pub fn files(&self) -> &[Entry] {
        &self.files
    }

    /// One file.
    pub fn file(&self, path: &str) -> Option<&Entry> {
        self.files
            .binary_search_by(|entry| entry.path.as_str().cmp(path))
            .ok()
            .map(|at| &self.files[at])
    }

    /// The canonical bytes that are stored, and whose digest names the snapshot.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("texts, numbers and digests always serialise")
    }

    /// Reads what [`Manifest::to_bytes`] wrote.
    ///
    /// # Errors
    /// When the bytes are something else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }

    /// The snapshot's name.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.to_bytes())
    }

    /// The files that `patterns` name (`*` within a folder, `**` across; a folder's name means all in it); every
    /// file without patterns.
    pub fn visible(&self, patterns: Option<&[String]>) -> Manifest {
        let Some(patterns) = patterns else {
            return self.clone();
        };
        let mut set = GlobSetBuilder::new();
        for pattern in patterns {
            let pattern = pattern.trim_start_matches("./").trim_end_matches('/');
            for glob in [pattern.to_owned(), format!("{pattern}/**")] {
                // A pattern that is no glob names a file with that very name, and no snapshot has one.
                if let Ok(glob) = GlobBuilder::new(&glob).literal_separator(true).build() {
                    set.add(glob);
                }
            }
        }
        let Ok(set) = set.build() else {
            return Manifest::default();
        };
        Manifest {
            files: self
                .files
                .iter()
                .filter(|entry| set.is_match(&entry.path))
                .cloned()
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests;
