//! What only a process of its own can show: that kill -9 loses nothing acknowledged,
//! and that a full disk is survived.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod crash;
mod full_disk;
