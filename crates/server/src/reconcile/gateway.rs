//! Sees that the gateway runs the binary that this server runs: a server that was started again may be newer.
//!
//! The supervisor decides what is replaced, and does it: it alone has the gateway's sockets. Asking it once more than
//! needed does no harm.

use crate::app::App;
use jiff::Timestamp;
use platform::Program;
use serde::Serialize;
use std::{io, time::Duration};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

const PERIOD: Duration = Duration::from_secs(5);
/// When it has asked: a binary that does not start is not started all the time.
const AFTER_ASKING: Duration = Duration::from_secs(60);

/// How it goes, for the API.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Status {
    /// When it looked last.
    at: Option<Timestamp>,
    /// Whether the gateway runs this server's binary; null when no gateway answers.
    same_binary: Option<bool>,
    /// How often it asked for another gateway.
    asked: u64,
    /// What held it up last.
    error: Option<String>,
}

/// The reconciler of the gateway's binary.
pub(super) struct Successor {
    app: App,
    supervisor: fn() -> io::Result<()>,
    status: watch::Sender<Status>,
}

impl Successor {
    pub(super) fn new(app: &App, supervisor: fn() -> io::Result<()>) -> Self {
        Self {
            app: app.clone(),
            supervisor,
            status: watch::Sender::default(),
        }
    }

    /// How it goes.
    pub(super) fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// Looks until the shutdown.
    pub(super) async fn run(self, shutdown: CancellationToken) {
        loop {
            let seen = self.same_binary().await;
            let asks = matches!(seen, Ok(Some(false)));
            let asked = if asks { (self.supervisor)() } else { Ok(()) };
            if let Err(error) = &asked {
                tracing::warn!(%error, "the supervisor cannot be asked for another gateway");
            }
            self.status.send_modify(|status| {
                status.at = Some(self.app.now());
                status.asked += u64::from(asks);
                let error = seen.as_ref().err().or(asked.as_ref().err());
                status.error = error.map(ToString::to_string);
                status.same_binary = seen.ok().flatten();
            });
            let pause = if asks { AFTER_ASKING } else { PERIOD };
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Nothing when no gateway answers: the supervisor starts one of the newest binary by itself.
    async fn same_binary(&self) -> io::Result<Option<bool>> {
        let Ok(health) = self.app.gateway().health().await else {
            return Ok(None);
        };
        let gateways = match Program::of(health.pid) {
            // It has ended meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        Ok(Some(gateways == Program::of(std::process::id())?))
    }
}
