//! Bytes by their digest: datasets, snapshots, models, artifacts.
//!
//! Bytes that were put are whole and on disk, or not there at all; bytes that are read are what
//! was put, or an error. Local files are the default; any URL that `object_store` knows works
//! in their place. Nothing here knows what the bytes mean.

mod local;
mod named;
mod parts;
mod reader;
mod remote;
mod signing;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{BoxStream, Stream, StreamExt as _};
use tokio::sync::Mutex;

use crate::digest::{Digest, Hasher};
use crate::error::{Error, Result};
use crate::place::StateDir;
use local::Local;
pub(crate) use local::{blocking, sync_directory};
pub use named::NamedFiles;
use reader::{Part, mismatch, read_file};
use remote::Remote;

/// A store of bytes. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Blobs {
    place: Arc<Place>,
    condemned: Arc<Condemned>,
}

/// What will be removed unless somebody puts it again. Whoever puts bytes takes them out of it
/// before looking whether they are there, and it stays locked while one is removed.
type Condemned = Mutex<BTreeSet<Digest>>;

#[derive(Debug)]
enum Place {
    Local(Local),
    Remote(Remote),
}

/// What a put wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The name of the bytes.
    pub digest: Digest,
    /// How many they are.
    pub size: u64,
}

impl Blobs {
    /// The store at `url`: nothing or `local` for the state directory's own, a path or a
    /// `file://` URL for another directory, or an object store (`s3://bucket/prefix`, `gs://…`,
    /// `az://…`, WebDAV over `https://…`), whose credentials come from the environment given.
    pub fn open(url: &str, state: &StateDir, environment: &[(String, String)]) -> Result<Self> {
        let place = match url {
            "" | "local" => Place::Local(Local::open(state.blobs())?),
            path if path.starts_with('/') => Place::Local(Local::open(path.into())?),
            url => match url.strip_prefix("file://") {
                Some(path) => Place::Local(Local::open(path.into())?),
                None => Place::Remote(Remote::open(url, environment, state.join("tmp"))?),
            },
        };
        Ok(Self {
            place: Arc::new(place),
            condemned: Arc::default(),
        })
    }

    /// The state directory's own store.
    pub fn local(state: &StateDir) -> Result<Self> {
        Self::open("", state, &[])
    }

    /// The store in this directory.
    pub(crate) fn directory(path: PathBuf) -> Result<Self> {
        Ok(Self {
            place: Arc::new(Place::Local(Local::open(path)?)),
            condemned: Arc::default(),
        })
    }

    /// Keeps the bytes. Those that are there already are not written again.
    pub async fn put(&self, bytes: impl Into<Bytes>) -> Result<Digest> {
        let bytes = bytes.into();
        let stored = self
            .put_stream(futures_util::stream::iter([Ok(bytes)]))
            .await?;
        Ok(stored.digest)
    }

    /// Keeps bytes that arrive in pieces, with flat memory. An error in the stream leaves
    /// nothing behind.
    pub async fn put_stream(
        &self,
        pieces: impl Stream<Item = std::io::Result<Bytes>> + Send,
    ) -> Result<Stored> {
        match self.place.as_ref() {
            Place::Local(local) => local.put(pieces, &self.condemned).await,
            Place::Remote(remote) => remote.put(pieces, &self.condemned).await,
        }
    }

    /// Keeps a copy of the file's bytes, with flat memory.
    pub async fn put_file(&self, path: &Path) -> Result<Stored> {
        let pieces = read_file(path.to_owned(), Part::default(), None);
        self.put_stream(pieces.map(|piece| piece.map_err(std::io::Error::other)))
            .await
    }

    /// All of the bytes, verified. For what is known to be small.
    pub async fn get(&self, digest: &Digest) -> Result<Bytes> {
        let mut pieces = self.read(digest);
        let mut all = Vec::new();
        while let Some(piece) = pieces.next().await {
            all.extend_from_slice(&piece?);
        }
        Ok(all.into())
    }

    /// The bytes in pieces, with flat memory; when they turn out not to match their digest, the
    /// last item is an error.
    pub fn read(&self, digest: &Digest) -> BoxStream<'static, Result<Bytes>> {
        match self.place.as_ref() {
            Place::Local(local) => local.read(digest, None),
            Place::Remote(remote) => verified(remote.read(digest, None), digest.clone()).boxed(),
        }
    }

    /// `length` of the bytes from the one at `from` on, in pieces. Nobody can verify a part: what was put was, and
    /// whoever has all parts may.
    pub fn read_part(
        &self,
        digest: &Digest,
        from: u64,
        length: u64,
    ) -> BoxStream<'static, Result<Bytes>> {
        let part = Part { from, length };
        match self.place.as_ref() {
            Place::Local(local) => local.read(digest, Some(part)),
            Place::Remote(remote) => remote.read(digest, Some(part)),
        }
    }

    /// An address of the object store's own, from which anybody may load the bytes for so long; none where there is no
    /// such thing, as with files of this machine.
    pub async fn address(&self, digest: &Digest, lifetime: Duration) -> Result<Option<String>> {
        match self.place.as_ref() {
            Place::Local(_) => Ok(None),
            Place::Remote(remote) => remote.address(digest, lifetime).await,
        }
    }

    /// Writes the verified bytes to a new file; a file that is there is replaced, at once and
    /// only when everything arrived.
    pub async fn fetch(&self, digest: &Digest, to: &Path) -> Result<()> {
        local::write_file(self.read(digest), to.to_owned()).await
    }

    /// A file on this machine that holds the bytes: the blob itself, or a copy that is fetched
    /// into `cache`, verified, unless it is there. Read it or link to it, never write to it.
    pub async fn on_disk(&self, digest: &Digest, cache: &Path) -> Result<PathBuf> {
        if let Some(path) = self.path_of(digest) {
            return match self.size(digest).await? {
                Some(_) => Ok(path),
                None => Err(Error::missing("blob", digest.as_str())),
            };
        }
        let path = cache.join(digest.hex());
        if !path.exists() {
            std::fs::create_dir_all(cache).map_err(Error::io("create directory", cache))?;
            self.fetch(digest, &path).await?;
        }
        Ok(path)
    }

    /// Whether the bytes are there, and how many they are.
    pub async fn size(&self, digest: &Digest) -> Result<Option<u64>> {
        match self.place.as_ref() {
            Place::Local(local) => local.size(digest),
            Place::Remote(remote) => remote.size(digest).await,
        }
    }

    /// Removes the bytes; false when they were not there.
    pub async fn delete(&self, digest: &Digest) -> Result<bool> {
        match self.place.as_ref() {
            Place::Local(local) => local.delete(digest),
            Place::Remote(remote) => remote.delete(digest).await,
        }
    }

    /// The digests of everything that is kept.
    pub async fn list(&self) -> Result<Vec<Digest>> {
        match self.place.as_ref() {
            Place::Local(_) => {
                let place = Arc::clone(&self.place);
                blocking(move || match place.as_ref() {
                    Place::Local(local) => local.list(),
                    Place::Remote(_) => Ok(Vec::new()),
                })
                .await
            }
            Place::Remote(remote) => remote.list().await,
        }
    }

    /// Says which bytes will be removed next time; those of the last time that are not among them
    /// are safe again. What is put meanwhile is pardoned.
    pub async fn condemn(&self, digests: BTreeSet<Digest>) {
        *self.condemned.lock().await = digests;
    }

    /// Those that were condemned and not pardoned.
    pub async fn condemned(&self) -> BTreeSet<Digest> {
        self.condemned.lock().await.clone()
    }

    /// Removes the bytes if they are condemned still; false when they were not, or not there.
    pub async fn remove_condemned(&self, digest: &Digest) -> Result<bool> {
        let mut condemned = self.condemned.lock().await;
        Ok(condemned.remove(digest) && self.delete(digest).await?)
    }

    /// The file that holds the bytes, when they are on this machine; it may be missing. Read it,
    /// copy it or link to it, never write to it (its mode is 0444).
    #[must_use]
    pub fn path_of(&self, digest: &Digest) -> Option<PathBuf> {
        match self.place.as_ref() {
            Place::Local(local) => Some(local.path_of(digest)),
            Place::Remote(_) => None,
        }
    }
}

/// Removes what a killed server had begun to write in this state directory.
pub(crate) fn clear_unfinished(state: &StateDir) -> Result<()> {
    Local::clear(&state.blobs())?;
    Local::clear(state.path())
}

/// Passes the pieces on and ends with an error when they are not what the digest says.
fn verified(
    pieces: BoxStream<'static, Result<Bytes>>,
    digest: Digest,
) -> impl Stream<Item = Result<Bytes>> + Send {
    let state = (pieces, Some(Hasher::default()));
    futures_util::stream::unfold(state, move |(mut pieces, hasher)| {
        let digest = digest.clone();
        async move {
            let mut hasher = hasher?;
            match pieces.next().await {
                Some(Ok(piece)) => {
                    hasher.update(&piece);
                    Some((Ok(piece), (pieces, Some(hasher))))
                }
                Some(Err(error)) => Some((Err(error), (pieces, None))),
                None if hasher.finish() == digest => None,
                None => Some((Err(mismatch(&digest)), (pieces, None))),
            }
        }
    })
}
