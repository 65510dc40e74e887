//! A plan for models: two versions are asked what a service was asked, and their answers compared.
//!
//! People ask for it (`mainspan diff`), over the [`desk`]; every roll-out has it done for it ([`rollouts`]). Both versions
//! run as engines of their own, outside of any route, so what serves is never asked and never held up. One comparison at a
//! time on a machine. What the answers mean is [`::compare`]'s to say.

mod asking;
mod captured;
mod desk;
mod engine;
mod pair;
mod rollouts;

pub(crate) use captured::of_lines;
pub(crate) use desk::{Asked, Desk, Progress, Refused, Shown};
pub(crate) use pair::{Pair, Unfit, pair};
pub(crate) use rollouts::{Kept, OnItsWay, on_their_way};
pub(crate) use watch::log::Place;

use crate::{app::App, engines::Local};
use ::compare::{Asked as Question, Comparison, Options, Report};
use captured::{Captured, Source};
use engine::Engine;
use serde::{Deserialize, Serialize};
use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{sync::Semaphore, task::JoinSet};
use tokio_util::sync::CancellationToken;

/// Requests that an engine is asked at a time.
const HANDFUL: usize = 8;
/// How long all of it may take; what was compared by then is the result.
const LONGEST: Duration = Duration::from_secs(600);

/// Two versions compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Compared {
    /// The version that serves, or is taken for it.
    pub(crate) before: u32,
    /// The other one.
    pub(crate) after: u32,
    /// Where the requests came from.
    pub(crate) source: Source,
    /// What else should be known.
    pub(crate) notes: Vec<String>,
    /// What was found.
    pub(crate) report: Report,
}

/// A comparison that could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// Nothing to ask.
    #[error("{0}")]
    Nothing(String),
    /// No memory for two more engines.
    #[error("there is no room for two more engines: {0}")]
    NoRoom(String),
    /// A version does not start.
    #[error("version {0} does not start: {1}")]
    Start(u32, String),
    /// A version goes away again and again.
    #[error("the engine of version {0} ended again and again while it was asked")]
    Ended(u32),
    /// The driver of units.
    #[error("the engines cannot be run: {0}")]
    Platform(#[source] platform::Error),
    /// The log.
    #[error("the traffic log cannot be read: {0}")]
    Log(#[source] std::io::Error),
    /// The store.
    #[error("the store failed")]
    Store(#[from] store::Error),
    /// The server ends.
    #[error("the server was stopped meanwhile: ask again")]
    Stopped,
}

impl Fault {
    /// All of it in one line.
    fn for_people(&self) -> String {
        let mut text = self.to_string();
        let mut next = std::error::Error::source(self);
        while let Some(cause) = next {
            text.push_str(&format!(": {cause}"));
            next = cause.source();
        }
        text
    }
}

/// Makes comparisons on this machine.
#[derive(Clone)]
pub(crate) struct Comparer {
    app: App,
    engines: Arc<Local>,
    /// One at a time.
    turn: Arc<Semaphore>,
    stop: CancellationToken,
}

impl Comparer {
    /// One with the server's engines, that works until told to stop.
    pub(crate) fn new(app: App, engines: Arc<Local>, stop: CancellationToken) -> Self {
        Self {
            app,
            engines,
            turn: Arc::new(Semaphore::new(1)),
            stop,
        }
    }

    /// Ends what an earlier server left, then serves the desk and the roll-outs.
    pub(crate) async fn run(self) {
        engine::sweep(self.app.platform().as_ref()).await;
        let mut tasks = JoinSet::new();
        tasks.spawn(desk::run(self.clone()));
        tasks.spawn(rollouts::run(self));
        while tasks.join_next().await.is_some() {}
    }

    fn log(&self) -> PathBuf {
        self.app.state_dir().join("traffic/log")
    }

    /// The last `most` requests that a service was asked.
    async fn captured(&self, place: &Place, most: usize) -> Result<Captured, Fault> {
        let (folder, of) = (self.log(), place.clone());
        let read = tokio::task::spawn_blocking(move || captured::recent(&folder, &of, most)).await;
        let captured = read.map_err(std::io::Error::other).and_then(|read| read);
        let captured = captured.map_err(Fault::Log)?;
        if captured.requests.is_empty() {
            return Err(Fault::Nothing(nothing(place, &captured.source)));
        }
        Ok(captured)
    }

    /// Asks both versions all of it. `say` is told how far it is.
    async fn compare(
        &self,
        pair: &Pair,
        captured: Captured,
        options: Options,
        say: &(dyn Fn(Progress) + Sync),
    ) -> Result<Compared, Fault> {
        let _turn = self.turn.acquire().await;
        let name = uuid::Uuid::now_v7().simple().to_string();
        let name = |side: &str| format!("compare-{}{side}", &name[20..]);
        let parts = (
            self.app.platform().as_ref(),
            self.engines.as_ref(),
            self.app.options().engine.as_slice(),
        );
        let mut before = Engine::new(parts, pair, &pair.before, name("a"));
        let mut after = Engine::new(parts, pair, &pair.after, name("b"));
        let asking = ask_all(&mut before, &mut after, &captured, options, say);
        let compared = self.stop.run_until_cancelled(asking).await;
        let compared = compared.unwrap_or(Err(Fault::Stopped));
        before.end().await;
        after.end().await;
        let (report, late) = compared?;
        let mut notes = pair.notes.clone();
        if late {
            notes.push(format!(
                "after {} s, {} of {} requests were compared",
                LONGEST.as_secs(),
                report.requests,
                captured.requests.len()
            ));
        }
        Ok(Compared {
            before: pair.before.version,
            after: pair.after.version,
            source: captured.source,
            notes,
            report,
        })
    }
}

/// The report, and whether its time was over before all was asked.
async fn ask_all(
    before: &mut Engine<'_>,
    after: &mut Engine<'_>,
    captured: &Captured,
    options: Options,
    say: &(dyn Fn(Progress) + Sync),
) -> Result<(Report, bool), Fault> {
    let of = captured.requests.len();
    let step = |step: String| say(Progress { step, done: 0, of });
    before.start(&step).await?;
    after.start(&step).await?;
    let mut comparison = Comparison::new(options);
    let deadline = Instant::now() + LONGEST;
    for handful in captured.requests.chunks(HANDFUL) {
        if Instant::now() > deadline {
            return Ok((comparison.report(), true));
        }
        let (old, new) = tokio::join!(before.ask(handful, &step), after.ask(handful, &step));
        let (old, new) = (old?, new?);
        for ((request, old), new) in handful.iter().zip(&old).zip(&new) {
            let asked = Question {
                id: &request.id,
                wire: request.wire,
                body: &request.body,
            };
            comparison.add(asked, old, new);
        }
        say(Progress {
            step: "asking both versions".to_owned(),
            done: usize::try_from(comparison.requests()).unwrap_or(of),
            of,
        });
    }
    Ok((comparison.report(), false))
}

/// Why there is nothing to ask, and what to do.
fn nothing(place: &Place, source: &Source) -> String {
    let Place {
        environment,
        service,
        ..
    } = place;
    let left_out = source.refused + source.unreadable;
    if left_out > 0 {
        return format!(
            "of the {left_out} requests to {service} in {environment} in the traffic log, none can be asked again: {} were refused as wrong, {} are not whole (the log keeps the first 16 KiB of a body)",
            source.refused, source.unreadable
        );
    }
    format!(
        "no request to {service} in {environment} is in the traffic log yet: it is written a minute after requests come, and not at all with --no-traffic-log. `--rows FILE` compares on rows of a file"
    )
}

impl Compared {
    /// All of it, as people read it.
    pub(crate) fn text(&self) -> String {
        let name = |version: u32| format!("version {version}");
        let (before, after) = (name(self.before), name(self.after));
        let mut text = format!("{before} and {after} on {}\n", self.source);
        for note in &self.notes {
            text.push_str(&format!("note: {note}\n"));
        }
        text.push_str(&self.report.text(&before, &after));
        text
    }
}
