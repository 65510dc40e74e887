//! Why a unit is over, in one word and one sentence: a pure function of what the shim saw.
//!
//! The shim calls it once at the end. It must never look at the host.

use std::time::Duration;

use crate::spec::Limits;
use crate::status::{Ending, Reason};

/// Why the unit did not end by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// It was stopped.
    Stop,
    /// Its time was over.
    Timeout,
    /// It reached its memory limit.
    OutOfMemory,
}

/// The reason, and what a person should know or do about it.
pub(super) fn conclude(
    ending: Ending,
    asked: Option<Asked>,
    limits: &Limits,
    missing: &[String],
) -> (Reason, String) {
    match (asked, ending) {
        (Some(Asked::Stop), _) => (Reason::Stopped, "it was stopped".into()),
        (Some(Asked::Timeout), _) => {
            let time = limits.time.unwrap_or(Duration::ZERO);
            (
                Reason::Timeout,
                format!(
                    "it took longer than its {time:?} and was ended; raise `timeout` or make it faster"
                ),
            )
        }
        (Some(Asked::OutOfMemory), _) => {
            let limit = limits.memory.unwrap_or(0).div_ceil(1 << 20);
            let text = format!(
                "it needed more than its {limit}MiB of memory and was killed; raise `resources.memory`"
            );
            (Reason::OutOfMemory, text)
        }
        (None, Ending::Code(0)) if !missing.is_empty() => {
            let text = format!(
                "it ended well but did not write {}; write it there, or declare it no longer",
                missing.join(", ")
            );
            (Reason::MissingOutput, text)
        }
        (None, Ending::Code(0)) => (Reason::Completed, String::new()),
        (None, Ending::Code(code)) => (
            Reason::Completed,
            format!("it exited with code {code}; its log says why"),
        ),
        (None, Ending::Signal(signal)) => (
            Reason::Completed,
            format!("signal {signal} ended it, which nobody here had sent; its log may say why"),
        ),
        (None, Ending::NotStarted) => (Reason::NotStarted, "it never ran".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(
        ending: Ending,
        asked: Option<Asked>,
        missing: &[&str],
        reason: Reason,
        mention: &str,
    ) {
        let limits = Limits {
            memory: Some(64 << 20),
            time: Some(Duration::from_secs(90)),
            ..Limits::default()
        };
        let missing: Vec<String> = missing.iter().map(|name| (*name).to_owned()).collect();
        let (found, text) = conclude(ending, asked, &limits, &missing);
        assert_eq!(found, reason, "{ending:?} {asked:?}");
        assert!(
            text.contains(mention),
            "`{text}` does not mention `{mention}`"
        );
        assert_eq!(text.is_empty(), mention.is_empty(), "{text}");
    }

    #[test]
    fn every_ending_has_its_reason() {
        check(Ending::Code(0), None, &[], Reason::Completed, "");
        check(Ending::Code(3), None, &["`a`"], Reason::Completed, "code 3");
        check(
            Ending::Signal(11),
            None,
            &[],
            Reason::Completed,
            "signal 11",
        );
        check(
            Ending::Code(0),
            None,
            &["`a`", "`b`"],
            Reason::MissingOutput,
            "`a`, `b`",
        );
        check(
            Ending::Signal(9),
            Some(Asked::OutOfMemory),
            &[],
            Reason::OutOfMemory,
            "64MiB",
        );
        check(
            Ending::Signal(9),
            Some(Asked::Timeout),
            &[],
            Reason::Timeout,
            "90s",
        );
        check(
            Ending::Code(0),
            Some(Asked::Timeout),
            &["`a`"],
            Reason::Timeout,
            "timeout",
        );
        check(
            Ending::Code(0),
            Some(Asked::Stop),
            &["`a`"],
            Reason::Stopped,
            "stopped",
        );
    }
}
