//! Leases: the right to act alone under a name, and what all servers of one store have in common.
//!
//! No clock is compared. A holder renews its lease, which moves the `beat`; whoever waits for it
//! looks again and again, and takes it over when the beat stands still for longer than a holder
//! may fail to renew. However wrong a clock or a judgement about somebody's death is, the fencing
//! number protects what is written: [`Store::fenced`](crate::Store::fenced) refuses the writes of
//! a holder that was replaced.

use serde::{Deserialize, Serialize};

use crate::error::Result;

/// The right to act alone under a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// What it is for.
    pub name: String,
    /// Who has it; empty after it was given back.
    pub holder: String,
    /// Grows with each taking; a write made under an older one is refused.
    pub fencing: u64,
    /// Grows with each renewal.
    pub beat: u64,
}

impl Lease {
    /// Whether it was given back.
    #[must_use]
    pub fn is_free(&self) -> bool {
        self.holder.is_empty()
    }
}

/// Leases, taken by compare and swap.
pub trait Leases {
    /// Who has it.
    fn lease(&mut self, name: &str) -> Result<Option<Lease>>;
    /// Takes the lease, when it still is what was seen before (nothing, if nobody ever had it);
    /// none otherwise. Waits for guarded writes that are under way; later ones of the holder
    /// before are refused.
    fn take_lease(
        &mut self,
        name: &str,
        holder: &str,
        seen: Option<&Lease>,
    ) -> Result<Option<Lease>>;
    /// Moves the beat on; false when the lease is held by another or under another fencing
    /// number. Does not wake reconcilers.
    fn renew_lease(&mut self, lease: &Lease) -> Result<bool>;
    /// Gives it back; does nothing when it is held by another or under another fencing number.
    fn release_lease(&mut self, lease: &Lease) -> Result<()>;
    /// An [`Error::Fenced`](crate::Error::Fenced) unless this very lease is still the one: the
    /// first thing in a guarded write. Nobody takes the lease before this transaction has ended.
    fn check_lease(&mut self, lease: &Lease) -> Result<()>;
}

/// What all servers of one store have in common.
pub trait Agreements {
    /// Agrees on a value: the first one stays, and is what comes back.
    fn agree(&mut self, name: &str, value: &str) -> Result<String>;
    /// What was agreed on.
    fn agreement(&mut self, name: &str) -> Result<Option<String>>;
}
