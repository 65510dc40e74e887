//! What servers that share one Postgres must have in common, and who this server is among them.
//!
//! The start asks, before anything is served. A server on SQLite is alone, which its lock on the state directory sees
//! to.

use crate::app::{App, StartError};
use std::{io, path::Path};
use store::{Agreements as _, Digest, Priority, StoreUrl};

/// The agreement on where bytes are.
const BLOBS: &str = "blobs";

/// Refuses a server that would not find the bytes that the others' records name: the first one leaves a blob, and
/// every other must see it at its own place.
pub(crate) async fn check(app: &App) -> Result<(), StartError> {
    if *app.store().url() == StoreUrl::Sqlite {
        return Ok(());
    }
    let agreed = match app.store().read(|tx| tx.agreement(BLOBS)).await? {
        Some(agreed) => agreed,
        None => {
            let mark = format!("blobs of one Mainspan store: {}\n", uuid::Uuid::now_v7());
            let mark = app.blobs().put(mark).await?;
            let agree = move |tx: &mut store::Tx<'_>| tx.agree(BLOBS, mark.as_str());
            app.store().write(Priority::Normal, agree).await?
        }
    };
    let mark: Digest = agreed.parse()?;
    if app.blobs().size(&mark).await?.is_some() {
        return Ok(());
    }
    let own = app.state_dir().join("blobs").display().to_string();
    Err(StartError::OtherBlobs(
        app.options().blobs.clone().unwrap_or(own),
    ))
}

/// Who this server is: a name that stays with the state directory, and the same with machine and directory for people.
/// Whoever has the directory's lock is the only one of that name, copies of the directory aside.
pub(crate) fn identity(state_dir: &Path) -> io::Result<(String, String)> {
    let place = state_dir.join("server.id");
    let id = match std::fs::read_to_string(&place) {
        Ok(id) => id,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let id = uuid::Uuid::now_v7().to_string();
            std::fs::write(&place, &id)?;
            id
        }
        Err(error) => return Err(error),
    };
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let (id, host, place) = (id.trim(), host.trim(), state_dir.display());
    Ok((id.to_owned(), format!("{host}:{place} ({id})")))
}
