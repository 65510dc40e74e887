//! What a step leaves behind, kept by digest: a file as it is, a folder as a tree of files.
//!
//! A tree is a blob of its own that begins with [`MARK`], so that one digest names either.

use crate::snapshot::{Entry, Manifest, SnapshotError};
use std::{
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};
use store::{Blobs, Digest};

const MARK: &[u8] = b"mainspan tree 1\n";
/// A blob larger than this is certainly no tree.
const TREE_LIMIT: u64 = 64 << 20;

/// What a digest holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    /// One file.
    File,
    /// A folder of these files.
    Tree(Manifest),
}

/// Keeps a file or folder and names it.
///
/// # Errors
/// See [`SnapshotError`].
pub async fn put(path: &Path, blobs: &Blobs) -> Result<Digest, SnapshotError> {
    if !path.is_dir() {
        return Ok(blobs.put_file(path).await?.digest);
    }
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let at = path.join(&folder);
        let io = |e| SnapshotError::Io(at.clone(), e);
        for item in std::fs::read_dir(&at).map_err(io)? {
            let item = item.map_err(io)?;
            let meta = item.metadata().map_err(io)?;
            let name = folder.join(item.file_name());
            if meta.is_dir() {
                folders.push(name);
            } else if meta.is_file() {
                let digest = blobs.put_file(&item.path()).await?.digest;
                let executable = meta.permissions().mode() & 0o111 != 0;
                files.push(Entry {
                    path: name.to_string_lossy().into_owned(),
                    executable,
                    digest,
                    size: meta.len(),
                });
            } else {
                return Err(SnapshotError::Symlink(name.display().to_string()));
            }
        }
    }
    let mut bytes = MARK.to_vec();
    bytes.extend(Manifest::new(files).to_bytes());
    Ok(blobs.put(bytes).await?)
}

/// Whether a digest names a file or a tree.
///
/// # Errors
/// When the blob is gone or damaged.
pub async fn open(digest: &Digest, blobs: &Blobs) -> Result<Held, SnapshotError> {
    if size(digest, blobs).await? > TREE_LIMIT {
        return Ok(Held::File);
    }
    let bytes = blobs.get(digest).await?;
    let manifest = bytes
        .strip_prefix(MARK)
        .and_then(|rest| Manifest::from_bytes(rest).ok());
    Ok(manifest.map_or(Held::File, Held::Tree))
}

/// Bytes of a blob.
///
/// # Errors
/// When it is gone.
pub async fn size(digest: &Digest, blobs: &Blobs) -> Result<u64, SnapshotError> {
    let size = blobs.size(digest).await?;
    size.ok_or_else(|| SnapshotError::Store(store::Error::missing("blob", digest.as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn files_and_folders() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::local(&store::StateDir::create(folder.path()).unwrap()).unwrap();
        let out = folder.path().join("out");
        std::fs::create_dir_all(out.join("sub")).unwrap();
        std::fs::write(out.join("sub/a"), "x").unwrap();
        std::fs::write(out.join("b"), "y").unwrap();
        let tree = put(&out, &blobs).await.unwrap();
        let Held::Tree(manifest) = open(&tree, &blobs).await.unwrap() else {
            panic!("a folder is a tree")
        };
        assert_eq!(
            manifest
                .files()
                .iter()
                .map(|f| f.path.as_str())
                .collect::<Vec<_>>(),
            ["b", "sub/a"]
        );
        let file = put(&out.join("b"), &blobs).await.unwrap();
        assert_eq!(file, Digest::of(b"y"));
        assert_eq!(open(&file, &blobs).await.unwrap(), Held::File);
        assert_eq!(
            put(&out, &blobs).await.unwrap(),
            tree,
            "the same content has the same name"
        );
    }
}
