//! Which files of the traffic log go.
//!
//! Where the server copies files elsewhere ([`COPIED`]), those that it has not come to yet stay, until all together are
//! four times what they may be: the disk comes first.

use std::io;
use std::path::{Path, PathBuf};

use super::TrafficOptions;
use super::names::{COPIED, ENDING, told};

/// What waits to be copied may be this many times what is kept otherwise.
const WAITING: u64 = 4;

/// A file that is there.
struct Found {
    path: PathBuf,
    len: u64,
    /// Whether its time is over.
    old: bool,
    /// Whether it waits to be copied.
    waits: bool,
}

/// Removes files whose time is over at `now`, in microseconds since 1970, and the oldest until the rest fits.
pub(super) fn forget(folder: &Path, options: &TrafficOptions, now: i64) -> io::Result<()> {
    let marks = folder.join(COPIED);
    let copies = marks.is_dir();
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| name.ends_with(ENDING)) else {
            continue;
        };
        // Another gateway of this state directory may have removed it.
        let Ok(metadata) = entry.metadata() else {
            continue;
        };
        let usual = options.keep_age.as_micros();
        let (began, keep) = told(name).unwrap_or((i64::MAX, None));
        let keep = keep.map_or(usual, |seconds| u128::from(seconds) * 1_000_000);
        let age = u128::try_from(now.saturating_sub(began)).unwrap_or(0);
        files.push(Found {
            len: metadata.len(),
            old: age > keep,
            waits: copies && !marks.join(name).exists(),
            path: entry.path(),
        });
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    let mut total: u64 = files.iter().map(|file| file.len).sum();
    for file in files {
        let most = match file.waits {
            false => options.keep_bytes,
            true => options.keep_bytes.saturating_mul(WAITING),
        };
        let goes = total > most || (file.old && !file.waits);
        if !goes {
            continue;
        }
        if file.waits {
            tracing::error!(file = %file.path.display(), "removed before it was copied: no room");
        }
        gone(std::fs::remove_file(&file.path))?;
        total -= file.len;
        if let Some(name) = file.path.file_name().filter(|_| copies && !file.waits) {
            // A mark without its file is removed by the server, too.
            let _ = std::fs::remove_file(marks.join(name));
        }
    }
    Ok(())
}

/// Another gateway of this state directory may have removed a file first.
pub(super) fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
