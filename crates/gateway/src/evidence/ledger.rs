//! All versions' counters: handed out to threads, added up, kept on disk.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Counters, Evidence, RouteEvidence, VersionEvidence};
use crate::durable;
use crate::table::Route;

/// Project, environment, service, version.
type Key = (String, String, String, u32);

/// The counters of all versions that this gateway ever served.
#[derive(Debug)]
pub(crate) struct Ledger {
    path: PathBuf,
    epoch: i64,
    threads: usize,
    versions: Mutex<BTreeMap<Key, Version>>,
    /// Ticks of what is on disk. Also lets one writer at a time at the file.
    written: Mutex<u64>,
}

/// One version's counters.
#[derive(Debug)]
struct Version {
    /// What earlier processes counted.
    before: VersionEvidence,
    /// What each thread of this one counted.
    threads: Vec<Arc<Counters>>,
}

impl Ledger {
    /// Takes up the counters at `path`. When there are none, or they cannot be read (then the
    /// file is set aside), counting begins anew in an epoch that begins `now`.
    pub(crate) fn open(path: PathBuf, threads: usize, now: i64) -> io::Result<Self> {
        let stored = match durable::read(&path)? {
            None => None,
            Some(bytes) => match serde_json::from_slice::<Evidence>(&bytes) {
                Ok(evidence) => Some(evidence),
                Err(error) => {
                    let aside = path.with_extension("damaged");
                    std::fs::rename(&path, &aside)?;
                    tracing::error!(%error, aside = %aside.display(), "evidence unreadable, counting anew");
                    None
                }
            },
        };
        let evidence = stored.unwrap_or_else(|| Evidence {
            epoch: now,
            ..Evidence::default()
        });
        let mut versions = BTreeMap::new();
        for route in evidence.routes {
            let (project, environment, service) = (route.project, route.environment, route.service);
            for before in route.versions {
                let key = (
                    project.clone(),
                    environment.clone(),
                    service.clone(),
                    before.version,
                );
                versions.insert(key, Version::new(before, threads));
            }
        }
        Ok(Self {
            path,
            epoch: evidence.epoch,
            threads,
            versions: Mutex::new(versions),
            written: Mutex::new(0),
        })
    }

    /// The counters of a version for one thread. A thread without a place of its own shares one.
    pub(crate) fn counters(&self, thread: usize, route: &Route, version: u32) -> Arc<Counters> {
        let key = (
            route.project.clone(),
            route.environment.clone(),
            route.service.clone(),
            version,
        );
        let mut versions = lock(&self.versions);
        let entry = versions.entry(key).or_insert_with(|| {
            let before = VersionEvidence {
                version,
                ..VersionEvidence::default()
            };
            Version::new(before, self.threads)
        });
        Arc::clone(&entry.threads[thread % entry.threads.len()])
    }

    /// Whether anything was counted since the last write.
    pub(crate) fn changed(&self) -> bool {
        self.ticks() != *lock(&self.written)
    }

    /// Writes the counters, if they changed, and returns what is now on disk. Blocks.
    pub(crate) fn persist(&self, now: i64) -> io::Result<Evidence> {
        let mut written = lock(&self.written);
        // Ticks first: what is counted meanwhile makes the file stale, not lost.
        let ticks = self.ticks();
        let evidence = self.read(now);
        if ticks != *written || !self.path.exists() {
            let json = serde_json::to_vec(&evidence).map_err(io::Error::other)?;
            durable::replace(&self.path, &json)?;
            *written = ticks;
        }
        Ok(evidence)
    }

    /// Adds everything up.
    pub(crate) fn read(&self, now: i64) -> Evidence {
        let mut routes: Vec<RouteEvidence> = Vec::new();
        for ((project, environment, service, _), version) in lock(&self.versions).iter() {
            let same = routes.last_mut().filter(|last| {
                (&last.project, &last.environment, &last.service) == (project, environment, service)
            });
            let sum = version.sum();
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

    fn ticks(&self) -> u64 {
        let versions = lock(&self.versions);
        let counters = versions.values().flat_map(|version| &version.threads);
        counters.map(|counters| counters.ticks()).sum()
    }
}

impl Version {
    fn new(before: VersionEvidence, threads: usize) -> Self {
        let threads = threads.max(1);
        Self {
            before,
            threads: (0..threads).map(|_| Arc::new(Counters::new())).collect(),
        }
    }

    fn sum(&self) -> VersionEvidence {
        let mut sum = self.before.clone();
        for counters in &self.threads {
            counters.add_to(&mut sum);
        }
        sum
    }
}

/// Counters are plain numbers: valid whatever happened to another holder.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
