//! Blobs in an object store, `prefix/ab/abcdef…`. An object appears whole or not at all; that is
//! the store's promise. Bytes pass through a local temporary file, since their name is known
//! only when the last one is.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{BoxStream, Stream, StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::signer::{Method, Signer};
use object_store::{GetOptions, ObjectStore, ObjectStoreExt as _, WriteMultipart};

use super::reader::{Part, read_file};
use super::{Condemned, Stored, local, signing};
use crate::digest::Digest;
use crate::error::{Error, Result};

/// How many parts of an upload are under way at once.
const PARTS: usize = 4;

/// Variables of the environment that say how to reach an object store begin with one of these.
const PREFIXES: [&str; 3] = ["aws_", "google_", "azure_"];

/// A prefix of an object store.
#[derive(Debug)]
pub(super) struct Remote {
    objects: Arc<dyn ObjectStore>,
    signer: Option<Arc<dyn Signer>>,
    prefix: Path,
    temporary: PathBuf,
}

impl Remote {
    pub(super) fn open(
        url: &str,
        environment: &[(String, String)],
        temporary: PathBuf,
    ) -> Result<Self> {
        let parsed: url::Url = url
            .parse()
            .map_err(|e| Error::Invalid(format!("`{url}` is not a place for bytes: {e}")))?;
        // Only what is meant for an object store: `REGION` or `TOKEN` may be anybody's.
        let options = environment
            .iter()
            .map(|(key, value)| (key.to_ascii_lowercase(), value.clone()))
            .filter(|(key, _)| PREFIXES.iter().any(|prefix| key.starts_with(prefix)));
        let options: Vec<(String, String)> = options.collect();
        // One provider for the process; another role of it may have come first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let signer = signing::signer(&parsed, &options);
        let (objects, prefix) = object_store::parse_url_opts(&parsed, options).map_err(|e| {
            Error::Invalid(format!("cannot keep bytes at `{url}`: {e}; use a directory, or s3://, gs://, az:// or https:// with its credentials in the server's environment"))
        })?;
        std::fs::create_dir_all(&temporary).map_err(Error::io("create directory", &temporary))?;
        Ok(Self {
            objects: objects.into(),
            signer,
            prefix,
            temporary,
        })
    }

    fn path_of(&self, digest: &Digest) -> Path {
        let hex = digest.hex();
        self.prefix.clone().join(&hex[..2]).join(hex)
    }

    pub(super) async fn put(
        &self,
        pieces: impl Stream<Item = std::io::Result<Bytes>> + Send,
        condemned: &Condemned,
    ) -> Result<Stored> {
        let (temporary, stored) = local::write_temporary(pieces, &self.temporary).await?;
        condemned.lock().await.remove(&stored.digest);
        if self.size(&stored.digest).await? == Some(stored.size) {
            return Ok(stored);
        }
        self.send(temporary.path(), &self.path_of(&stored.digest))
            .await?;
        Ok(stored)
    }

    /// Puts a local file there.
    pub(super) async fn send(&self, file: &std::path::Path, to: &Path) -> Result<()> {
        let upload = self
            .objects
            .put_multipart(to)
            .await
            .map_err(|e| failed(&e))?;
        let mut upload = WriteMultipart::new(upload);
        let mut pieces = read_file(file.to_owned(), Part::default(), None);
        while let Some(piece) = pieces.next().await {
            upload
                .wait_for_capacity(PARTS)
                .await
                .map_err(|e| failed(&e))?;
            match piece {
                Ok(piece) => upload.put(piece),
                Err(error) => {
                    // The error that stopped it matters more than one in taking it back.
                    let _ = upload.abort().await;
                    return Err(error);
                }
            }
        }
        upload.finish().await.map_err(|e| failed(&e)).map(drop)
    }

    /// Where files are written before they are sent.
    pub(super) fn temporary(&self) -> &std::path::Path {
        &self.temporary
    }

    /// The place of what has a name of its own.
    pub(super) fn named(&self, name: &str) -> Path {
        name.split('/').fold(self.prefix.clone(), Path::join)
    }

    /// The place of a part of an upload.
    pub(super) fn part(&self, upload: &str, name: &str) -> Path {
        self.prefix.clone().join("parts").join(upload).join(name)
    }

    /// Removes all parts of an upload.
    pub(super) async fn drop_parts(&self, upload: &str) -> Result<()> {
        let folder = self.prefix.clone().join("parts").join(upload);
        let found: Vec<_> = self
            .objects
            .list(Some(&folder))
            .try_collect()
            .await
            .map_err(|e| failed(&e))?;
        for part in found {
            self.objects
                .delete(&part.location)
                .await
                .map_err(|e| failed(&e))?;
        }
        Ok(())
    }

    /// The bytes, or a part of them.
    pub(super) fn read(
        &self,
        digest: &Digest,
        part: Option<Part>,
    ) -> BoxStream<'static, Result<Bytes>> {
        self.read_at(self.path_of(digest), digest.as_str(), part)
    }

    /// The bytes at a place, or a part of them; errors call them `name`.
    pub(super) fn read_at(
        &self,
        path: Path,
        name: &str,
        part: Option<Part>,
    ) -> BoxStream<'static, Result<Bytes>> {
        let (objects, name) = (Arc::clone(&self.objects), name.to_owned());
        let range = part.map(|part| (part.from..part.from.saturating_add(part.length)).into());
        let opening = async move {
            let options = GetOptions {
                range,
                ..GetOptions::default()
            };
            let found = objects.get_opts(&path, options).await;
            let found = found.map_err(|error| match error {
                object_store::Error::NotFound { .. } => Error::missing("blob", name.as_str()),
                other => failed(&other),
            })?;
            Ok::<_, Error>(found.into_stream().map_err(|e| failed(&e)))
        };
        futures_util::stream::once(opening).try_flatten().boxed()
    }

    /// An address from which anybody may load the bytes for so long; none where the store has no such thing.
    pub(super) async fn address(
        &self,
        digest: &Digest,
        lifetime: Duration,
    ) -> Result<Option<String>> {
        let Some(signer) = &self.signer else {
            return Ok(None);
        };
        let path = self.path_of(digest);
        let signed = signer.signed_url(Method::GET, &path, lifetime);
        let url = signed.await.map_err(|e| failed(&e))?;
        Ok(Some(url.into()))
    }

    pub(super) async fn size(&self, digest: &Digest) -> Result<Option<u64>> {
        match self.objects.head(&self.path_of(digest)).await {
            Ok(found) => Ok(Some(found.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed(&error)),
        }
    }

    pub(super) async fn delete(&self, digest: &Digest) -> Result<bool> {
        let there = self.size(digest).await?.is_some();
        if there {
            self.objects
                .delete(&self.path_of(digest))
                .await
                .map_err(|e| failed(&e))?;
        }
        Ok(there)
    }

    pub(super) async fn list(&self) -> Result<Vec<Digest>> {
        let found: Vec<_> = self
            .objects
            .list(Some(&self.prefix))
            .try_collect()
            .await
            .map_err(|e| failed(&e))?;
        let names = found.iter().filter_map(|object| object.location.filename());
        let mut all: Vec<Digest> = names
            .filter_map(|hex| format!("sha256:{hex}").parse().ok())
            .collect();
        all.sort();
        Ok(all)
    }
}

fn failed(error: &object_store::Error) -> Error {
    Error::Unavailable(format!("the object store says: {error}"))
}
