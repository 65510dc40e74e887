//! What a step leaves behind, kept by digest: a file as it is, a folder as a tree of files.
//!
//! A tree is a blob of its own that begins with [`MARK`], so that one digest names either.

use crate::snapshot::{Entry, Manifest, SnapshotError};
use futures_util::StreamExt as _;
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

/// The files that a blob lists, if it is a tree or a snapshot: they are needed for as long as it is. Looks at the first
/// bytes of a blob only, unless it is one.
///
/// # Errors
/// When the blob is damaged or cannot be read; one that is gone lists nothing.
pub async fn members(digest: &Digest, blobs: &Blobs) -> Result<Vec<Digest>, store::Error> {
    match blobs.size(digest).await? {
        Some(size) if size <= TREE_LIMIT => {}
        _ => return Ok(Vec::new()),
    }
    let first = match blobs.read(digest).next().await {
        Some(piece) => piece?,
        None => return Ok(Vec::new()),
    };
    if !first.starts_with(MARK) && !first.starts_with(Manifest::BEGIN) {
        return Ok(Vec::new());
    }
    let bytes = blobs.get(digest).await?;
    let manifest = Manifest::from_bytes(bytes.strip_prefix(MARK).unwrap_or(&bytes));
    Ok(manifest.map_or(Vec::new(), |manifest| {
        let files = manifest.files().iter();
        files.map(|file| file.digest.clone()).collect()
    }))
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
        let expect = vec![Digest::of(b"y"), Digest::of(b"x")];
        let snapshot = blobs.put(manifest.to_bytes()).await.unwrap();
        for list in [&tree, &snapshot] {
            assert_eq!(members(list, &blobs).await.unwrap(), expect);
        }
        let file = put(&out.join("b"), &blobs).await.unwrap();
        let looks_alike = blobs.put(Manifest::BEGIN.to_vec()).await.unwrap();
        for other in [&file, &looks_alike, &Digest::of(b"not there")] {
            assert_eq!(members(other, &blobs).await.unwrap(), []);
        }
        assert_eq!(file, Digest::of(b"y"));
        assert_eq!(open(&file, &blobs).await.unwrap(), Held::File);
        assert_eq!(
            put(&out, &blobs).await.unwrap(),
            tree,
            "the same content has the same name"
        );
    }
}
