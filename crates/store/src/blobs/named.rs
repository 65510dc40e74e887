//! Files under names of their own, in a folder or an object store: copies for others to read.
//!
//! Unlike blobs they are not verified and nothing here removes them; whoever puts one answers for its name.

use std::path::{Path, PathBuf};

use super::local::write_file;
use super::reader::{Part, read_file};
use super::remote::Remote;
use crate::error::Result;
use crate::place::StateDir;

/// A place for named files.
#[derive(Debug)]
pub struct NamedFiles(Place);

#[derive(Debug)]
enum Place {
    Local(PathBuf),
    Remote(Remote),
}

impl NamedFiles {
    /// The place at `url`: a path, a `file://` URL, or an object store with its credentials in the environment given,
    /// as for [`super::Blobs::open`].
    pub fn open(url: &str, state: &StateDir, environment: &[(String, String)]) -> Result<Self> {
        let folder = url.strip_prefix("file://").unwrap_or(url);
        if folder.starts_with('/') {
            return Ok(Self(Place::Local(folder.into())));
        }
        Remote::open(url, environment, state.join("tmp")).map(|remote| Self(Place::Remote(remote)))
    }

    /// Copies a file to `name`, whose parts are parted by `/`; it is there whole, or not at all.
    pub async fn put_file(&self, name: &str, file: &Path) -> Result<()> {
        match &self.0 {
            Place::Local(folder) => {
                let pieces = read_file(file.to_owned(), Part::default(), None);
                write_file(pieces, folder.join(name)).await
            }
            Place::Remote(remote) => remote.send(file, &remote.named(name)).await,
        }
    }
}
