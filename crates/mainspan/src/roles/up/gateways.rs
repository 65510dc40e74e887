//! One gateway after another in the supervisor's seat: nobody is refused while one takes the place of the last.
//!
//! The supervisor has the listening sockets and hands a copy to each gateway that it starts. A gateway of another
//! binary is started beside the one that serves; only when it says that it serves is the old one told to leave, which
//! ends with its last connection. Whichever of them is killed meanwhile, the other serves, and connections that come
//! while there is none wait.

use super::{
    READY, STOP,
    keep::{Order, Pace, Role, stop},
};
use crate::roles::gateway::{LEAVE, SERVING};
use anyhow::bail;
use gateway::{GatewayError, Options, Seat};
use std::{
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::net::UnixStream as Line,
    },
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    process::Child,
    sync::mpsc,
    task::{JoinSet, spawn_blocking},
};
use tokio_util::sync::CancellationToken;

/// How often to try for a place that a gateway is about to leave.
const LOOK: Duration = Duration::from_millis(20);

/// Takes the seat; waits for a gateway whose supervisor was killed, as that gateway is ending.
pub(super) async fn seat(options: &Options, shutdown: &CancellationToken) -> anyhow::Result<Seat> {
    let deadline = Instant::now() + STOP;
    loop {
        match Seat::take(options) {
            Err(GatewayError::InUse(_))
                if Instant::now() < deadline && !shutdown.is_cancelled() =>
            {
                tokio::time::sleep(LOOK).await;
            }
            taken => return Ok(taken?),
        }
    }
}

/// The gateways of a supervisor.
pub(super) struct Gateways {
    role: Role,
    seat: Arc<Seat>,
    /// Told to leave and not gone yet.
    leaving: JoinSet<anyhow::Result<()>>,
}

/// A gateway's process and the line to it.
struct Running {
    child: Child,
    line: UnixStream,
    started: Instant,
}

impl Gateways {
    pub(super) fn new(role: Role, seat: Seat) -> Self {
        Self {
            role,
            seat: Arc::new(seat),
            leaving: JoinSet::new(),
        }
    }

    /// Keeps one serving until the shutdown.
    pub(super) async fn keep(
        mut self,
        mut orders: mpsc::Receiver<Order>,
        shutdown: CancellationToken,
    ) -> anyhow::Result<()> {
        let mut pace = Pace::new();
        while !shutdown.is_cancelled() {
            let mut serving = self.start().await?;
            let status = loop {
                tokio::select! {
                    status = serving.child.wait() => break status?,
                    Some(order) = orders.recv() => {
                        let done = self.replace(&mut serving, &mut pace, &shutdown).await;
                        // Whoever gave the order may have gone.
                        let _ = order.send(done);
                    }
                    Some(left) = self.leaving.join_next() => note(left?),
                    () = shutdown.cancelled() => return self.stop(serving).await,
                }
            };
            let lived = serving.started.elapsed();
            pace.wait(self.role.name, status, lived, &shutdown).await?;
        }
        self.end().await
    }

    /// Puts a gateway of the binary on disk in the place of one of another binary. When it does not serve, all stays
    /// as it is.
    async fn replace(
        &mut self,
        serving: &mut Running,
        pace: &mut Pace,
        shutdown: &CancellationToken,
    ) -> anyhow::Result<()> {
        if !self.role.is_replaced(&serving.child) {
            return Ok(());
        }
        let mut next = self.start().await?;
        let serves = tokio::select! {
            serves = next.serves() => serves,
            () = shutdown.cancelled() => Err(anyhow::anyhow!("everything is being stopped")),
        };
        if let Err(error) = serves {
            stop(&mut next.child).await?;
            return Err(error);
        }
        pace.has_run();
        let mut old = std::mem::replace(serving, next);
        let shutdown = shutdown.clone();
        self.leaving.spawn(async move {
            // It may have ended meanwhile.
            let _ = old.line.write_u8(LEAVE).await;
            tokio::select! {
                _ = old.child.wait() => Ok(()),
                () = shutdown.cancelled() => stop(&mut old.child).await,
            }
        });
        Ok(())
    }

    async fn start(&self) -> anyhow::Result<Running> {
        let started = Instant::now();
        let (giver, taker) = Line::pair()?;
        let child = self.role.start(OwnedFd::from(taker).into())?;
        let (seat, hands) = (Arc::clone(&self.seat), giver.try_clone()?);
        // It blocks when there are more sockets than the line holds, until they are taken.
        let handed = spawn_blocking(move || seat.hand_to(hands.as_fd())).await?;
        if let Err(error) = handed {
            tracing::warn!(%error, "a gateway ended before it had its sockets");
        }
        giver.set_nonblocking(true)?;
        Ok(Running {
            child,
            line: UnixStream::from_std(giver)?,
            started,
        })
    }

    async fn stop(self, mut serving: Running) -> anyhow::Result<()> {
        let stopped = async {
            stop(&mut serving.child).await?;
            Ok(())
        };
        // The last copy must be the gateway's own: new connections are refused then, and not kept waiting in vain.
        let (ended, stopped) = tokio::join!(self.end(), stopped);
        stopped.and(ended)
    }

    async fn end(self) -> anyhow::Result<()> {
        let Self {
            seat, mut leaving, ..
        } = self;
        drop(seat);
        while let Some(left) = leaving.join_next().await {
            note(left?);
        }
        Ok(())
    }
}

impl Running {
    /// Waits until it says that it serves.
    async fn serves(&mut self) -> anyhow::Result<()> {
        let deadline = (self.started + READY).into();
        match tokio::time::timeout_at(deadline, self.line.read_u8()).await {
            Ok(Ok(SERVING)) => Ok(()),
            Ok(_) => bail!("the new gateway ended before it served; the lines above say why"),
            Err(_) => bail!("the new gateway does not serve after {}s", READY.as_secs()),
        }
    }
}

fn note(left: anyhow::Result<()>) {
    match left {
        Ok(()) => tracing::info!("a gateway has left"),
        Err(error) => tracing::warn!("a gateway that was leaving: {error:#}"),
    }
}
