//! A service under recorded requests, event by event: replicas with a hard limit of requests, one queue before them, and
//! whoever decides how many there are.

use super::traces::Request;
use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    time::Duration,
};

/// Requests a replica takes at a time.
pub(crate) const SLOTS: usize = 4;
/// A request that waits longer is a violation.
const PATIENCE: Duration = Duration::from_secs(1);

/// What whoever decides is shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) now: Duration,
    pub(crate) ready: usize,
    pub(crate) starting: usize,
    /// Requests that came.
    pub(crate) arrived: usize,
    /// Requests at replicas and in the queue.
    pub(crate) present: usize,
    /// Their times added up.
    pub(crate) time: Duration,
}

/// Decides.
pub(crate) trait Policy {
    /// How often it is asked.
    fn period(&self) -> Duration;
    /// How many replicas there should be.
    fn wanted(&mut self, seen: &Seen) -> usize;
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Outcome {
    /// Percent of requests that waited too long.
    pub(crate) violations: f64,
    /// Seconds of all replicas, from the beginning of their start to the end of their last request.
    pub(crate) seconds: f64,
    /// Seconds in which a request waited.
    pub(crate) short: f64,
    /// Most replicas that were wanted at a time.
    pub(crate) peak: usize,
}

#[derive(Debug, Clone, Copy)]
struct Replica {
    began: Duration,
    ready: Duration,
    requests: usize,
    leaving: bool,
}

struct World<'a> {
    now: Duration,
    start: Duration,
    requests: &'a [Request],
    /// Those that came.
    arrived: usize,
    /// Those that wait, by number.
    queue: VecDeque<usize>,
    /// Places keep their number; those that are over are empty.
    replicas: Vec<Option<Replica>>,
    /// When a request ends, and where.
    ends: BinaryHeap<Reverse<(Duration, usize)>>,
    /// When a replica is ready.
    readies: BinaryHeap<Reverse<Duration>>,
    present: usize,
    time: Duration,
    violations: usize,
    seconds: f64,
    short: f64,
}

/// Runs a trace from its first request to the end of its last; there are `begin` replicas at first, and others take `start`.
pub(crate) fn run(
    requests: &[Request],
    start: Duration,
    begin: usize,
    policy: &mut dyn Policy,
) -> Outcome {
    let ready = Replica {
        began: Duration::ZERO,
        ready: Duration::ZERO,
        requests: 0,
        leaving: false,
    };
    let mut world = World {
        now: Duration::ZERO,
        start,
        requests,
        arrived: 0,
        queue: VecDeque::new(),
        replicas: vec![Some(ready); begin],
        ends: BinaryHeap::new(),
        readies: BinaryHeap::new(),
        present: 0,
        time: Duration::ZERO,
        violations: 0,
        seconds: 0.0,
        short: 0.0,
    };
    let (mut look, mut peak) = (policy.period(), begin);
    while let Some(next) = world.next_event() {
        let at = next.min(look);
        world.pass_until(at);
        if at == look {
            look += policy.period();
            let wanted = policy.wanted(&world.seen()).max(1);
            peak = peak.max(wanted);
            world.scale(wanted);
        }
        world.dispatch();
    }
    let left: Vec<usize> = (0..world.replicas.len()).collect();
    left.into_iter().for_each(|place| world.end(place));
    Outcome {
        violations: 100.0 * world.violations as f64 / requests.len() as f64,
        seconds: world.seconds,
        short: world.short,
        peak,
    }
}

impl World<'_> {
    /// When something happens next; nothing does once all requests are answered.
    fn next_event(&self) -> Option<Duration> {
        let arrival = self.requests.get(self.arrived).map(|request| request.at);
        let end = self.ends.peek().map(|Reverse((at, _))| *at);
        let ready = self.readies.peek().map(|Reverse(at)| *at);
        let goes_on = arrival.is_some() || end.is_some() || !self.queue.is_empty();
        let next = [arrival, end, ready].into_iter().flatten().min();
        goes_on.then(|| next.unwrap_or(Duration::MAX))
    }

    fn pass_until(&mut self, at: Duration) {
        let passed = at - self.now;
        if !self.queue.is_empty() {
            self.short += passed.as_secs_f64();
        }
        self.time += passed * u32::try_from(self.present).unwrap_or(u32::MAX);
        self.now = at;
        while self
            .readies
            .peek()
            .is_some_and(|Reverse(ready)| *ready <= at)
        {
            self.readies.pop();
        }
        while let Some(Reverse((end, place))) = self.ends.peek().copied()
            && end <= at
        {
            self.ends.pop();
            self.present -= 1;
            if let Some(replica) = &mut self.replicas[place] {
                replica.requests -= 1;
                if replica.leaving && replica.requests == 0 {
                    self.end(place);
                }
            }
        }
        while self
            .requests
            .get(self.arrived)
            .is_some_and(|request| request.at <= at)
        {
            self.queue.push_back(self.arrived);
            self.arrived += 1;
            self.present += 1;
        }
    }

    fn staying(&self) -> impl Iterator<Item = (usize, &Replica)> {
        let all = self.replicas.iter().enumerate();
        all.filter_map(|(place, replica)| Some((place, replica.as_ref()?)))
            .filter(|(_, replica)| !replica.leaving)
    }

    fn seen(&self) -> Seen {
        let ready = self
            .staying()
            .filter(|(_, it)| it.ready <= self.now)
            .count();
        Seen {
            now: self.now,
            ready,
            starting: self.staying().count() - ready,
            arrived: self.arrived,
            present: self.present,
            time: self.time,
        }
    }

    fn scale(&mut self, wanted: usize) {
        let there = self.staying().count();
        for _ in there..wanted {
            let ready = self.now + self.start;
            self.readies.push(Reverse(ready));
            let replica = Replica {
                began: self.now,
                ready,
                requests: 0,
                leaving: false,
            };
            match self.replicas.iter().position(Option::is_none) {
                Some(place) => self.replicas[place] = Some(replica),
                None => self.replicas.push(Some(replica)),
            }
        }
        for _ in wanted..there {
            // Those that start go first, then those with the fewest requests.
            let last = self
                .staying()
                .min_by_key(|(_, it)| (it.ready <= self.now, it.requests, Reverse(it.began)));
            let Some((place, replica)) = last.map(|(place, it)| (place, *it)) else {
                return;
            };
            if replica.requests == 0 {
                self.end(place);
            } else if let Some(replica) = &mut self.replicas[place] {
                replica.leaving = true;
            }
        }
    }

    fn end(&mut self, place: usize) {
        if let Some(replica) = self.replicas[place].take() {
            self.seconds += (self.now - replica.began).as_secs_f64();
        }
    }

    /// Gives those that wait longest to the replicas with the fewest requests.
    fn dispatch(&mut self) {
        while let Some(first) = self.queue.front().copied() {
            let free = self
                .staying()
                .filter(|(_, it)| it.ready <= self.now && it.requests < SLOTS)
                .min_by_key(|(_, it)| it.requests);
            let Some((place, _)) = free else { return };
            self.queue.pop_front();
            let request = &self.requests[first];
            self.violations += usize::from(self.now - request.at > PATIENCE);
            self.ends.push(Reverse((self.now + request.takes, place)));
            if let Some(replica) = &mut self.replicas[place] {
                replica.requests += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policies::Fixed;

    /// Runs requests that come at these milliseconds and take a second each.
    fn check(at: &[u64], begin: usize, wanted: usize, expect: [f64; 3]) {
        let request = |at: &u64| Request {
            at: Duration::from_millis(*at),
            takes: Duration::from_secs(1),
        };
        let requests: Vec<Request> = at.iter().map(request).collect();
        let mut policy = Once(Fixed(wanted));
        let outcome = run(&requests, Duration::from_millis(500), begin, &mut policy);
        let got = [outcome.violations, outcome.seconds, outcome.short];
        let near = got.iter().zip(&expect).all(|(a, b)| (a - b).abs() < 1e-6);
        assert!(near, "{got:?} is not {expect:?}");
    }

    /// Decides after 100 ms.
    struct Once(Fixed);

    impl Policy for Once {
        fn period(&self) -> Duration {
            Duration::from_millis(100)
        }

        fn wanted(&mut self, seen: &Seen) -> usize {
            self.0.wanted(seen)
        }
    }

    #[test]
    fn replicas_have_places_and_the_queue_is_one() {
        // Four at a time; the fifth waits for a second, which is not too long, and the ninth for two.
        check(&[0; 4], 1, 1, [0.0, 1.0, 0.0]);
        check(&[0; 5], 1, 1, [0.0, 2.0, 1.0]);
        check(&[0; 10], 1, 1, [20.0, 3.0, 2.0]);
        // Another one is wanted after 0.1 s and ready after 0.6 s: it takes four of those that wait, and all are
        // answered after 2 s.
        check(&[0; 10], 1, 2, [0.0, 2.0 + 1.9, 1.0]);
        // What is not wanted any more ends with its last request.
        check(&[0, 0, 0, 0, 0, 0, 0, 0, 1500], 2, 1, [0.0, 2.5 + 1.0, 0.0]);
    }
}
