//! Files in pieces, read and hashed on the blocking pool while the network takes what was read before.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures_util::stream::{BoxStream, StreamExt as _};
use tokio::sync::mpsc::{self, Sender};

use super::local::PIECES;
use crate::digest::{Digest, Hasher};
use crate::error::{Error, Result};

/// How many bytes are read at once.
const PIECE: u64 = 256 * 1024;

/// Which bytes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    /// The first.
    pub(super) from: u64,
    /// How many at the most.
    pub(super) length: u64,
}

impl Default for Part {
    /// All of them.
    fn default() -> Self {
        Part {
            from: 0,
            length: u64::MAX,
        }
    }
}

/// The bytes of a file in pieces; ends with an error when they do not match `expect`.
pub(super) fn read_file(
    path: PathBuf,
    part: Part,
    expect: Option<Digest>,
) -> BoxStream<'static, Result<Bytes>> {
    let (sender, receiver) = mpsc::channel(PIECES);
    tokio::task::spawn_blocking(move || {
        if let Err(error) = produce(&path, part, expect.as_ref(), &sender) {
            // A reader that went away needs no error.
            let _ = sender.blocking_send(Err(error));
        }
    });
    futures_util::stream::unfold(receiver, |mut receiver| async move {
        Some((receiver.recv().await?, receiver))
    })
    .boxed()
}

fn produce(
    path: &Path,
    part: Part,
    expect: Option<&Digest>,
    sender: &Sender<Result<Bytes>>,
) -> Result<()> {
    let mut file = File::open(path).map_err(Error::io("open", path))?;
    file.seek(SeekFrom::Start(part.from))
        .map_err(Error::io("read", path))?;
    let (mut left, mut hasher) = (part.length, expect.map(|_| Hasher::default()));
    // The last piece is held back until all are known to be right: no reader gets a whole file that is not.
    let mut held: Option<Bytes> = None;
    while left > 0 {
        let want = left.min(PIECE);
        // Into fresh memory that nobody has to clear or copy.
        let mut piece = Vec::with_capacity(usize::try_from(want).unwrap_or(usize::MAX));
        let count = (&mut file)
            .take(want)
            .read_to_end(&mut piece)
            .map_err(Error::io("read", path))?;
        if count == 0 {
            break;
        }
        left -= count as u64;
        let piece = Bytes::from(piece);
        if let Some(hasher) = &mut hasher {
            hasher.update(&piece);
        }
        if let Some(before) = held.replace(piece)
            && sender.blocking_send(Ok(before)).is_err()
        {
            return Ok(());
        }
    }
    if let (Some(found), Some(expect)) = (hasher.map(Hasher::finish), expect)
        && found != *expect
    {
        return Err(mismatch(expect));
    }
    if let Some(last) = held {
        // A reader that went away needs it no more.
        let _ = sender.blocking_send(Ok(last));
    }
    Ok(())
}

/// The bytes of a digest are others.
pub(super) fn mismatch(digest: &Digest) -> Error {
    Error::Corrupt(format!("the bytes of {digest} are not what was put"))
}
