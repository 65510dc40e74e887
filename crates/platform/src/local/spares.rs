//! Directories of units that are gone, emptied and kept for the next ones.
//!
//! The driver gives and takes them. Making and removing directories is a good part of what a short
//! unit costs, most of all on a file system that looks through what was deleted lately before it
//! makes anything new. Only directories are used again, never a file, so that a power cut cannot
//! show one unit the records of another; their names stay hidden, so that whoever opens the driver
//! next removes them. A unit must never find anything in a spare that it would not find in a new one.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::spec::{HOME, TEMPORARY, WORK};

/// How many are kept: about as many as short units run at the same time.
const KEEP: usize = 8;
/// A directory that once had many entries stays large, and slow.
const SIZE_MAX: u64 = 16 << 10;

/// The directories that are kept.
#[derive(Debug, Default)]
pub(super) struct Spares {
    free: Mutex<Vec<PathBuf>>,
    /// The mode that new directories have here.
    mode: OnceLock<u32>,
    /// How many hidden names were given out.
    hidden: AtomicU64,
}

impl Spares {
    /// A hidden name for the directory of a unit that goes: a new one each time, as a directory under
    /// an earlier one may be kept while another unit of the same id comes and goes.
    pub(super) fn hide(&self, id: &str) -> String {
        let number = self.hidden.fetch_add(1, Ordering::Relaxed);
        format!(".gone-{number}-{id}")
    }

    /// An empty directory with a hidden name, which may have empty directories in it that every
    /// unit has. Made at `otherwise` if none is kept.
    pub(super) fn take(&self, otherwise: PathBuf) -> io::Result<PathBuf> {
        if let Some(spare) = self.with(Vec::pop) {
            return Ok(spare);
        }
        match fs::create_dir(&otherwise) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        if self.mode.get().is_none() {
            let _ = self.mode.set(fs::symlink_metadata(&otherwise)?.mode());
        }
        Ok(otherwise)
    }

    /// Empties a directory that has a hidden name already, and keeps it or removes it.
    pub(super) fn give(&self, dir: PathBuf) -> io::Result<()> {
        let has_room = self.with(|free| free.len() < KEEP);
        if has_room && self.is_plain(&dir)? && self.empty(&dir).is_ok() {
            self.with(|free| free.push(dir));
            return Ok(());
        }
        fs::remove_dir_all(dir)
    }

    fn empty(&self, dir: &Path) -> io::Result<()> {
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let (name, path) = (entry.file_name(), entry.path());
            if !entry.file_type()?.is_dir() {
                fs::remove_file(path)?;
            } else if [WORK, HOME, TEMPORARY].iter().any(|kept| name == *kept)
                && self.is_plain(&path)?
            {
                clear(&path)?;
            } else {
                fs::remove_dir_all(path)?;
            }
        }
        Ok(())
    }

    /// Whether a directory is as if it were new, apart from what is in it.
    fn is_plain(&self, dir: &Path) -> io::Result<bool> {
        let metadata = fs::symlink_metadata(dir)?;
        Ok(self.mode.get() == Some(&metadata.mode()) && metadata.len() <= SIZE_MAX)
    }

    fn with<T>(&self, change: impl FnOnce(&mut Vec<PathBuf>) -> T) -> T {
        // Whoever panicked left a whole list behind.
        change(&mut self.free.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Removes everything in a directory.
fn clear(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// What is in a directory, at every depth.
    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(dir)
            .unwrap()
            .flatten()
            .flat_map(|entry| {
                let name = entry.file_name().into_string().unwrap();
                let below = if entry.file_type().unwrap().is_dir() {
                    names(&entry.path())
                } else {
                    Vec::new()
                };
                let below: Vec<String> = below
                    .into_iter()
                    .map(|inner| format!("{name}/{inner}"))
                    .collect();
                [vec![name], below].concat()
            })
            .collect();
        names.sort();
        names
    }

    /// Gives a used directory back and takes one again.
    fn check(used: impl FnOnce(&Path), expect: &[&str]) -> bool {
        let root = tempfile::tempdir().unwrap();
        let spares = Spares::default();
        let unit = spares.take(root.path().join(".a")).unwrap();
        for name in [WORK, HOME, TEMPORARY] {
            fs::create_dir(unit.join(name)).unwrap();
        }
        used(&unit);
        spares.give(unit.clone()).unwrap();
        let again = spares.take(root.path().join(".b")).unwrap();
        assert_eq!(names(&again), expect);
        again == unit
    }

    #[test]
    fn nothing_that_a_unit_has_left_is_seen_by_the_next() {
        let kept = ["home", "tmp", "work"];
        assert!(check(|_| {}, &kept));
        let full = |unit: &Path| {
            fs::create_dir_all(unit.join("work/a/b")).unwrap();
            fs::create_dir(unit.join("out")).unwrap();
            for file in [
                "unit.json",
                "out/x",
                "work/x",
                "work/a/x",
                "home/.x",
                "tmp/x",
            ] {
                fs::write(unit.join(file), "secret").unwrap();
            }
            std::os::unix::fs::symlink("/", unit.join("work/link")).unwrap();
        };
        assert!(check(full, &kept));
    }

    #[test]
    fn what_a_unit_has_changed_about_a_directory_is_gone_with_it() {
        let open = fs::Permissions::from_mode(0o1777);
        let opened = |path: &Path| fs::set_permissions(path, open.clone()).unwrap();
        assert!(!check(|unit| opened(unit), &[]));
        assert!(check(|unit| opened(&unit.join("home")), &["tmp", "work"]));
        let replaced = |unit: &Path| {
            fs::remove_dir(unit.join("tmp")).unwrap();
            std::os::unix::fs::symlink("/", unit.join("tmp")).unwrap();
        };
        assert!(check(replaced, &["home", "work"]));
    }

    #[test]
    fn no_more_are_kept_than_are_of_use() {
        let root = tempfile::tempdir().unwrap();
        let spares = Spares::default();
        let dirs: Vec<PathBuf> = (0..KEEP + 3)
            .map(|number| spares.take(root.path().join(format!(".{number}"))).unwrap())
            .collect();
        for dir in dirs {
            spares.give(dir).unwrap();
        }
        assert_eq!(names(root.path()).len(), KEEP);
    }
}
