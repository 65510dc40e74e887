//! Traffic while something else happens: a client that asks without retries for as long as it is let, sends true values
//! back later, and counts; and asking of any kind beside a piece of work.

use serde_json::json;
use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};
use testkit::http::{Answer, Connection, ask};

/// What became of the requests.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Report {
    /// Answered with 200.
    pub(crate) answered: u64,
    /// Answered by 200 with something that is not the version's answer.
    pub(crate) wrong: u64,
    /// Not answered with 200 while the gateway lived.
    pub(crate) failed: u64,
    /// Lost with a gateway that was killed, or refused until the next one listened.
    pub(crate) apart: u64,
    /// The longest time from such a loss to the next answer.
    pub(crate) longest_outage: Duration,
    /// Of those apart: answered, but not with 200.
    pub(crate) unready: u64,
    /// Labels acknowledged by the gateway that made the prediction: its log has both, in this order.
    pub(crate) labelled: u64,
}

/// What the thread and its owner share.
#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    /// Odd while the gateway is being killed; changed by every kill.
    epoch: AtomicU64,
    report: Mutex<(Report, Vec<String>)>,
}

/// The client.
pub(crate) struct Client {
    address: SocketAddr,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// Labels come this much later than the answers.
const LABEL_DELAY: Duration = Duration::from_millis(250);
const PAUSE: Duration = Duration::from_millis(4);
/// Failures of which the text is kept.
const KEPT: usize = 20;

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Client {
            address,
            shared: Arc::default(),
            threads: Vec::new(),
        }
    }

    /// Begins to ask `/delay`, whose version `v` answers `dep_delay + v`: on a connection for each request, and on one
    /// that is kept.
    pub(crate) fn start(&mut self) {
        for keeps in [false, true] {
            let asking = Asking::new(self.address, keeps);
            let shared = Arc::clone(&self.shared);
            self.threads
                .push(std::thread::spawn(move || work(asking, &shared)));
        }
    }

    /// Kills the gateway by `kill`: requests in its hands are counted apart.
    pub(crate) fn while_gateway_dies(&self, kill: impl FnOnce()) {
        self.shared.epoch.fetch_add(1, Ordering::SeqCst);
        kill();
        self.shared.epoch.fetch_add(1, Ordering::SeqCst);
    }

    /// Ends it.
    pub(crate) fn stop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
    }

    /// What became of the requests so far, and the first failures.
    pub(crate) fn report(&self) -> (Report, Vec<String>) {
        self.shared.report.lock().unwrap().clone()
    }
}

impl Client {
    /// Nobody was answered wrongly, and nobody was left without an answer but by a gateway that was killed.
    #[track_caller]
    pub(crate) fn assert_no_failure(&self) {
        let (report, failures) = self.report();
        assert_eq!(
            (report.wrong, report.failed),
            (0, 0),
            "{report:?}: {failures:?}"
        );
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
    }
}

/// How one thread asks.
struct Asking {
    address: SocketAddr,
    keeps: bool,
    kept: Option<Connection>,
}

impl Asking {
    fn new(address: SocketAddr, keeps: bool) -> Self {
        Asking {
            address,
            keeps,
            kept: None,
        }
    }

    /// Once.
    fn ask(&mut self, path: &str, body: &str) -> io::Result<Answer> {
        if !self.keeps {
            return ask(self.address, "POST", path, &[], body.as_bytes());
        }
        let mut connection = match self.kept.take() {
            Some(kept) => kept,
            None => Connection::open(self.address)?,
        };
        let answer = connection.post(path, body.as_bytes())?;
        self.kept = (!connection.closes()).then_some(connection);
        Ok(answer)
    }
}

fn work(mut asking: Asking, shared: &Shared) {
    let mut labels: VecDeque<(String, Instant, u64)> = VecDeque::new();
    let mut number = 0_u64;
    // The epoch up to which the gateway has answered again.
    let mut recovered = 0;
    let mut lost: Option<Instant> = None;
    while !shared.stop.load(Ordering::SeqCst) {
        number += 1;
        let id = format!("r{number}-{}", asking.keeps);
        let before = shared.epoch.load(Ordering::SeqCst);
        let row = json!({ "request_id": id, "dep_delay": 1.0 }).to_string();
        let answer = asking.ask("/delay", &row);
        let after = shared.epoch.load(Ordering::SeqCst);
        {
            let mut report = shared.report.lock().unwrap();
            let (counts, failures) = &mut *report;
            match &answer {
                Ok(answer) if answer.status == 200 => {
                    counts.answered += 1;
                    let expect = answer.version.map(|version| 1.0 + f64::from(version));
                    if expect.is_none() || answer.json()["prediction"].as_f64() != expect {
                        counts.wrong += 1;
                        failures.push(answer.body.clone());
                    }
                    // In an odd epoch the gateway still answers, and is gone a moment later.
                    if before.is_multiple_of(2) {
                        recovered = before;
                    }
                    if let Some(since) = lost.take() {
                        counts.longest_outage = counts.longest_outage.max(since.elapsed());
                    }
                    // An answer that crossed a kill may be of the gateway that was killed, whose log lacks it.
                    if before == after {
                        labels.push_back((id, Instant::now(), after));
                    }
                }
                other if before != after || recovered != after => {
                    counts.apart += 1;
                    counts.unready += u64::from(other.is_ok());
                    lost.get_or_insert_with(Instant::now);
                }
                other => {
                    counts.failed += 1;
                    if failures.len() < KEPT {
                        failures.push(format!("{other:?}"));
                    }
                }
            }
        }
        while let Some((id, _, epoch)) =
            labels.pop_front_if(|(_, at, _)| at.elapsed() > LABEL_DELAY)
        {
            let same_gateway = || epoch == shared.epoch.load(Ordering::SeqCst);
            if !same_gateway() {
                continue;
            }
            let label = json!([{ "request_id": id, "label": 2.0 }]).to_string();
            let sent = asking.ask("/delay/labels", &label);
            if sent.is_ok_and(|answer| answer.status < 300) && same_gateway() {
                shared.report.lock().unwrap().0.labelled += 1;
            }
        }
        std::thread::park_timeout(PAUSE);
    }
}

/// Calls `ask` again and again, from `clients` threads with a pause in between, while `work` runs; it gets the number of
/// its thread and that of the call, from 1. When `work` panics, the asking ends too.
pub(crate) fn while_asking<T>(
    clients: u64,
    pause: Duration,
    ask: impl Fn(u64, u64) + Sync,
    work: impl FnOnce() -> T,
) -> T {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for client in 0..clients {
            let (stop, ask) = (&stop, &ask);
            scope.spawn(move || {
                for number in 1.. {
                    if stop.load(Ordering::SeqCst) {
                        break;
                    }
                    ask(client, number);
                    std::thread::park_timeout(pause);
                }
            });
        }
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        stop.store(true, Ordering::SeqCst);
        outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
