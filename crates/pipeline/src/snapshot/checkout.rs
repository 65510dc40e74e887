//! Writing a snapshot's files to a folder that units copy from.

use super::{Manifest, SnapshotError};
use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};
use store::Blobs;

/// Writes the snapshot under `folder/<digest>` unless a whole one is there already, and returns that path.
///
/// The folder is good once `<digest>` exists: it is filled under another name and renamed.
///
/// # Errors
/// See [`SnapshotError`].
pub async fn checkout(
    manifest: &Manifest,
    blobs: &Blobs,
    folder: &Path,
) -> Result<PathBuf, SnapshotError> {
    let name = manifest.digest().hex().to_owned();
    let done = folder.join(&name);
    if done.is_dir() {
        return Ok(done);
    }
    let making = folder.join(format!("{name}.{}", std::process::id()));
    let io = |e| SnapshotError::Io(making.clone(), e);
    if making.exists() {
        fs::remove_dir_all(&making).map_err(io)?;
    }
    fs::create_dir_all(&making).map_err(io)?;
    for entry in manifest.files() {
        let place = making.join(&entry.path);
        if let Some(parent) = place.parent() {
            fs::create_dir_all(parent).map_err(io)?;
        }
        fs::write(&place, blobs.get(&entry.digest).await?).map_err(io)?;
        let mode = if entry.executable { 0o755 } else { 0o644 };
        fs::set_permissions(&place, fs::Permissions::from_mode(mode)).map_err(io)?;
    }
    match fs::rename(&making, &done) {
        // Another run of the same snapshot was quicker.
        Err(e)
            if matches!(
                e.kind(),
                io::ErrorKind::AlreadyExists | io::ErrorKind::DirectoryNotEmpty
            ) =>
        {
            fs::remove_dir_all(&making).map_err(io)?;
        }
        other => other.map_err(io)?,
    }
    Ok(done)
}
