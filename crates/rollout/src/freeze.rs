//! Freezes: when nothing is deployed to an environment, and what goes on all the same.
//!
//! Called by the reconciler and by people's commands, with the present passed in. Pure. While an environment is frozen no
//! roll-out begins there, none gets more traffic and none is promoted; every way back stays open. A person may overrule a
//! freeze for one roll-out, with a reason.

use crate::judge::Decision;
use jiff::Timestamp;
use spec::{Freeze, Frozen};
use store::{Deployment, Rollout, RolloutKind};

/// Where a roll-out keeps why it goes on in a freeze.
const OVERRULED: &str = "overrules_freeze";

/// The freeze that holds where a service is.
#[must_use]
pub fn frozen(deployment: &Deployment, now: Timestamp) -> Option<Frozen> {
    let freeze = deployment.shape.get("freeze")?;
    let freeze: Freeze = serde_json::from_value(freeze.clone()).ok()?;
    freeze.at(now)
}

/// A freeze in words.
#[must_use]
pub fn words(frozen: &Frozen) -> String {
    format!("frozen until {} ({})", frozen.until, frozen.window)
}

/// Why a roll-out may not get more traffic now; `None` if it may.
pub(crate) fn holds(deployment: &Deployment, rollout: &Rollout, now: Timestamp) -> Option<String> {
    let back = rollout.kind == RolloutKind::ManualRollback;
    if back || rollout.baseline[OVERRULED].is_string() {
        return None;
    }
    frozen(deployment, now).map(|frozen| words(&frozen))
}

/// What is done of what the judge said: all of it, but that nothing is promoted in a freeze.
pub(crate) fn allowed(said: Decision, held: Option<&str>) -> Decision {
    match (said, held) {
        (Decision::Promote, Some(_)) => Decision::Hold,
        (said, _) => said,
    }
}

/// Lets a roll-out go on in a freeze.
pub(crate) fn overrule(rollout: &mut Rollout, why: &str) {
    rollout.baseline[OVERRULED] = why.into();
}

/// Keeps what a person said of freezes when the base line is written anew.
pub(crate) fn carry(from: &Rollout, to: &mut Rollout) {
    let why = &from.baseline[OVERRULED];
    if !why.is_null() {
        to.baseline[OVERRULED] = why.clone();
    }
}

/// Whether a person has said something of freezes since a roll-out was read.
pub(crate) fn is_news(stored: &Rollout, read: &Rollout) -> bool {
    stored.baseline[OVERRULED] != read.baseline[OVERRULED]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{deployment, rollout};
    use serde_json::json;

    #[test]
    fn a_freeze_holds_what_goes_forward() {
        let frozen_place = Deployment {
            shape: json!({ "freeze": { "windows": ["Fri 16:00 - Mon 08:00"], "timezone": "Europe/Berlin" } }),
            ..deployment(Some(1), None)
        };
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let (friday, saturday) = (at("2026-11-27T14:00:00Z"), at("2026-11-28T12:00:00Z"));
        let forward = rollout(Some(1), 2);
        let why = holds(&frozen_place, &forward, saturday);
        assert_eq!(
            why.as_deref(),
            Some("frozen until 2026-11-30T07:00:00Z (Fri 16:00 - Mon 08:00)")
        );
        assert_eq!(holds(&frozen_place, &forward, friday), None);
        assert_eq!(holds(&deployment(Some(1), None), &forward, saturday), None);
        let back = Rollout {
            kind: RolloutKind::ManualRollback,
            ..forward.clone()
        };
        assert_eq!(holds(&frozen_place, &back, saturday), None);
        let mut wanted = forward.clone();
        overrule(&mut wanted, "the old one is wrong");
        assert_eq!(holds(&frozen_place, &wanted, saturday), None);
        let mut fixed = forward;
        assert!(is_news(&wanted, &fixed));
        carry(&wanted, &mut fixed);
        assert!(!is_news(&wanted, &fixed));
        assert_eq!(holds(&frozen_place, &fixed, saturday), None);
    }

    #[test]
    fn the_way_back_stays_open() {
        let held = Some("frozen");
        for decision in [Decision::RollBack, Decision::Continue, Decision::Hold] {
            assert_eq!(allowed(decision, held), decision);
        }
        assert_eq!(allowed(Decision::Promote, held), Decision::Hold);
        assert_eq!(allowed(Decision::Promote, None), Decision::Promote);
    }
}
