//! What was prepared for runs and can be made again: checkouts of snapshots, copies of blobs from an object store,
//! toolchains. Those that no run uses any more go after a while.
//!
//! Called by the executor between its looks for runs. A run prepares only after the executor has begun to drive it, so
//! nobody begins to use what is found unused here. A run that is driven already is active, and is asked for what it
//! uses.

use super::{Executor, Fault};
use crate::{toolchain::TOOLCHAIN, work::Work};
use jiff::{SignedDuration, Timestamp};
use std::{
    collections::BTreeSet,
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    time::SystemTime,
};
use store::{Run, Runs as _};

/// Checkouts and copies stay for so long after they were made.
const COPIES: SignedDuration = SignedDuration::from_hours(24);
/// Toolchains stay for so long after a run last asked for them.
const TOOLCHAINS: SignedDuration = SignedDuration::from_hours(30 * 24);

impl Executor {
    /// Removes what no active run uses and is old enough.
    pub(super) async fn forget_copies(&self, now: Timestamp) -> Result<(), Fault> {
        let active = self
            .parts
            .store
            .read(|tx| {
                let runs = tx.active_runs()?;
                runs.iter()
                    .map(|run| tx.run(&run.id))
                    .collect::<Result<Vec<_>, _>>()
            })
            .await?;
        let active: Vec<Run> = active.into_iter().flatten().collect();
        let units = self.parts.platform.list().await?;
        let serving = units.iter().filter(|unit| !unit.state.is_over());
        let serving = serving.filter_map(|unit| unit.labels.get(TOOLCHAIN).map(PathBuf::from));
        let toolchains = active
            .iter()
            .filter_map(toolchain_of)
            .chain(serving)
            .collect();
        self.parts
            .toolchains
            .forget(before(now, TOOLCHAINS), &toolchains)
            .await?;
        let (folder, before) = (self.parts.snapshots.clone(), before(now, COPIES));
        let checkouts = active
            .iter()
            .filter_map(|run| Some(OsString::from(run.snapshot.as_ref()?.hex())))
            .collect();
        let idle = active.is_empty();
        tokio::task::spawn_blocking(move || forget(&folder, before, &checkouts, idle)).await??;
        Ok(())
    }
}

fn before(now: Timestamp, age: SignedDuration) -> SystemTime {
    SystemTime::from(now.saturating_sub(age).unwrap_or(Timestamp::MIN))
}

fn toolchain_of(run: &Run) -> Option<PathBuf> {
    let work = Work::of(run).ok()?;
    work.toolchain.map(|(_, folder)| folder)
}

/// Removes old checkouts that are not among `used`. Which copies of blobs a run uses is only known when none is active.
fn forget(
    folder: &Path,
    before: SystemTime,
    used: &BTreeSet<OsString>,
    idle: bool,
) -> io::Result<()> {
    for (path, is_folder) in old(folder, before)? {
        let name = path.file_name().unwrap_or_default();
        if is_folder && !used.contains(name) {
            std::fs::remove_dir_all(&path)?;
        } else if !is_folder && idle {
            std::fs::remove_file(&path)?;
        }
    }
    Ok(())
}

/// What was made in a folder before that time, and whether it is a folder.
fn old(folder: &Path, before: SystemTime) -> io::Result<Vec<(PathBuf, bool)>> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        let meta = entry.metadata()?;
        if meta.modified()? < before {
            found.push((entry.path(), meta.is_dir()));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_and_unused_copies_go() {
        let check = |days: i64, idle: bool, expect: &[&str]| {
            let folder = tempfile::tempdir().unwrap();
            for name in ["used", "unused"] {
                std::fs::create_dir_all(folder.path().join(name).join("sub")).unwrap();
            }
            std::fs::write(folder.path().join("blob"), "x").unwrap();
            let now = Timestamp::now() + SignedDuration::from_hours(24 * days);
            let used = [OsString::from("used")].into();
            forget(folder.path(), before(now, COPIES), &used, idle).unwrap();
            let left = std::fs::read_dir(folder.path()).unwrap();
            let left: BTreeSet<_> = left.map(|entry| entry.unwrap().file_name()).collect();
            let expect: BTreeSet<_> = expect.iter().map(OsString::from).collect();
            assert_eq!(left, expect, "{days} {idle}");
        };
        check(0, true, &["used", "unused", "blob"]);
        check(2, true, &["used"]);
        check(2, false, &["used", "blob"]);
        let nothing = Path::new("/nonexistent");
        forget(nothing, SystemTime::UNIX_EPOCH, &BTreeSet::new(), true).unwrap();
    }
}
