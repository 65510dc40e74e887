//! The reconcilers that the server keeps going, each a task that ends with the shutdown.

mod executor;
mod library;
mod push;
mod rollouts;
mod triggers;

pub(crate) use push::FILE;

use crate::app::App;
use jiff::Timestamp;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Starts them all; how each is shows under `/api/v1/reconcilers`.
pub(crate) fn spawn(tasks: &mut JoinSet<()>, app: &App, shutdown: &CancellationToken) {
    let executor = executor::executor(app);
    let rollouts = rollouts::reconciler(app);
    let watcher = watch::Watcher::new(watch::Parts {
        store: app.store().clone(),
        traffic: app.state_dir().join("traffic"),
        now: Timestamp::now,
    });
    let triggers = triggers::Triggers::new(app.clone());
    app.report("pipelines", executor.status());
    app.report("rollouts", rollouts.status());
    app.report("monitors", watcher.status());
    app.report("triggers", triggers.status());
    tasks.spawn(library::run(app.clone(), shutdown.clone()));
    tasks.spawn(executor.run(shutdown.clone()));
    tasks.spawn(rollouts.run(shutdown.clone()));
    tasks.spawn(watcher.run(shutdown.clone()));
    tasks.spawn(triggers.run(shutdown.clone()));
}
