//! Files of the state directory that retention looks through: logs, and copies of models. Blocking.

use jiff::Timestamp;
use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// What `up --detach` and its roles say, in `logs/`.
const OWN_LOG: &str = "mainspan.log";
/// It is begun anew when it is longer; one older part stays beside it.
const OWN_LOG_BYTES: u64 = 64 << 20;

fn entries(folder: &Path) -> io::Result<Vec<fs::DirEntry>> {
    match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        other => other?.collect(),
    }
}

/// Folders named like runs that began before that time: a run's id says when it began.
pub(super) fn began_before(folder: &Path, before: Timestamp) -> io::Result<Vec<String>> {
    let began = |name: &str| {
        let (seconds, _) = name.parse::<uuid::Uuid>().ok()?.get_timestamp()?.to_unix();
        i64::try_from(seconds).ok()
    };
    let names = entries(folder)?.into_iter();
    let names = names.filter_map(|entry| entry.file_name().into_string().ok());
    Ok(names
        .filter(|name| began(name).is_some_and(|began| began < before.as_second()))
        .collect())
}

/// Removes files that were made before that time and are not among `needed`; how many.
pub(super) fn remove_old(
    folder: &Path,
    before: Timestamp,
    needed: &BTreeSet<String>,
) -> io::Result<u64> {
    let mut gone = 0;
    for entry in entries(folder)? {
        let name = entry.file_name();
        let is_needed = name.to_str().is_none_or(|name| needed.contains(name));
        let meta = entry.metadata()?;
        if meta.is_file() && !is_needed && meta.modified()? < SystemTime::from(before) {
            fs::remove_file(entry.path())?;
            gone += 1;
        }
    }
    Ok(gone)
}

/// Begins the roles' own log anew when it is long. They go on writing to the same file, at its end.
pub(super) fn shorten_own_log(logs: &Path) -> io::Result<()> {
    let path = logs.join(OWN_LOG);
    match fs::metadata(&path) {
        Ok(meta) if meta.len() > OWN_LOG_BYTES => {}
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => return Ok(()),
    }
    let older: PathBuf = path.with_extension("log.1");
    fs::copy(&path, older)?;
    fs::File::options().write(true).open(&path)?.set_len(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn the_own_log_goes_on_after_it_was_shortened() {
        let folder = tempfile::tempdir().unwrap();
        shorten_own_log(folder.path()).unwrap();
        let path = folder.path().join(OWN_LOG);
        let mut role = fs::File::options()
            .create(true)
            .append(true)
            .open(&path)
            .unwrap();
        let check = |length: u64, older: bool| {
            shorten_own_log(folder.path()).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().len(), length);
            assert_eq!(folder.path().join("mainspan.log.1").exists(), older);
        };
        role.write_all(b"begun\n").unwrap();
        check(6, false);
        fs::File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(OWN_LOG_BYTES + 1)
            .unwrap();
        check(0, true);
        role.write_all(b"and on\n").unwrap();
        check(7, true);
    }
}
