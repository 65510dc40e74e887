//! Whether a replica still answers: decided from what was heard in each period.
//!
//! Fed once a period by [`super::Replica`]. Whatever arrives is a sign of life, so that a busy
//! replica is never asked; after a period of silence it is pinged, and after [`ENOUGH`] of them it
//! counts as silent. Periods are counted, not time: a gateway that was itself held up sees one
//! long period, and reads what has come meanwhile before it judges. Must never do I/O.

use std::time::Duration;

/// Silent periods, the first of them before the ping, after which a replica counts as silent.
const ENOUGH: u32 = 4;
/// Silent periods after which the connection is made anew, if nobody waits for a reply on it: the
/// socket may belong to another process by now.
const HOPELESS: u32 = 20;

/// How long a period is, if a ping may be left without an answer for `silence`.
pub(super) fn period(silence: Duration) -> Duration {
    silence / (ENOUGH - 1)
}

/// Periods of silence so far.
#[derive(Debug, Default)]
pub(super) struct Pulse(u32);

/// What is to be done at the end of a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beat {
    /// Nothing.
    Rest,
    /// Ask whether it is there.
    Ping,
    /// Give it no more requests until it answers.
    Silent,
    /// The same, and give the connection up unless somebody waits for a reply.
    Hopeless,
}

impl Pulse {
    /// A connection on which a question is under way already.
    pub(super) fn asked() -> Self {
        Self(1)
    }

    /// Ends a period in which something, or nothing, was heard.
    pub(super) fn beat(&mut self, heard: bool) -> Beat {
        self.0 = if heard { 0 } else { self.0.saturating_add(1) };
        match self.0 {
            0 => Beat::Rest,
            1 => Beat::Ping,
            2..ENOUGH => Beat::Rest,
            ENOUGH..HOPELESS => Beat::Silent,
            HOPELESS.. => Beat::Hopeless,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A letter a period: `.` when something was heard; what became of each.
    fn check(mut pulse: Pulse, periods: &str, expect: &str) {
        let beats = periods.chars().map(|heard| match pulse.beat(heard == '.') {
            Beat::Rest => '-',
            Beat::Ping => 'p',
            Beat::Silent => 's',
            Beat::Hopeless => 'h',
        });
        assert_eq!(beats.collect::<String>(), expect, "{periods}");
    }

    #[test]
    fn a_ping_after_a_silent_period_and_silent_after_four() {
        check(Pulse::default(), "....", "----");
        // Idle: it answers each ping.
        check(Pulse::default(), "_._._.", "p-p-p-");
        check(Pulse::default(), "_______.__", "p--ssss-p-");
        // The question at the start is as good as a ping.
        check(Pulse::asked(), "____", "--ss");
        let long = "_".repeat(20);
        check(Pulse::default(), &long, "p--ssssssssssssssssh");
    }
}
