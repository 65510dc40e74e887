//! The lease under which one of several servers on one Postgres reconciles.
//!
//! One lease for all reconcilers: steps and replicas run on the machine of the server that starts them, triggers read
//! repositories there, and the gateway, its counters and its join log are that machine's as well, so they move
//! together. Every write of theirs is fenced by the lease. Without it this server answers HTTP and looks on.
//!
//! No clock is compared: a holder gives up when it cannot renew for a while, and one that stands by takes over when the
//! lease's beat has stood still for more of its looks than that. A process that was stopped for an hour has missed its
//! looks, and counts none of them.

use super::{archive, begin};
use crate::{app::App, shared};
use jiff::Timestamp;
use serde_json::json;
use std::time::Duration;
use store::{Events as _, Lease, Leases as _, NewEvent, Priority};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

/// The lease's name.
const NAME: &str = "reconcilers";
/// A holder renews this often, …
const RENEW: Duration = Duration::from_secs(1);
/// … and gives up when it has not been able to for so long after that.
const GIVE_UP: Duration = Duration::from_secs(2);
/// One that stands by looks this often, …
const LOOK: Duration = Duration::from_millis(500);
/// … and takes over after so many looks at the same beat: 4 s, more than a holder takes to give up.
const PATIENCE: u32 = 8;
/// Reconcilers may take so long to end before they are cut off; they can be, at any line.
const END: Duration = Duration::from_secs(10);

/// A step that is stopped may take so long to end by itself.
const GRACE: Duration = Duration::from_secs(5);

/// Who reconciles, for the API.
#[derive(Clone, Debug, serde::Serialize)]
struct Standing {
    /// Whether it is this server.
    leads: bool,
    /// This server.
    server: String,
    /// Who has the lease; none when nobody does.
    holder: Option<String>,
    /// Its number.
    fencing: u64,
    /// Since when this server has known that.
    since: Timestamp,
    /// Why this server took it, while it has it.
    why: Option<&'static str>,
    /// Why this server could not see or keep the lease, when it last could not.
    error: Option<String>,
}

/// Reconciles whenever the lease can be had, until the shutdown.
pub(super) async fn run(app: App, shutdown: CancellationToken) {
    let (id, me) = match shared::identity(app.state_dir()) {
        Ok(identity) => identity,
        Err(error) => {
            tracing::error!(%error, "the state directory cannot be written: this server will not reconcile");
            return;
        }
    };
    let standing = watch::Sender::new(Standing {
        leads: false,
        server: me.clone(),
        holder: None,
        fencing: 0,
        since: app.now(),
        why: None,
        error: None,
    });
    app.report("lease", standing.subscribe());
    let mut sight = Sight::new(me);
    while let Some((lease, why)) = stand_by(&app, &mut sight, &standing, &shutdown).await {
        tracing::info!(fencing = lease.fencing, why, "this server reconciles now");
        show(&app, &standing, Some(why), Some(&lease));
        let stop = shutdown.child_token();
        let mut tasks = JoinSet::new();
        begin(&mut tasks, &app.fenced(lease.clone()), Some(&id), &stop);
        let lost = hold(&app, &lease, &shutdown).await;
        stop.cancel();
        end(tasks).await;
        app.report_only(&["lease", archive::NAME]);
        let Some(why) = lost else {
            return give_back(&app, lease).await;
        };
        tracing::warn!(why, "this server does not reconcile any more");
        standing.send_modify(|standing| {
            (standing.leads, standing.why) = (false, None);
            standing.error = Some(why.to_owned());
        });
        sight.own = Some(lease.fencing);
    }
}

/// Looks on until the lease can be taken; `None` at the shutdown.
async fn stand_by(
    app: &App,
    sight: &mut Sight,
    standing: &watch::Sender<Standing>,
    shutdown: &CancellationToken,
) -> Option<(Lease, &'static str)> {
    // A lease that is given back is a commit, which is heard of at once.
    let mut commits = app.store().subscribe();
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let counts = tokio::select! {
            () = shutdown.cancelled() => return None,
            _ = looks.tick() => true,
            _ = commits.changed() => false,
        };
        let found = match app.store().read(|tx| tx.lease(NAME)).await {
            Ok(found) => found,
            Err(error) => {
                sight.nothing();
                let said = error.to_string();
                tracing::debug!(error = said, "the lease cannot be seen");
                standing.send_modify(|standing| standing.error = Some(said));
                continue;
            }
        };
        show(app, standing, None, found.as_ref());
        if let Some(fencing) = sight.replaced(found.as_ref())
            && let Err(error) = stop_steps(app).await
        {
            tracing::warn!(%error, fencing, "steps that nobody waits for go on here");
        }
        if let Some(why) = sight.look(found.as_ref(), counts) {
            match take(app, &sight.me, found, why).await {
                Ok(Some(lease)) => return Some((lease, why)),
                Ok(None) => {}
                Err(error) => tracing::warn!(%error, "the lease cannot be taken"),
            }
        }
    }
}

/// Renews until the shutdown, or until the lease is lost: then why.
async fn hold(app: &App, lease: &Lease, shutdown: &CancellationToken) -> Option<&'static str> {
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return None,
            () = sleep(RENEW) => {}
        }
        tokio::select! {
            () = shutdown.cancelled() => return None,
            renewed = timeout(GIVE_UP, renew(app, lease)) => match renewed {
                Ok(true) => {}
                Ok(false) => return Some("another server has taken over"),
                Err(_) => return Some("the store does not answer"),
            }
        }
    }
}

/// Whether the lease is still this one; asks until the store answers.
async fn renew(app: &App, lease: &Lease) -> bool {
    loop {
        let held = lease.clone();
        let write = app
            .store()
            .write(Priority::Urgent, move |tx| tx.renew_lease(&held));
        match write.await {
            Ok(renewed) => return renewed,
            Err(error) => tracing::warn!(%error, "the lease cannot be renewed"),
        }
        sleep(Duration::from_millis(100)).await;
    }
}

async fn take(
    app: &App,
    me: &str,
    seen: Option<Lease>,
    why: &'static str,
) -> store::Result<Option<Lease>> {
    let (me, now) = (me.to_owned(), app.now());
    let write = app.store().write(Priority::Urgent, move |tx| {
        let Some(lease) = tx.take_lease(NAME, &me, seen.as_ref())? else {
            return Ok(None);
        };
        tx.append_event(&NewEvent {
            project: None,
            at: now,
            actor: "server".to_owned(),
            kind: "lease.taken".to_owned(),
            subject: format!("lease/{NAME}"),
            reason: why.to_owned(),
            before: seen
                .as_ref()
                .map(|seen| json!({ "holder": seen.holder, "fencing": seen.fencing })),
            after: Some(json!({ "holder": me, "fencing": lease.fencing })),
        })?;
        Ok(Some(lease))
    });
    write.await
}

/// Ends the steps of this machine: whoever has taken the lease runs them again.
async fn stop_steps(app: &App) -> Result<(), platform::Error> {
    for unit in app.platform().list().await? {
        let step = unit.labels.get("kind").is_some_and(|kind| kind == "step");
        if step && !unit.state.is_over() {
            tracing::info!(unit = unit.id, "another server runs this step again");
            app.platform().stop(&unit.id, Some(GRACE)).await?;
        }
    }
    Ok(())
}

async fn give_back(app: &App, lease: Lease) {
    let write = app
        .store()
        .write(Priority::Urgent, move |tx| tx.release_lease(&lease));
    if !matches!(timeout(GIVE_UP, write).await, Ok(Ok(()))) {
        tracing::warn!(
            "the lease could not be given back: another server takes it in a few seconds"
        );
    }
}

async fn end(mut tasks: JoinSet<()>) {
    let ended = timeout(END, async {
        while let Some(ended) = tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a reconciler ended badly");
            }
        }
    });
    if ended.await.is_err() {
        tracing::warn!("reconcilers were cut off");
        tasks.shutdown().await;
    }
}

/// Makes visible who has the lease, and why this server, if it is this one.
fn show(
    app: &App,
    standing: &watch::Sender<Standing>,
    why: Option<&'static str>,
    lease: Option<&Lease>,
) {
    let held = lease.filter(|lease| !lease.is_free());
    let holder = held.map(|lease| lease.holder.clone());
    let fencing = lease.map_or(0, |lease| lease.fencing);
    standing.send_if_modified(|standing| {
        let known = (standing.why, &standing.holder, standing.fencing);
        if known == (why, &holder, fencing) {
            return false;
        }
        *standing = Standing {
            leads: why.is_some(),
            server: std::mem::take(&mut standing.server),
            holder,
            fencing,
            since: app.now(),
            why,
            error: standing.error.take().filter(|_| why.is_none()),
        };
        true
    });
}

/// What a server that stands by has seen of the lease.
struct Sight {
    /// This server.
    me: String,
    /// Under which number it last had the lease, in this process.
    own: Option<u64>,
    /// Whether it has looked before.
    looked: bool,
    /// The newest number under which another server is known to have it.
    others: u64,
    /// What it saw last, and for how many looks in a row.
    last: Option<(Lease, u32)>,
}

impl Sight {
    fn new(me: String) -> Self {
        Sight {
            me,
            own: None,
            looked: false,
            others: 0,
            last: None,
        }
    }

    /// The store did not answer: a holder could not have renewed either, so looks are counted from the start.
    fn nothing(&mut self) {
        self.last = None;
    }

    /// The number of a taking by another server that was not known before.
    fn replaced(&mut self, found: Option<&Lease>) -> Option<u64> {
        let found = found.filter(|found| !found.is_free() && found.holder != self.me)?;
        (std::mem::replace(&mut self.others, found.fencing) != found.fencing)
            .then_some(found.fencing)
    }

    /// Takes in what a look found; says why the lease may be taken, if it may. Looks that a commit has caused do not
    /// count, because they may follow each other at once.
    fn look(&mut self, found: Option<&Lease>, counts: bool) -> Option<&'static str> {
        let first = !std::mem::replace(&mut self.looked, true);
        let Some(found) = found else {
            return Some("nobody has ever had it");
        };
        if found.is_free() {
            return Some("the server before gave it back");
        }
        // The lock on the state directory says that the process of that name is gone, and this one is new.
        if found.holder == self.me && (first || self.own == Some(found.fencing)) {
            return Some("this server had it before");
        }
        let looks = match &self.last {
            Some((last, looks)) if last == found => looks + u32::from(counts),
            _ => 0,
        };
        self.last = Some((found.clone(), looks));
        (looks >= PATIENCE).then_some("its holder did not renew it")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(holder: &str, fencing: u64, beat: u64) -> Option<Lease> {
        Some(Lease {
            name: NAME.to_owned(),
            holder: holder.to_owned(),
            fencing,
            beat,
        })
    }

    /// Looks one after another: after which of them (from 1) the lease may be taken.
    fn check(looks: impl IntoIterator<Item = (Option<Lease>, bool)>, expect: Option<usize>) {
        let mut sight = Sight::new("me".to_owned());
        let at = looks
            .into_iter()
            .position(|(found, counts)| sight.look(found.as_ref(), counts).is_some());
        assert_eq!(at.map(|at| at + 1), expect);
    }

    #[test]
    fn a_lease_is_taken_when_nobody_has_it_or_its_beat_stands_still() {
        let still = |holder: &'static str| std::iter::repeat((lease(holder, 3, 7), true));
        check([(None, true)], Some(1));
        check([(lease("", 3, 7), false)], Some(1));
        check([(lease("me", 3, 7), true)], Some(1));
        check(still("other").take(8), None);
        check(still("other").take(100), Some(9));
        // It goes on: for ever.
        check(
            (0..100).map(|beat| (lease("other", 3, beat / 7), true)),
            None,
        );
        // A new holder begins with the same beat.
        check((0..100).map(|n| (lease("other", n / 7, 0), true)), None);
        // Commits are no looks.
        let commits = std::iter::repeat((lease("other", 3, 7), false));
        check(commits.take(100), None);
        // It was another's at first, and is then of this name without having been taken: a copy of the directory.
        let copied = [(lease("other", 3, 7), true), (lease("me", 4, 0), true)];
        check(copied, None);
    }

    #[test]
    fn looks_begin_again_when_the_store_was_away() {
        let mut sight = Sight::new("me".to_owned());
        for _ in 0..PATIENCE {
            assert_eq!(sight.look(lease("other", 1, 1).as_ref(), true), None);
        }
        sight.nothing();
        for _ in 0..PATIENCE {
            assert_eq!(sight.look(lease("other", 1, 1).as_ref(), true), None);
        }
        assert!(sight.look(lease("other", 1, 1).as_ref(), true).is_some());
    }

    #[test]
    fn a_lease_that_was_only_not_renewed_is_taken_back_at_once() {
        let mut sight = Sight::new("me".to_owned());
        assert!(sight.look(None, true).is_some());
        sight.own = Some(1);
        assert!(sight.look(lease("me", 1, 9).as_ref(), true).is_some());
        assert_eq!(sight.look(lease("me", 2, 0).as_ref(), true), None);
    }

    #[test]
    fn another_holder_is_known_once() {
        let mut sight = Sight::new("me".to_owned());
        for (found, expect) in [
            (None, None),
            (lease("me", 1, 0), None),
            (lease("other", 2, 0), Some(2)),
            (lease("other", 2, 1), None),
            (lease("", 2, 1), None),
            (lease("other", 3, 0), Some(3)),
        ] {
            assert_eq!(sight.replaced(found.as_ref()), expect, "{found:?}");
        }
    }

    #[test]
    fn a_holder_gives_up_before_another_takes_over() {
        assert!(RENEW + GIVE_UP < LOOK * PATIENCE);
    }
}
