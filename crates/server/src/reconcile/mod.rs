//! The reconcilers that the server keeps going, each a task that ends with the shutdown.

mod executor;
mod library;
mod rollouts;
mod triggers;

pub(crate) use triggers::FILE;

use crate::app::App;
use jiff::Timestamp;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Starts them all.
pub(crate) fn spawn(tasks: &mut JoinSet<()>, app: &App, shutdown: &CancellationToken) {
    tasks.spawn(library::run(app.clone(), shutdown.clone()));
    tasks.spawn(executor::executor(app).run(shutdown.clone()));
    tasks.spawn(rollouts::reconciler(app).run(shutdown.clone()));
    tasks.spawn(triggers::run(app.clone(), shutdown.clone()));
    let watcher = watch::Watcher::new(watch::Parts {
        store: app.store().clone(),
        traffic: app.state_dir().join("traffic"),
        now: Timestamp::now,
    });
    tasks.spawn(watcher.run(shutdown.clone()));
}
