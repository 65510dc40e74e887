//! Blobs as local files, `blobs/ab/abcdef…`: written to a temporary file, synced, renamed.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures_util::stream::{BoxStream, Stream, StreamExt as _};
use tokio::sync::mpsc;

use super::reader::{Part, read_file};
use super::{Condemned, Stored};
use crate::digest::{Digest, Hasher};
use crate::error::{Error, Result};

/// How many pieces may wait between a file and the network.
pub(super) const PIECES: usize = 8;

/// A directory of blobs.
#[derive(Debug)]
pub(super) struct Local {
    root: PathBuf,
}

impl Local {
    pub(super) fn open(root: PathBuf) -> Result<Self> {
        for folder in ["tmp", "parts"] {
            let folder = root.join(folder);
            fs::create_dir_all(&folder).map_err(Error::io("create directory", &folder))?;
        }
        Ok(Self { root })
    }

    /// Removes what a killed process had not finished: it was acknowledged to nobody. Only for
    /// who holds the state directory, before anybody puts anything.
    pub(super) fn clear(root: &Path) -> Result<()> {
        let unfinished = root.join("tmp");
        match fs::remove_dir_all(&unfinished) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::io("remove", unfinished)(error))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn path_of(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        self.root.join(&hex[..2]).join(hex)
    }

    pub(super) async fn put(
        &self,
        pieces: impl Stream<Item = std::io::Result<Bytes>> + Send,
        condemned: &Condemned,
    ) -> Result<Stored> {
        let stored = write_temporary(pieces, &self.unfinished()).await?;
        condemned.lock().await.remove(&stored.1.digest);
        let target = self.path_of(&stored.1.digest);
        blocking(move || keep(&stored.0, stored.1, &target)).await
    }

    /// All of the bytes, ending with an error when they are not what the digest says; or a part of them, unchecked.
    pub(super) fn read(
        &self,
        digest: &Digest,
        part: Option<Part>,
    ) -> BoxStream<'static, Result<Bytes>> {
        let (digest, path) = (digest.clone(), self.path_of(digest));
        // Blobs are files of our own making; a link leads to somebody else's.
        if fs::symlink_metadata(&path).is_ok_and(|found| found.is_symlink()) {
            let error = Error::Corrupt(format!("{} is a link", path.display()));
            return futures_util::stream::iter([Err(error)]).boxed();
        }
        let expect = part.is_none().then(|| digest.clone());
        let pieces = read_file(path, part.unwrap_or_default(), expect);
        pieces
            .map(move |piece| piece.map_err(|error| name_missing(error, &digest)))
            .boxed()
    }

    /// A place for the parts of uploads, beside the shelves.
    pub(super) fn parts(&self) -> PathBuf {
        self.root.join("parts")
    }

    /// Where files are written before they get their name.
    pub(super) fn unfinished(&self) -> PathBuf {
        self.root.join("tmp")
    }

    pub(super) fn size(&self, digest: &Digest) -> Result<Option<u64>> {
        let path = self.path_of(digest);
        match fs::metadata(&path) {
            Ok(found) => Ok(Some(found.len())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("look at", path)(error)),
        }
    }

    pub(super) fn delete(&self, digest: &Digest) -> Result<bool> {
        let path = self.path_of(digest);
        match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(Error::io("remove", path)(error)),
        }
    }

    pub(super) fn list(&self) -> Result<Vec<Digest>> {
        let mut all = Vec::new();
        for shelf in entries(&self.root)? {
            if shelf.file_name().is_some_and(|name| name.len() == 2) {
                let names = entries(&shelf)?
                    .into_iter()
                    .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()));
                all.extend(names.filter_map(|hex| format!("sha256:{hex}").parse().ok()));
            }
        }
        all.sort();
        Ok(all)
    }
}

fn entries(directory: &Path) -> Result<Vec<PathBuf>> {
    let listed = fs::read_dir(directory)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
    listed.map_err(Error::io("list", directory))
}

fn name_missing(error: Error, digest: &Digest) -> Error {
    match error {
        Error::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
            Error::missing("blob", digest.as_str())
        }
        other => other,
    }
}

/// A file that goes when it is dropped, unless it was kept.
#[derive(Debug)]
pub(super) struct Temporary {
    path: PathBuf,
}

impl Temporary {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // It is not there any more when it was renamed.
        let _ = fs::remove_file(&self.path);
    }
}

/// Writes the pieces to a synced file in `directory` and computes their digest.
pub(super) async fn write_temporary(
    pieces: impl Stream<Item = std::io::Result<Bytes>> + Send,
    directory: &Path,
) -> Result<(Temporary, Stored)> {
    let temporary = Temporary {
        path: directory.join(uuid::Uuid::now_v7().simple().to_string()),
    };
    let (sender, mut receiver) = mpsc::channel::<Bytes>(PIECES);
    let writing = blocking(move || {
        let path = temporary.path();
        let mut file = File::create_new(path).map_err(Error::io("create", path))?;
        let (mut hasher, mut size) = (Hasher::default(), 0);
        while let Some(piece) = receiver.blocking_recv() {
            hasher.update(&piece);
            size += piece.len() as u64;
            file.write_all(&piece).map_err(Error::io("write", path))?;
        }
        file.sync_all().map_err(Error::io("sync", path))?;
        Ok((
            temporary,
            Stored {
                digest: hasher.finish(),
                size,
            },
        ))
    });
    let feeding = async move {
        let mut pieces = std::pin::pin!(pieces);
        while let Some(piece) = pieces.next().await {
            // A writer that failed says why itself.
            if sender.send(piece?).await.is_err() {
                break;
            }
        }
        Ok::<(), std::io::Error>(())
    };
    let (fed, written) = tokio::join!(feeding, writing);
    fed.map_err(Error::io("receive bytes for", directory))?;
    written
}

/// Gives the temporary file its name for good.
fn keep(temporary: &Temporary, stored: Stored, target: &Path) -> Result<Stored> {
    let there = fs::metadata(target).is_ok_and(|found| found.len() == stored.size);
    if there {
        return Ok(stored);
    }
    fs::set_permissions(temporary.path(), fs::Permissions::from_mode(0o444))
        .map_err(Error::io("protect", temporary.path()))?;
    publish(temporary.path(), target)?;
    Ok(stored)
}

/// Renames a synced file and syncs the directories that name it.
pub(super) fn publish(from: &Path, target: &Path) -> Result<()> {
    let directory = target.parent().unwrap_or(Path::new("/"));
    if !directory.exists() {
        fs::create_dir_all(directory).map_err(Error::io("create directory", directory))?;
        sync_directory(directory.parent().unwrap_or(Path::new("/")))?;
    }
    fs::rename(from, target).map_err(Error::io("rename to", target))?;
    sync_directory(directory)
}

/// Makes the names in a directory durable.
pub(crate) fn sync_directory(directory: &Path) -> Result<()> {
    File::open(directory)
        .and_then(|opened| opened.sync_all())
        .map_err(Error::io("sync", directory))
}

/// Writes the pieces beside `to` and puts the whole file in its place.
pub(super) async fn write_file(
    pieces: BoxStream<'static, Result<Bytes>>,
    to: PathBuf,
) -> Result<()> {
    let directory = to.parent().unwrap_or(Path::new(".")).to_owned();
    let failure = std::sync::Arc::new(std::sync::Mutex::new(None));
    let noted = std::sync::Arc::clone(&failure);
    let pieces = pieces.map(move |piece| {
        piece.map_err(|error| {
            *noted
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner) = Some(error);
            std::io::Error::other("the source failed")
        })
    });
    let written = write_temporary(pieces, &directory).await;
    if let Some(error) = failure
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
        .take()
    {
        return Err(error);
    }
    let (temporary, _) = written?;
    blocking(move || publish(temporary.path(), &to)).await
}

/// Runs work that blocks where it may.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or(Err(Error::Stopped("the work panicked")))
}
