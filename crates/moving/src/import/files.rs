//! Files on their way: hashed as they pass.

use super::Import;
use crate::{
    error::{Error, Result},
    source::Place,
};
use sha2::{Digest as _, Sha256};
use std::{
    fmt::Write as _,
    io::{self, Read},
};

/// A reader that hashes what is read through it.
struct Hashing<'h, R> {
    from: R,
    hasher: &'h mut Sha256,
    length: &'h mut u64,
}

impl<R: Read> Read for Hashing<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.from.read(buffer)?;
        self.hasher.update(&buffer[..length]);
        *self.length += length as u64;
        Ok(length)
    }
}

impl Import<'_> {
    /// Sends a file; the digest of what was read.
    pub(super) fn send_file(&mut self, place: &Place, to: &str, path: &str) -> Result<String> {
        let from = self.source.open(place, path)?;
        let (mut hasher, mut length) = (Sha256::new(), 0);
        let hashing = Hashing {
            from,
            hasher: &mut hasher,
            length: &mut length,
        };
        self.target.put(to, path, hashing)?;
        self.report.bytes += length;
        Ok(shown(hasher))
    }
}

/// The digest of all that a reader gives.
pub(crate) fn hashed(mut from: impl Read) -> Result<String> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 256 << 10];
    loop {
        match from.read(&mut buffer).map_err(Error::io("a file"))? {
            0 => return Ok(shown(hasher)),
            length => hasher.update(&buffer[..length]),
        }
    }
}

fn shown(hasher: Sha256) -> String {
    let mut text = "sha256:".to_owned();
    for byte in hasher.finalize() {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_written_as_the_server_writes_them() {
        assert_eq!(
            hashed(&b"abc"[..]).unwrap(),
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
