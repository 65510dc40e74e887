//! Copies finished files of this machine's traffic log elsewhere, where the server was told to (`--traffic-archive`).
//!
//! The gateway writes, and removes by age and size; a mark beside the files (`copied/NAME`) tells it which have been
//! copied, so that it lets the others wait. A file that was copied just before a crash is copied again, to the same
//! name. Every server copies its own gateway's files, whoever holds the lease: it writes no records.

use crate::{app::App, shared};
use gateway::traffic_names::{COPIED, ENDING, told};
use jiff::{Timestamp, tz::TimeZone};
use serde::Serialize;
use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use store::NamedFiles;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Its name in the API.
pub(super) const NAME: &str = "traffic-archive";
/// Pause between rounds.
const PERIOD: Duration = Duration::from_secs(5);
/// The folders of the traffic log.
const FOLDERS: [&str; 2] = ["log", "labels"];

/// What it has done, for the API.
#[derive(Clone, Debug, Default, Serialize)]
struct Status {
    /// Files that were copied since the server started.
    copied: u64,
    /// When the last one was.
    at: Option<Timestamp>,
    /// Files that wait.
    waiting: usize,
    /// What went wrong in the last round.
    error: Option<String>,
}

/// A round that could not be finished; the next begins anew.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error("the traffic log cannot be looked through: {0}")]
    Files(#[from] io::Error),
}

/// The reconciler.
struct Archive {
    app: App,
    place: Arc<NamedFiles>,
    traffic: PathBuf,
    /// What keeps servers' files apart.
    server: String,
    status: watch::Sender<Status>,
}

/// Keeps at it until the shutdown. Without a place to copy to, tells the gateway once that nothing has to wait.
pub(super) async fn run(app: App, shutdown: CancellationToken) {
    let traffic = app.state_dir().join("traffic");
    let Some(place) = app.traffic_archive().map(Arc::clone) else {
        if let Err(error) = blocking(move || forget_marks(&traffic)).await {
            tracing::warn!(%error, "marks of copied traffic are not removed");
        }
        return;
    };
    let server = match shared::identity(app.state_dir()) {
        Ok((server, _)) => server,
        Err(error) => {
            tracing::error!(%error, "the state directory cannot be written: no traffic will be copied");
            return;
        }
    };
    let status = watch::Sender::default();
    app.report(NAME, status.subscribe());
    let archive = Archive {
        app,
        place,
        traffic,
        server,
        status,
    };
    shutdown.run_until_cancelled(archive.keep_at_it()).await;
}

impl Archive {
    async fn keep_at_it(self) {
        loop {
            let done = self.round().await;
            if let Err(fault) = &done {
                let error = fault as &dyn std::error::Error;
                tracing::warn!(error, "traffic is not copied");
            }
            let error = done.err().map(|fault| fault.to_string());
            self.status.send_modify(|status| status.error = error);
            tokio::time::sleep(PERIOD).await;
        }
    }

    /// Copies what waits, oldest first.
    async fn round(&self) -> Result<(), Fault> {
        let mut waiting = Vec::new();
        for folder in FOLDERS {
            let path = self.traffic.join(folder);
            let names = blocking(move || look(&path)).await?;
            waiting.extend(names.into_iter().map(|name| (folder, name)));
        }
        let mut left = waiting.len();
        self.status.send_modify(|status| status.waiting = left);
        for (folder, name) in waiting {
            let file = self.traffic.join(folder).join(&name);
            left -= 1;
            // The gateway may have removed it meanwhile.
            if tokio::fs::try_exists(&file).await? {
                let to = target(folder, &name, &self.server);
                self.place.put_file(&to, &file).await?;
                let mark = self.traffic.join(folder).join(COPIED).join(&name);
                blocking(move || fs::write(mark, "")).await?;
                let now = self.app.now();
                self.status.send_modify(|status| {
                    (status.copied, status.at) = (status.copied + 1, Some(now));
                });
            }
            self.status.send_modify(|status| status.waiting = left);
        }
        Ok(())
    }
}

/// Where a file is copied to: its folder, the day (in UTC) on which it was begun, its name with the server's.
fn target(folder: &str, name: &str, server: &str) -> String {
    let began = told(name)
        .and_then(|(micros, _)| Timestamp::from_microsecond(micros).ok())
        .unwrap_or(Timestamp::UNIX_EPOCH);
    let day = began.to_zoned(TimeZone::UTC).date();
    let stem = name.strip_suffix(ENDING).unwrap_or(name);
    format!("{folder}/date={day}/{stem}-{server}{ENDING}")
}

/// Finished files of a folder that have no mark, oldest first. Makes the folder of marks, and removes those whose file
/// is gone.
fn look(folder: &Path) -> io::Result<Vec<String>> {
    let marks = folder.join(COPIED);
    fs::create_dir_all(&marks)?;
    let files = names(folder)?;
    let copied = names(&marks)?;
    for gone in copied.difference(&files) {
        fs::remove_file(marks.join(gone))?;
    }
    Ok(files.difference(&copied).cloned().collect())
}

/// Names of the Parquet files, or of their marks, in a folder.
fn names(folder: &Path) -> io::Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        if let Some(name) = name.to_str().filter(|name| name.ends_with(ENDING)) {
            found.insert(name.to_owned());
        }
    }
    Ok(found)
}

/// Removes the marks: where nothing is copied, nothing has to wait.
fn forget_marks(traffic: &Path) -> io::Result<()> {
    for folder in FOLDERS {
        match fs::remove_dir_all(traffic.join(folder).join(COPIED)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(io::Error::other(error)))
}

#[cfg(test)]
mod tests;
