//! Each roll-out's comparison: made once, as it begins, kept with it, and shown from there.
//!
//! A reconciler without input. A roll-out goes on meanwhile: its judge decides on what is measured, and this is for people.
//! What cannot be compared says why, and is not tried again.

use super::{Compared, Comparer, Fault, Unfit, pair};
use ::compare::{Options, Report};
use jiff::{SignedDuration, Timestamp};
use rollout::record;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use store::{Priority, Rollout, RolloutFilter, RolloutKind, RolloutState, Rollouts as _, Tx};

/// Requests that are asked for a roll-out.
const MOST: usize = 2000;
/// How long after its end a roll-out is still compared.
const LATE: SignedDuration = SignedDuration::from_mins(10);
/// How long it may take until a new roll-out is seen when nothing tells of it.
const IDLE: Duration = Duration::from_secs(10);

/// What is kept with a roll-out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// How the answers compare.
    Compared(Box<Compared>),
    /// Why nobody knows.
    LeftOut(String),
}

impl Outcome {
    fn headline(&self) -> String {
        match self {
            Self::Compared(compared) => compared.report.headline(),
            Self::LeftOut(why) => format!("answers were not compared: {why}"),
        }
    }
}

/// All that a roll-out keeps of how the answers of its versions compare.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Kept {
    /// On captured requests; null until it is known.
    captured: Option<Outcome>,
    /// On copies, before its first stage.
    shadow: Option<Shadow>,
}

/// What copies of requests have shown, as the roll-out reconciler keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Shadow {
    /// The version that got copies.
    version: u32,
    /// The share of requests that were copied.
    share: f64,
    /// How many were, and how many more were meant and found no room.
    copies: u64,
    dropped: u64,
    report: Report,
}

impl Shadow {
    fn text(&self) -> String {
        let after = format!("version {}", self.version);
        format!(
            "{after} on copies of {}% of requests: {} sent, {} dropped\n{}",
            self.share * 100.0,
            self.copies,
            self.dropped,
            self.report.text("the version that serves", &after)
        )
    }
}

impl Kept {
    /// A roll-out's, as far as this version can read it.
    pub(crate) fn of(tx: &mut Tx<'_>, rollout: &str) -> store::Result<Self> {
        let stored = tx.comparison(rollout)?;
        let read = stored.and_then(|stored| serde_json::from_value(stored).ok());
        Ok(read.unwrap_or_default())
    }

    /// In one line; none while nothing is known.
    pub(crate) fn headline(&self) -> Option<String> {
        let captured = self.captured.as_ref().map(Outcome::headline);
        let shadow = self.shadow.as_ref();
        let shadow = shadow.map(|shadow| format!("on copies, {}", shadow.report.headline()));
        let both: Vec<String> = captured.into_iter().chain(shadow).collect();
        (!both.is_empty()).then(|| both.join("; "))
    }

    /// All of it, as people read it.
    pub(crate) fn text(&self) -> String {
        let captured = match &self.captured {
            None => String::new(),
            Some(Outcome::Compared(compared)) => compared.text(),
            Some(outcome @ Outcome::LeftOut(_)) => format!("{}\n", outcome.headline()),
        };
        captured + &self.shadow.as_ref().map(Shadow::text).unwrap_or_default()
    }
}

/// Compares for every roll-out until told to stop.
pub(super) async fn run(comparer: Comparer) {
    let mut commits = comparer.app.store().subscribe();
    let mut failed = false;
    while !comparer.stop.is_cancelled() {
        commits.borrow_and_update();
        match comparer.pass().await {
            Ok(()) => failed = false,
            Err(Fault::Stopped) => return,
            Err(fault) => {
                if !failed {
                    let error = &fault as &dyn std::error::Error;
                    tracing::warn!(error, "answers of roll-outs are not compared");
                }
                failed = true;
            }
        }
        tokio::select! {
            () = comparer.stop.cancelled() => return,
            // After a failure it is only the time that helps.
            _ = commits.changed(), if !failed => {}
            () = tokio::time::sleep(IDLE) => {}
        }
    }
}

impl Comparer {
    async fn pass(&self) -> Result<(), Fault> {
        let now = self.app.now();
        for due in self.app.store().read(move |tx| due(tx, now)).await? {
            let outcome = self.outcome(&due).await?;
            let (headline, now) = (outcome.headline(), self.app.now());
            let stored = serde_json::to_value(&outcome).unwrap_or_default();
            let write = self.app.store().write(Priority::Normal, move |tx| {
                match record::compared(tx, &due, &headline, &stored, now) {
                    // Its project was destroyed meanwhile.
                    Err(error) if error.is_not_found() => Ok(()),
                    other => other,
                }
            });
            write.await?;
        }
        Ok(())
    }

    async fn outcome(&self, rollout: &Rollout) -> Result<Outcome, Fault> {
        let of = rollout.clone();
        let found = self.app.store().read(move |tx| {
            let place = (&*of.project, &*of.environment, &*of.model);
            let (before, after) = (of.from.map(|from| from.to_string()), of.to.to_string());
            let versions = (before.as_deref(), &*after);
            Ok(match pair(tx, place, Some(&of.service), versions) {
                Err(Unfit::Store(error)) => return Err(error),
                other => other.map_err(|unfit| unfit.to_string()),
            })
        });
        let pair = match found.await? {
            Ok(pair) => pair,
            Err(why) => return Ok(Outcome::LeftOut(why)),
        };
        let compared = async {
            let captured = self.captured(&pair.place, MOST).await?;
            let quiet = |_| {};
            self.compare(&pair, captured, Options::default(), &quiet)
                .await
        };
        match compared.await {
            Ok(compared) => Ok(Outcome::Compared(Box::new(compared))),
            Err(fault @ (Fault::Store(_) | Fault::Stopped)) => Err(fault),
            Err(fault) => Ok(Outcome::LeftOut(fault.for_people())),
        }
    }
}

/// Roll-outs to another version than served, of which nobody knows how it answers. One without stages may be over before
/// it is seen.
fn due(tx: &mut Tx<'_>, now: Timestamp) -> store::Result<Vec<Rollout>> {
    let mut due = tx.rollouts(&RolloutFilter::default())?;
    due.retain(|rollout| {
        let ended = rollout.ended_at.map(|at| now.duration_since(at));
        // Before that, it is not sure that its requests fit.
        let is_on = rollout.state != RolloutState::Pending;
        is_on && replaces(rollout) && ended.is_none_or(|ago| ago < LATE)
    });
    let mut unknown = Vec::new();
    for rollout in due {
        let known = tx.comparison(&rollout.id)?;
        if known.is_none_or(|known| known[record::CAPTURED].is_null()) {
            unknown.push(rollout);
        }
    }
    Ok(unknown)
}

/// A version that is about to take the place of the one that serves.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct OnItsWay {
    environment: String,
    service: String,
    rollout: String,
    from: Option<u32>,
    to: u32,
    /// How its answers compare.
    comparison: Kept,
}

impl OnItsWay {
    /// As people read it in a plan.
    pub(crate) fn text(&self) -> String {
        let head = format!(
            "Version {} of {} in {}",
            self.to, self.service, self.environment
        );
        let mut text = format!("{head}:\n");
        if self.comparison.captured.is_none() {
            text.push_str("    its answers are being compared\n");
        }
        for line in self.comparison.text().lines() {
            text.push_str(&format!("    {line}\n"));
        }
        text
    }
}

/// A project's versions on their way to places where another one serves.
pub(crate) fn on_their_way(tx: &mut Tx<'_>, project: &str) -> store::Result<Vec<OnItsWay>> {
    let filter = RolloutFilter {
        project: Some(project.to_owned()),
        active: true,
        ..RolloutFilter::default()
    };
    let mut found = Vec::new();
    for rollout in tx.rollouts(&filter)?.into_iter().filter(replaces) {
        let comparison = Kept::of(tx, &rollout.id)?;
        found.push(OnItsWay {
            environment: rollout.environment,
            service: rollout.service,
            rollout: rollout.id,
            from: rollout.from,
            to: rollout.to,
            comparison,
        });
    }
    Ok(found)
}

/// Whether a roll-out brings a version that did not serve just now to where another one serves.
fn replaces(rollout: &Rollout) -> bool {
    let moves = rollout.from.is_some_and(|from| from != rollout.to);
    moves && rollout.kind != RolloutKind::ManualRollback
}
