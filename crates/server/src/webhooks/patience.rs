//! What becomes of a delivery after an attempt: a pure decision.

use super::Outcome;
use std::time::Duration;

/// A delivery is tried so often: at once and, while nobody answers, for about two minutes.
const ATTEMPTS: u32 = 8;
/// The longest pause that is our own choice, …
const LONGEST: Duration = Duration::from_secs(60);
/// … and the longest that a receiver may ask for.
const LONGEST_ASKED: Duration = Duration::from_secs(600);

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// It was told.
    Done,
    /// Try again after this pause.
    Again(Duration),
    /// It will not be told.
    GiveUp,
}

/// Decides after the attempt that followed `before` others.
pub(crate) fn next(outcome: &Outcome, before: u32) -> Next {
    let asked = match outcome {
        Outcome::Answered { status, .. } if (200..300).contains(status) => return Next::Done,
        Outcome::Answered {
            status: 429 | 500..,
            retry_after,
            ..
        } => *retry_after,
        Outcome::Failed(_) => None,
        // Another answer stays what it is, and so does an address that may not be spoken to.
        Outcome::Answered { .. } | Outcome::Refused(_) => return Next::GiveUp,
    };
    if before + 1 >= ATTEMPTS {
        return Next::GiveUp;
    }
    let own = Duration::from_secs(1 << before.min(6)).min(LONGEST);
    Next::Again(asked.map_or(own, |asked| asked.min(LONGEST_ASKED).max(own)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_long_it_is_tried() {
        let answered = |status, seconds: Option<u64>| Outcome::Answered {
            status,
            body: String::new(),
            retry_after: seconds.map(Duration::from_secs),
        };
        let check = |outcome: &Outcome, before: u32, expect: Next| {
            assert_eq!(next(outcome, before), expect, "{outcome:?} after {before}");
        };
        let again = |seconds| Next::Again(Duration::from_secs(seconds));
        let failed = Outcome::Failed("nobody there".to_owned());
        check(&answered(200, None), 0, Next::Done);
        check(&answered(204, None), 7, Next::Done);
        for status in [302, 400, 401, 404, 410] {
            check(&answered(status, Some(1)), 0, Next::GiveUp);
        }
        check(&Outcome::Refused("private".to_owned()), 0, Next::GiveUp);
        check(&failed, 0, again(1));
        check(&failed, 3, again(8));
        check(&failed, 6, again(60));
        check(&failed, 7, Next::GiveUp);
        check(&answered(503, None), 1, again(2));
        check(&answered(429, Some(30)), 0, again(30));
        check(&answered(429, Some(0)), 2, again(4));
        check(&answered(500, Some(86_400)), 0, again(600));
    }
}
