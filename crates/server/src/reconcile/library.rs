//! Gets the model runtime's library once, when the server starts, so that the first replica need not wait for it.

use crate::app::App;
use std::{path::Path, time::Duration};
use tokio_util::sync::CancellationToken;

const AGAIN: Duration = Duration::from_secs(30);

/// Fetches until it is there.
pub(super) async fn run(app: App, shutdown: CancellationToken) {
    while app.library().is_err() && !shutdown.is_cancelled() {
        let state = app.state_dir().to_owned();
        let fetched = tokio::task::spawn_blocking(move || {
            engine::library::fetch(&state, Path::new("python3"))
        })
        .await;
        match fetched {
            Ok(Ok(path)) => {
                tracing::info!(path = %path.display(), "the model runtime is there");
                return;
            }
            Ok(Err(error)) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the model runtime cannot be fetched"
            ),
            Err(error) => tracing::error!(%error, "fetching the model runtime was cut off"),
        }
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = tokio::time::sleep(AGAIN) => {}
        }
    }
}
