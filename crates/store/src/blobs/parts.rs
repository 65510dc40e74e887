//! The parts of uploads that are not complete: kept apart from blobs, joined into one, dropped.
//!
//! A part has a name of its own, not its digest's, so that dropping an upload touches no bytes that anybody else may
//! need. It is on disk when it is acknowledged, and nobody sees it before the whole is put.

use std::io::ErrorKind;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{BoxStream, Stream, StreamExt as _};

use super::local::{self, blocking};
use super::reader::{Part, read_file};
use super::{Blobs, Place, Stored, verified};
use crate::digest::Digest;
use crate::error::{Error, Result};

/// The name of one part among an upload's: a part that is sent again with other bytes is another file.
fn name(number: u32, digest: &Digest) -> String {
    format!("{number}-{}", digest.hex())
}

impl Blobs {
    /// Keeps one part of an upload, with flat memory; an error in the stream leaves nothing behind. The id must be of
    /// this server's making.
    pub async fn put_part(
        &self,
        upload: &str,
        number: u32,
        pieces: impl Stream<Item = std::io::Result<Bytes>> + Send,
    ) -> Result<Stored> {
        match self.place.as_ref() {
            Place::Local(place) => {
                let (temporary, stored) =
                    local::write_temporary(pieces, &place.unfinished()).await?;
                let target = place
                    .parts()
                    .join(upload)
                    .join(name(number, &stored.digest));
                blocking(move || local::publish(temporary.path(), &target).map(|()| stored)).await
            }
            Place::Remote(place) => {
                let (temporary, stored) = local::write_temporary(pieces, place.temporary()).await?;
                let to = place.part(upload, &name(number, &stored.digest));
                place.send(temporary.path(), &to).await?;
                Ok(stored)
            }
        }
    }

    /// Puts the bytes of the parts, one after the other, as one blob. Each part is verified.
    pub async fn join_parts(&self, upload: &str, parts: &[(u32, Digest)]) -> Result<Stored> {
        let (place, upload) = (Arc::clone(&self.place), upload.to_owned());
        let each = futures_util::stream::iter(parts.to_vec());
        let pieces = each.flat_map(move |(number, digest)| read(&place, &upload, number, digest));
        let mut failed = None;
        let put = self.put_stream(pieces.map(|piece| {
            piece.map_err(|error| {
                failed = Some(error);
                std::io::Error::other("a part cannot be read")
            })
        }));
        let put = put.await;
        match failed {
            Some(error) => Err(error),
            None => put,
        }
    }

    /// Removes all parts of an upload; there may be none.
    pub async fn drop_parts(&self, upload: &str) -> Result<()> {
        match self.place.as_ref() {
            Place::Local(place) => {
                let folder = place.parts().join(upload);
                blocking(move || match std::fs::remove_dir_all(&folder) {
                    Err(error) if error.kind() != ErrorKind::NotFound => {
                        Err(Error::io("remove", folder)(error))
                    }
                    _ => Ok(()),
                })
                .await
            }
            Place::Remote(place) => place.drop_parts(upload).await,
        }
    }
}

fn read(
    place: &Place,
    upload: &str,
    number: u32,
    digest: Digest,
) -> BoxStream<'static, Result<Bytes>> {
    match place {
        Place::Local(place) => {
            let path = place.parts().join(upload).join(name(number, &digest));
            read_file(path, Part::default(), Some(digest))
        }
        Place::Remote(place) => {
            let pieces = place.read_at(
                place.part(upload, &name(number, &digest)),
                digest.as_str(),
                None,
            );
            verified(pieces, digest).boxed()
        }
    }
}
