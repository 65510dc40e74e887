//! The reconcilers that the server keeps going, each a task that ends with the shutdown.

mod archive;
mod executor;
mod gateway;
mod lead;
mod library;
mod push;
mod retention;
mod rollouts;
mod schedule;
mod triggers;
mod webhooks;

pub(crate) use push::FILE;

use crate::{app::App, compare::Comparer, engines::Local};
use std::sync::Arc;
use store::StoreUrl;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Starts what this server has to do: on SQLite all of it, on Postgres, which it may share with others, the reconcilers
/// whenever it has their lease.
pub(crate) fn spawn(tasks: &mut JoinSet<()>, app: &App, shutdown: &CancellationToken) {
    tasks.spawn(library::run(app.clone(), shutdown.clone()));
    tasks.spawn(archive::run(app.clone(), shutdown.clone()));
    match app.store().url() {
        StoreUrl::Sqlite => begin(tasks, app, None, shutdown),
        StoreUrl::Postgres(_) => {
            tasks.spawn(lead::run(app.clone(), shutdown.clone()));
        }
    }
}

/// Starts the reconcilers, where several machines have them in turn under this one's name; how each is shows under `/api/v1/reconcilers`.
fn begin(tasks: &mut JoinSet<()>, app: &App, machine: Option<&str>, shutdown: &CancellationToken) {
    let toolchains = executor::toolchains(app);
    let executor = executor::executor(app, Arc::clone(&toolchains), machine);
    let engines = Arc::new(Local::new(app.clone(), toolchains));
    let rollouts = rollouts::reconciler(app, Arc::clone(&engines));
    let comparer = Comparer::new(app.clone(), engines, shutdown.clone());
    let watcher = watch::Watcher::new(watch::Parts {
        store: app.store().clone(),
        traffic: app.state_dir().join("traffic"),
        log: machine.map(str::to_owned),
        now: app.options().now,
    });
    let triggers = triggers::Triggers::new(app.clone());
    app.report("pipelines", executor.status());
    app.report("rollouts", rollouts.status());
    app.report("monitors", watcher.status());
    let retention = retention::Retention::new(app);
    app.report("retention", retention.status());
    app.report("triggers", triggers.status());
    let teller = webhooks::Teller::new(app);
    app.report("webhooks", teller.status());
    tasks.spawn(executor.run(shutdown.clone()));
    tasks.spawn(rollouts.run(shutdown.clone()));
    tasks.spawn(comparer.run());
    tasks.spawn(watcher.run(shutdown.clone()));
    tasks.spawn(triggers.run(shutdown.clone()));
    tasks.spawn(retention.run(shutdown.clone()));
    tasks.spawn(teller.run(shutdown.clone()));
    if let Some(supervisor) = app.options().supervisor {
        let gateway = gateway::Successor::new(app, supervisor);
        app.report("gateway", gateway.status());
        tasks.spawn(gateway.run(shutdown.clone()));
    }
}
