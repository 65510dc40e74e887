//! All versions' counters: handed out to threads, added up, kept on disk.
//!
//! The file is the sum. Each process takes out of its counters what it has not written yet and adds it to what
//! the file says, under a lock, so that a gateway that is leaving and the one that takes its place may both count.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Counters, Evidence, RouteEvidence, VersionEvidence};
use crate::durable::{self, Identity};
use crate::table::Route;

/// Project, environment, service, version.
type Key = (String, String, String, u32);

/// The counters of all versions that gateways of this state directory ever served.
#[derive(Debug)]
pub(crate) struct Ledger {
    path: PathBuf,
    threads: usize,
    counts: Mutex<Counts>,
    /// Lets one process at a time at the file, and one thread of this one.
    alone: Mutex<File>,
}

#[derive(Debug)]
struct Counts {
    epoch: i64,
    /// The file that `before` is from.
    file: Option<Identity>,
    versions: BTreeMap<Key, Version>,
}

/// One version's counters.
#[derive(Debug)]
struct Version {
    /// What the file says.
    before: VersionEvidence,
    /// What is taken out of the counters and not in the file.
    unwritten: Option<VersionEvidence>,
    /// What each thread of this process counted since.
    threads: Vec<Arc<Counters>>,
}

impl Ledger {
    /// Takes up the counters at `path`. When there are none, or they cannot be read (then the
    /// file is set aside), counting begins anew in an epoch that begins `now`.
    pub(crate) fn open(path: PathBuf, threads: usize, now: i64) -> io::Result<Self> {
        let alone = durable::lock_file(&path.with_extension("lock"))?;
        let ledger = Self {
            path,
            threads,
            counts: Mutex::new(Counts {
                epoch: now,
                file: None,
                versions: BTreeMap::new(),
            }),
            alone: Mutex::new(alone),
        };
        durable::locked(&lock(&ledger.alone), || ledger.take_up())?;
        Ok(ledger)
    }

    /// The counters of a version for one thread. A thread without a place of its own shares one.
    pub(crate) fn counters(&self, thread: usize, route: &Route, version: u32) -> Arc<Counters> {
        let key = (
            route.project.clone(),
            route.environment.clone(),
            route.service.clone(),
            version,
        );
        let mut counts = lock(&self.counts);
        let entry = counts.versions.entry(key);
        let entry = entry.or_insert_with(|| Version::new(version, self.threads));
        Arc::clone(&entry.threads[thread % entry.threads.len()])
    }

    /// Whether anything was counted since the last write.
    pub(crate) fn changed(&self) -> bool {
        lock(&self.counts).versions.values().any(Version::changed)
    }

    /// Writes the counters, if they changed, and returns what is now on disk. Blocks.
    pub(crate) fn persist(&self, now: i64) -> io::Result<Evidence> {
        let alone = lock(&self.alone);
        durable::locked(&alone, || {
            self.take_up()?;
            let (evidence, changed) = {
                let mut counts = lock(&self.counts);
                let mut changed = counts.file.is_none();
                for version in counts.versions.values_mut() {
                    changed |= version.take_out();
                }
                // What is counted from here on is for the next time.
                (counts.sum(now, Version::written), changed)
            };
            if changed {
                let json = serde_json::to_vec(&evidence).map_err(io::Error::other)?;
                durable::replace(&self.path, &json)?;
                let file = Identity::of(&self.path)?;
                let mut counts = lock(&self.counts);
                counts.file = file;
                for version in counts.versions.values_mut() {
                    version.wrote();
                }
            }
            Ok(evidence)
        })
    }

    /// Adds everything up.
    pub(crate) fn read(&self, now: i64) -> Evidence {
        lock(&self.counts).sum(now, Version::sum)
    }

    /// Reads the file, if it is another one than was read or written last. Whoever calls has the file's lock.
    fn take_up(&self) -> io::Result<()> {
        let file = Identity::of(&self.path)?;
        if lock(&self.counts).file == file {
            return Ok(());
        }
        let stored = stored(&self.path)?;
        let mut counts = lock(&self.counts);
        // Without a file, what is known here is written anew.
        counts.file = file.filter(|_| stored.is_some());
        let Some(evidence) = stored else {
            return Ok(());
        };
        counts.epoch = evidence.epoch;
        for route in evidence.routes {
            let (project, environment, service) = (route.project, route.environment, route.service);
            for before in route.versions {
                let key = (
                    project.clone(),
                    environment.clone(),
                    service.clone(),
                    before.version,
                );
                let entry = counts.versions.entry(key);
                let entry = entry.or_insert_with(|| Version::new(before.version, self.threads));
                entry.before = before;
            }
        }
        Ok(())
    }
}

/// What the file says. One that cannot be read is set aside.
fn stored(path: &Path) -> io::Result<Option<Evidence>> {
    let Some(bytes) = durable::read(path)? else {
        return Ok(None);
    };
    match serde_json::from_slice(&bytes) {
        Ok(evidence) => Ok(Some(evidence)),
        Err(error) => {
            let aside = path.with_extension("damaged");
            std::fs::rename(path, &aside)?;
            tracing::error!(%error, aside = %aside.display(), "evidence unreadable, counting anew");
            Ok(None)
        }
    }
}

impl Counts {
    fn sum(&self, now: i64, of: fn(&Version) -> VersionEvidence) -> Evidence {
        let mut routes: Vec<RouteEvidence> = Vec::new();
        for ((project, environment, service, _), version) in &self.versions {
            let same = routes.last_mut().filter(|last| {
                (&last.project, &last.environment, &last.service) == (project, environment, service)
            });
            let sum = of(version);
            match same {
                Some(route) => route.versions.push(sum),
                None => routes.push(RouteEvidence {
                    project: project.clone(),
                    environment: environment.clone(),
                    service: service.clone(),
                    versions: vec![sum],
                }),
            }
        }
        Evidence {
            epoch: self.epoch,
            at: now,
            routes,
        }
    }
}

impl Version {
    fn new(version: u32, threads: usize) -> Self {
        Self {
            before: none_of(version),
            unwritten: None,
            threads: (0..threads.max(1))
                .map(|_| Arc::new(Counters::new()))
                .collect(),
        }
    }

    fn changed(&self) -> bool {
        self.unwritten.is_some() || self.threads.iter().any(|counters| counters.any())
    }

    /// Takes out of the counters what they have; answers whether anything is to be written.
    fn take_out(&mut self) -> bool {
        if self.changed() {
            let version = self.before.version;
            let unwritten = self.unwritten.get_or_insert_with(|| none_of(version));
            for counters in &self.threads {
                counters.move_to(unwritten);
            }
        }
        self.unwritten.is_some()
    }

    /// What was taken out is in the file.
    fn wrote(&mut self) {
        self.before = self.written();
        self.unwritten = None;
    }

    /// What the file says, or is about to.
    fn written(&self) -> VersionEvidence {
        let mut sum = self.before.clone();
        if let Some(unwritten) = &self.unwritten {
            sum.add(unwritten);
        }
        sum
    }

    fn sum(&self) -> VersionEvidence {
        let mut sum = self.written();
        for counters in &self.threads {
            counters.add_to(&mut sum);
        }
        sum
    }
}

fn none_of(version: u32) -> VersionEvidence {
    VersionEvidence {
        version,
        ..VersionEvidence::default()
    }
}

/// Counters are plain numbers: valid whatever happened to another holder.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
