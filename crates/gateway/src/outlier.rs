//! Replicas that are not like the others: one that fails every request while its siblings answer,
//! one that takes ten times as long, and one that does not answer at all. They are left out of
//! balancing for a while, the longer the more often (`sentence`); one that is no better after that
//! should be replaced, which is for whoever runs replicas.
//!
//! Each thread judges by what it saw itself ([`Standing`]), so nothing is shared. What decides is
//! here, and pure. Source: Envoy's outlier detection (consecutive failures, success rate of the
//! others, growing ejection time, most that may be ejected), with times besides.

mod ejection;
mod sentence;
mod standing;

use std::time::Duration;

pub(crate) use ejection::{Conduct, review};
pub(crate) use standing::Standing;

/// So many failures in a row make an outlier.
const IN_A_ROW: u32 = 5;
/// One in so many answers of the others may be a failure: beyond that, it is the requests or the
/// model that fail.
const OTHERS_FAIL: u32 = 10;
/// How many times as long as the others one may take.
const SLOWER: u32 = 10;
/// How much longer than the others one may take: below this, the machine's own noise decides.
const SLOWER_BY: Duration = Duration::from_millis(1);

/// How long one may leave everything that it has without an answer, whatever the others do.
const HANGS: Duration = Duration::from_secs(1);

/// How the last answers of a replica were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Outcomes {
    /// A bit for each, the last one lowest; set if it failed.
    failed: u32,
    count: u32,
}

/// What a thread knows of a replica.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Seen {
    /// It answers.
    pub(crate) is_up: bool,
    /// It is left out already.
    pub(crate) is_out: bool,
    pub(crate) outcomes: Outcomes,
    /// Its last times, if there were enough.
    pub(crate) times: Option<Spread>,
    /// For how long it had something to answer, since it answered last.
    pub(crate) idle: Duration,
}

/// Times that answers took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spread {
    /// The middle one.
    pub(crate) typical: Duration,
    pub(crate) longest: Duration,
}

/// Why a replica is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Reason {
    #[error("it failed {IN_A_ROW} requests in a row, and the others answer")]
    Fails,
    #[error("it takes {typical:?} where the others take {others:?}")]
    Slow { typical: Duration, others: Duration },
    #[error("it has answered nothing for {idle:?} where the others take {others:?} at the most")]
    Hangs { idle: Duration, others: Duration },
}

impl Outcomes {
    /// How many are remembered.
    const MOST: u32 = u32::BITS;

    /// One more.
    pub(crate) fn push(&mut self, failed: bool) {
        self.failed = self.failed << 1 | u32::from(failed);
        self.count = (self.count + 1).min(Self::MOST);
    }

    /// Whether the last few all failed.
    pub(crate) fn fail(self) -> bool {
        self.failed.trailing_ones() >= IN_A_ROW
    }

    /// Whether as many as are remembered were good.
    pub(crate) fn are_good(self) -> bool {
        self.count == Self::MOST && self.failed == 0
    }
}

/// Whether a replica should be left out. Never are more than half of those that answer.
pub(crate) fn outlier(replicas: &[Seen], at: usize) -> Option<Reason> {
    let this = replicas.get(at).filter(|this| !this.is_out)?;
    let all = replicas.iter().enumerate();
    // This one may be away just now because it broke off.
    let there = all.filter(|(index, one)| one.is_up || *index == at);
    let there: Vec<_> = there.collect();
    let out = there.iter().filter(|(_, one)| one.is_out).count();
    if (out + 1) * 2 > there.len() {
        return None;
    }
    let others = there
        .into_iter()
        .filter(|(index, one)| *index != at && !one.is_out);
    let others: Vec<_> = others.map(|(_, one)| one).collect();
    if this.outcomes.fail() && answer(&others) {
        return Some(Reason::Fails);
    }
    slow(this, &others).or_else(|| hangs(this, &others))
}

/// Whether replicas answer, together, as they should.
fn answer(others: &[&Seen]) -> bool {
    let count: u32 = others.iter().map(|one| one.outcomes.count).sum();
    let failed: u32 = others
        .iter()
        .map(|one| one.outcomes.failed.count_ones())
        .sum();
    count >= IN_A_ROW && failed * OTHERS_FAIL < count
}

fn slow(this: &Seen, others: &[&Seen]) -> Option<Reason> {
    let typical = this.times?.typical;
    let times = others.iter().filter_map(|one| one.times);
    let mut times: Vec<_> = times.map(|times| times.typical).collect();
    times.sort_unstable();
    // Of two, the slower one: a doubt is this one's.
    let others = *times.get(times.len() / 2)?;
    let is_slow = typical >= others.saturating_mul(SLOWER) && typical >= others + SLOWER_BY;
    is_slow.then_some(Reason::Slow { typical, others })
}

/// It answers nothing while one of the others does. One that does not answer a ping either is known
/// to be away, and no business of this.
fn hangs(this: &Seen, others: &[&Seen]) -> Option<Reason> {
    let idle = this.idle;
    let longest = others.iter().filter_map(|one| one.times);
    let longest = longest.map(|times| times.longest).max()?;
    let most = longest.saturating_mul(SLOWER).max(HANGS);
    let goes_on = |one: &&Seen| one.times.is_some() && one.idle < most;
    (this.is_up && idle >= most && others.iter().any(goes_on)).then_some(Reason::Hangs {
        idle,
        others: longest,
    })
}

#[cfg(test)]
mod tests;
