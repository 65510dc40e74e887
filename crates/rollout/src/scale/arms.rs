//! How many replicas each version of a service gets while its traffic is shared, and how fast that may change.

use super::Need;
use spec::Scale;

/// A version of a service.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Arm {
    /// Which.
    pub version: u32,
    /// What it is there for.
    pub role: Role,
    /// What its own requests need.
    pub need: Need,
}

/// What a version is there for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Role {
    /// It serves. A roll-out may end at any moment: it is ready for all requests until then.
    Serves,
    /// It is rolled out, and is ready for this share of all requests: that of the next stage, so that the stage finds
    /// the replicas it needs.
    Candidate(f64),
    /// It is kept for going back to.
    Kept,
}

/// Replicas become so many times as many at the most from one decision to the next (Knative's `max-scale-up-rate`, which is
/// 1,000 there: a mistaken reading should not fill a machine). None counts as one.
const FASTEST_UP: u32 = 10;
/// One part in so many stays at the least (`max-scale-down-rate`).
const FASTEST_DOWN: u32 = 2;

/// So many replicas, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// How many.
    pub replicas: u32,
    /// Why, in words.
    pub why: String,
}

/// How many replicas a version gets that has `running` now, those that are starting included, where all requests of its
/// service together need `whole`.
#[must_use]
pub fn replicas(scale: &Scale, whole: &Need, arm: &Arm, running: u32) -> Wanted {
    let (share, least) = match arm.role {
        Role::Serves => (1.0, scale.min),
        Role::Candidate(share) => (share, scale.min.max(1)),
        Role::Kept => (0.0, scale.min),
    };
    let part = whole.replicas * share;
    let (need, why) = if arm.need.replicas >= part {
        (arm.need.replicas, arm.need.why.to_string())
    } else if share < 1.0 {
        (part, format!("{:.0}% of {}", share * 100.0, whole.why))
    } else {
        (part, whole.why.to_string())
    };
    // What is a rounding error above a whole number needs no other replica; more than `u32::MAX` is cut by the cast.
    let count = (need - 1e-9).ceil().max(0.0) as u32;
    let most = scale.max.max(least);
    let (fastest, slowest) = (
        running.max(1).saturating_mul(FASTEST_UP),
        running / FASTEST_DOWN,
    );
    let allowed = count.clamp(least, most);
    let replicas = allowed.clamp(slowest.min(most), fastest.max(least));
    let why = if replicas < allowed {
        format!("{why}, which asks for {allowed}")
    } else if replicas > allowed {
        format!("{why}, and more of them go in a moment")
    } else if count > most {
        format!("{why}, and `scale.max` allows {most}")
    } else if count < least && least > scale.min {
        format!("{why}, and a roll-out needs one")
    } else if count < least {
        format!("{why}, and `scale.min` asks for {least}")
    } else {
        why
    };
    Wanted { replicas, why }
}
