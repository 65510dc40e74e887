//! Runs real units with the real shim: what the driver and the shim promise together.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod adoption;
mod bench;
mod ending;
mod fallback;
mod limits;
mod shims;
mod trouble;
