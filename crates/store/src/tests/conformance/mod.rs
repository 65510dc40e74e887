//! What callers may rely on, whichever database is behind: one suite, run on both.
//!
//! Each part works in projects of its own, so that all of them share one database.

mod artifacts;
mod evaluation;
mod histories;
mod joins;
mod leases;
mod models;
mod moving;
mod retention;
mod reviews;
mod roles;
mod searches;
mod serving;
mod traces;
mod tracking;
mod uploads;
mod users;
mod webhooks;
mod work;
mod workspaces;

pub(crate) use models::{model, version};
pub(crate) use tracking::{experiment, point, tracked};

use crate::{Priority, Result, Store, Tx};

/// Runs the whole suite.
pub(crate) async fn conformance(store: &Store) {
    work::check(store).await;
    models::check(store).await;
    serving::check(store).await;
    joins::check(store).await;
    leases::check(store).await;
    tracking::check(store).await;
    histories::check(store).await;
    searches::check(store).await;
    artifacts::check(store).await;
    traces::check(store).await;
    uploads::check(store).await;
    users::check(store).await;
    moving::check(store).await;
    retention::check(store).await;
    roles::check(store).await;
    webhooks::check(store).await;
    evaluation::check(store).await;
    reviews::check(store).await;
    workspaces::check(store).await;
}

/// A write that must succeed.
async fn write<T: Send + 'static>(
    store: &Store,
    work: impl Fn(&mut Tx<'_>) -> Result<T> + Send + 'static,
) -> T {
    store.write(Priority::Normal, work).await.unwrap()
}

/// A read that must succeed.
async fn read<T: Send + 'static>(
    store: &Store,
    work: impl FnOnce(&mut Tx<'_>) -> Result<T> + Send + 'static,
) -> T {
    store.read(work).await.unwrap()
}

/// A write that must be refused: the message of its error.
async fn refused<T: Send + 'static>(
    store: &Store,
    work: impl Fn(&mut Tx<'_>) -> Result<T> + Send + 'static,
) -> String {
    match store.write(Priority::Normal, work).await {
        Ok(_) => panic!("it was not refused"),
        Err(error) => error.to_string(),
    }
}
