//! Backup of a running store into a directory, and the way back.
//!
//! A backup is `store.db` (a consistent copy), `blobs/` (everything the copy may refer to) and
//! `manifest.json` (what there must be, by digest), written last: a directory without it is no
//! backup.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::backend::{lock, sqlite};
use crate::blobs::{Blobs, blocking, sync_directory};
use crate::digest::{Digest, Hasher};
use crate::error::{Error, Result};
use crate::place::{StateDir, StoreUrl};
use crate::store::Store;

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of this layout.
    pub format: u32,
    /// When it was made.
    pub made_at: Timestamp,
    /// The schema of its database.
    pub schema: u32,
    /// The digest of `store.db`.
    pub database: Digest,
    /// The blobs.
    pub blobs: Vec<Digest>,
}

const FORMAT: u32 = 1;
const MANIFEST: &str = "manifest.json";
const DATABASE: &str = "store.db";

impl Store {
    /// Writes a backup into `to`, which must not exist yet or be empty, while everything runs.
    /// Blobs on the same disk are linked, not copied.
    ///
    /// Only for SQLite: a Postgres database is backed up with its own tools.
    pub async fn backup(&self, blobs: &Blobs, to: &Path, now: Timestamp) -> Result<Manifest> {
        if *self.url() != StoreUrl::Sqlite {
            return Err(Error::Invalid(
                "the records are in Postgres: back them up with pg_dump, and the blobs by copying them".to_owned(),
            ));
        }
        let (source, target) = (self.state_dir().database(), to.to_owned());
        let database = blocking(move || {
            must_be_empty(&target)?;
            fs::create_dir_all(target.join("blobs"))
                .map_err(Error::io("create directory", &target))?;
            let copy = target.join(DATABASE);
            sqlite::copy(&source, &copy)?;
            digest_of(&copy)
        })
        .await?;
        // Listed after the copy was made: what its rows refer to was put before they were.
        let all = blobs.list().await?;
        let kept = of_backup(to)?;
        let mut listed = Vec::with_capacity(all.len());
        for digest in all {
            if take(blobs, &kept, &digest).await? {
                listed.push(digest);
            }
        }
        let manifest = Manifest {
            format: FORMAT,
            made_at: now,
            schema: crate::backend::migrate::newest(),
            database,
            blobs: listed,
        };
        let (target, written) = (to.to_owned(), manifest.clone());
        blocking(move || {
            let text =
                serde_json::to_vec_pretty(&written).map_err(|e| Error::Invalid(e.to_string()))?;
            let path = target.join(MANIFEST);
            fs::write(&path, text)
                .and_then(|()| File::open(&path)?.sync_all())
                .map_err(Error::io("write", &path))?;
            sync_directory(&target)
        })
        .await?;
        Ok(manifest)
    }
}

/// Links or copies one blob; false when it was deleted meanwhile.
async fn take(from: &Blobs, to: &Blobs, digest: &Digest) -> Result<bool> {
    let Some(target) = to.path_of(digest) else {
        return Ok(false);
    };
    if let Some(source) = from.path_of(digest) {
        let made = target
            .parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| fs::hard_link(&source, &target));
        match made {
            Ok(()) => return Ok(true),
            Err(_) if !source.exists() => return Ok(false),
            // Another disk: copy.
            Err(_) => {}
        }
    }
    match from.fetch(digest, &target).await {
        Ok(()) => Ok(true),
        Err(Error::NotFound { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Reads a backup's manifest and checks every byte of it.
pub async fn verify(backup: &Path) -> Result<Manifest> {
    let path = backup.join(MANIFEST);
    let text = fs::read_to_string(&path).map_err(Error::io("read", &path))?;
    let manifest: Manifest = serde_json::from_str(&text)
        .map_err(|e| Error::Corrupt(format!("{}: {e}", path.display())))?;
    if manifest.format > FORMAT || manifest.schema > crate::backend::migrate::newest() {
        return Err(Error::Newer {
            found: manifest.schema,
            known: crate::backend::migrate::newest(),
        });
    }
    let database = backup.join(DATABASE);
    let found = blocking(move || digest_of(&database)).await?;
    if found != manifest.database {
        return Err(Error::Corrupt(format!(
            "{} is not what was backed up",
            backup.join(DATABASE).display()
        )));
    }
    let blobs = of_backup(backup)?;
    for digest in &manifest.blobs {
        let mut pieces = blobs.read(digest);
        while let Some(piece) = futures_util::StreamExt::next(&mut pieces).await {
            piece?;
        }
    }
    Ok(manifest)
}

/// Puts a verified backup into a state directory that holds no store yet. The server must be
/// down; a directory in use is refused.
pub async fn restore(backup: &Path, state: &StateDir) -> Result<Manifest> {
    let manifest = verify(backup).await?;
    let _lock = lock::take(state)?;
    let database = state.database();
    if database.exists() {
        return Err(Error::Conflict(format!(
            "{} holds a store already: restore into an empty state directory, or move that file away first",
            state.path().display()
        )));
    }
    let (from, to) = (of_backup(backup)?, Blobs::local(state)?);
    for digest in &manifest.blobs {
        // A link would tie the state to the backup's bytes; a restored store stands alone.
        let target = to
            .path_of(digest)
            .ok_or(Error::Stopped("the state directory has no files"))?;
        fs::create_dir_all(target.parent().unwrap_or(Path::new("/")))
            .map_err(Error::io("create directory", &target))?;
        from.fetch(digest, &target).await?;
    }
    let (source, path) = (backup.join(DATABASE), state.path().to_owned());
    blocking(move || {
        let beside = path.join("store.db.restored");
        fs::copy(&source, &beside)
            .and_then(|_| File::open(&beside)?.sync_all())
            .map_err(Error::io("write", &beside))?;
        fs::rename(&beside, &database).map_err(Error::io("rename to", &database))?;
        sync_directory(&path)
    })
    .await?;
    Ok(manifest)
}

fn of_backup(backup: &Path) -> Result<Blobs> {
    let blobs = backup.join("blobs");
    let absolute = fs::canonicalize(&blobs).map_err(Error::io("open", &blobs))?;
    Blobs::directory(absolute)
}

fn must_be_empty(path: &Path) -> Result<()> {
    match fs::read_dir(path) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(Error::Conflict(format!(
                "{} is not empty: give the backup a directory of its own",
                path.display()
            ))),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Error::io("open", path)(error)),
    }
}

fn digest_of(path: &Path) -> Result<Digest> {
    let mut file = File::open(path).map_err(Error::io("open", path))?;
    let mut hasher = Hasher::default();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match file.read(&mut buffer).map_err(Error::io("read", path))? {
            0 => return Ok(hasher.finish()),
            count => hasher.update(&buffer[..count]),
        }
    }
}
