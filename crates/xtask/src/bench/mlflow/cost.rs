//! What a kind of call costs a server: CPU time of all its processes, and time to the answer.

use super::{BENCH, Pair, Peer, median};
use crate::bench::{connection::Request, report::Figure};
use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

/// How often both servers are measured, in turn.
const ROUNDS: usize = 3;

/// A kind of call. Requests are numbered, and the number tells two apart.
pub(super) struct Kind<'k> {
    pub(super) name: &'static str,
    /// Clients that ask at the same time.
    pub(super) clients: usize,
    /// Calls a round, to us and to MLflow: enough of each that the kernel's clock ticks often.
    pub(super) calls: (usize, usize),
    /// The least that MLflow takes of CPU time for each of ours; none is told without a goal.
    pub(super) goal: Option<f64>,
    pub(super) request: &'k (dyn Fn(&Peer, usize) -> Request + Sync),
}

/// Milliseconds a call; or how many times as many.
pub(super) struct Cost {
    pub(super) cpu: f64,
    pub(super) wall: f64,
}

/// Measures both servers in turn.
pub(super) fn compare(pair: &Pair, kind: &Kind<'_>) -> anyhow::Result<Vec<Figure>> {
    let count = AtomicUsize::new(0);
    let (mut ours, mut cpu, mut wall) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let theirs = cost(&pair.theirs, kind, kind.calls.1, &count)?;
        let own = cost(&pair.ours, kind, kind.calls.0, &count)?;
        cpu.push(theirs.cpu / own.cpu);
        wall.push(theirs.wall / own.wall);
        ours.push(own);
    }
    let own = Cost {
        cpu: median(ours.iter().map(|cost| cost.cpu).collect()),
        wall: median(ours.iter().map(|cost| cost.wall).collect()),
    };
    let ratios = Cost {
        cpu: median(cpu),
        wall: median(wall),
    };
    Ok(figures(kind.name, &own, &ratios, kind.goal))
}

/// Our cost, and how many times as much MLflow's is.
pub(super) fn figures(name: &str, own: &Cost, ratios: &Cost, goal: Option<f64>) -> Vec<Figure> {
    let name = |what: &str| format!("{name}{what}");
    vec![
        Figure::told(BENCH, name("_cpu"), own.cpu, "ms"),
        Figure::told(BENCH, name("_wall"), own.wall, "ms"),
        match goal {
            Some(goal) => Figure::at_least(BENCH, name("_cpu_ratio"), ratios.cpu, "x", goal),
            None => Figure::told(BENCH, name("_cpu_ratio"), ratios.cpu, "x"),
        },
        Figure::told(BENCH, name("_wall_ratio"), ratios.wall, "x"),
    ]
}

/// What `calls` calls cost a server.
pub(super) fn cost(
    peer: &Peer,
    kind: &Kind<'_>,
    calls: usize,
    count: &AtomicUsize,
) -> anyhow::Result<Cost> {
    let walls = Mutex::new(Vec::with_capacity(calls));
    let left = AtomicUsize::new(calls);
    let work = || -> anyhow::Result<()> {
        let mut connection = peer.connect()?;
        while left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(1)
            })
            .is_ok()
        {
            let request = (kind.request)(peer, count.fetch_add(1, Ordering::Relaxed));
            let begun = Instant::now();
            connection.send(&request)?;
            let took = begun.elapsed().as_secs_f64() * 1e3;
            walls
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(took);
        }
        Ok(())
    };
    let before = peer.cpu()?;
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..kind.clients).map(|_| scope.spawn(work)).collect();
        all.into_iter().try_for_each(|one| {
            one.join()
                .unwrap_or_else(|_| anyhow::bail!("a client panicked"))
        })
    })?;
    let cpu = (peer.cpu()? - before).as_secs_f64() * 1e3 / calls as f64;
    let wall = median(walls.into_inner().unwrap_or_else(PoisonError::into_inner));
    Ok(Cost { cpu, wall })
}
