//! Taking a snapshot: every file's bytes into the blobs, then the manifest.

use super::{Entry, Manifest};
use crate::git::{GitError, Repository};
use std::{
    io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};
use store::{Blobs, Digest};

/// A file larger than this is data, not source: name it as a dataset.
const FILE_LIMIT: u64 = 64 << 20;
/// More files than this are not a project's source.
const COUNT_LIMIT: usize = 50_000;
const SYMLINK: u32 = 0o120_000;

/// A snapshot that cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The repository cannot be read.
    #[error(transparent)]
    Git(#[from] GitError),
    /// The blobs cannot be written or read.
    #[error("cannot keep the snapshot")]
    Store(#[from] store::Error),
    /// A file cannot be read or written.
    #[error("cannot use `{}`", .0.display())]
    Io(PathBuf, #[source] io::Error),
    /// A file that does not belong into a snapshot.
    #[error(
        "`{0}` has {1} bytes, and a snapshot's files may have {FILE_LIMIT}: let git ignore it and read it as a dataset"
    )]
    TooLarge(String, u64),
    /// A tree that does not belong into a snapshot.
    #[error(
        "{0} files, and a snapshot may have {COUNT_LIMIT}: let git ignore what the steps do not need"
    )]
    TooMany(usize),
    /// A symbolic link.
    #[error(
        "`{0}` is a symbolic link: snapshots hold plain files, so replace it by what it points at"
    )]
    Symlink(String),
}

/// The files of a commit under the repository's opened folder.
///
/// # Errors
/// See [`SnapshotError`].
pub async fn of_commit(
    repository: &Repository,
    commit: &str,
    blobs: &Blobs,
) -> Result<Manifest, SnapshotError> {
    let tree = repository.tree(commit).await?;
    if tree.len() > COUNT_LIMIT {
        return Err(SnapshotError::TooMany(tree.len()));
    }
    if let Some(link) = tree.iter().find(|entry| entry.mode == SYMLINK) {
        return Err(SnapshotError::Symlink(link.path.clone()));
    }
    let objects: Vec<String> = tree.iter().map(|entry| entry.object.clone()).collect();
    let contents = repository.contents(&objects).await?;
    let mut files = Vec::with_capacity(tree.len());
    for (entry, bytes) in tree.into_iter().zip(contents) {
        files.push(keep(entry.path, entry.mode & 0o111 != 0, bytes, blobs).await?);
    }
    finish(files, blobs).await
}

/// Tracked and unignored files of the work tree as they are now.
///
/// # Errors
/// See [`SnapshotError`].
pub async fn of_worktree(
    repository: &Repository,
    blobs: &Blobs,
) -> Result<Manifest, SnapshotError> {
    let paths = repository.files().await?;
    if paths.len() > COUNT_LIMIT {
        return Err(SnapshotError::TooMany(paths.len()));
    }
    let folder = repository.root().join(repository.prefix());
    let mut files = Vec::with_capacity(paths.len());
    for path in paths {
        let place = folder.join(&path);
        let meta = match std::fs::symlink_metadata(&place) {
            Ok(meta) => meta,
            // Tracked, but removed from the work tree: it is not part of what is there now.
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            Err(e) => return Err(SnapshotError::Io(place, e)),
        };
        if meta.is_symlink() {
            return Err(SnapshotError::Symlink(path));
        }
        if !meta.is_file() {
            continue;
        }
        let bytes = read(&place, &path, meta.len())?;
        files.push(keep(path, meta.permissions().mode() & 0o111 != 0, bytes, blobs).await?);
    }
    finish(files, blobs).await
}

fn read(place: &Path, path: &str, size: u64) -> Result<Vec<u8>, SnapshotError> {
    if size > FILE_LIMIT {
        return Err(SnapshotError::TooLarge(path.to_owned(), size));
    }
    std::fs::read(place).map_err(|e| SnapshotError::Io(place.to_owned(), e))
}

async fn keep(
    path: String,
    executable: bool,
    bytes: Vec<u8>,
    blobs: &Blobs,
) -> Result<Entry, SnapshotError> {
    let size = bytes.len() as u64;
    if size > FILE_LIMIT {
        return Err(SnapshotError::TooLarge(path, size));
    }
    let digest: Digest = blobs.put(bytes).await?;
    Ok(Entry {
        path,
        executable,
        digest,
        size,
    })
}

async fn finish(files: Vec<Entry>, blobs: &Blobs) -> Result<Manifest, SnapshotError> {
    let manifest = Manifest::new(files);
    blobs.put(manifest.to_bytes()).await?;
    Ok(manifest)
}
