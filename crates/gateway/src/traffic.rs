//! The traffic log: requests, their answers and their labels, in Parquet, for people and for comparing
//! versions. Not evidence: it drops (and counts) what it cannot take.
//!
//! Gateway threads push rows to a bounded [`Tap`] of their own; one thread writes the files
//! `traffic/log/traffic-<microseconds>.parquet` and `traffic/labels/labels-<microseconds>.parquet`. A file has its
//! footer when it has its name: while it is written it ends in `.tmp`. What a service does not want written is taken out
//! before. Must never make a request wait.

mod chunk;
mod file;
mod files;
mod label;
pub mod names;
mod pace;
mod redact;
mod retention;
mod row;
mod tap;
mod writer;

pub(crate) use label::LabelRow;
pub(crate) use row::{Instance, Payload, Protocol, Row};
pub(crate) use tap::Tap;
pub(crate) use writer::start;

use std::time::Duration;

/// What the traffic log keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrafficOptions {
    /// Longest part of a request's body, and of its answer, that is kept.
    pub max_body: usize,
    /// Most bytes of bodies and answers a second; beyond that, requests are sampled.
    pub bytes_per_second: usize,
    /// A file is closed, and can be read, this long after its first row.
    pub file_age: Duration,
    /// Or when it has about this many bytes.
    pub file_bytes: usize,
    /// The oldest files go when all together are longer.
    pub keep_bytes: u64,
    /// And when they were begun this long ago, unless their service says how long.
    pub keep_age: Duration,
}

impl TrafficOptions {
    /// 16 KiB of a body and an answer, 4 MiB of them a second, a file each minute or 64 MiB, 1 GiB and 90 days in all.
    #[must_use]
    pub fn usual() -> Self {
        Self {
            max_body: 16 << 10,
            bytes_per_second: 4 << 20,
            file_age: Duration::from_secs(60),
            file_bytes: 64 << 20,
            keep_bytes: 1 << 30,
            keep_age: Duration::from_secs(90 * 24 * 3600),
        }
    }
}

impl TrafficOptions {
    /// Bytes of bodies that one of `threads` taps may take between two looks of the writer.
    pub(crate) fn budget(&self, threads: usize) -> usize {
        let looks = Duration::from_secs(1).as_millis() / writer::TICK.as_millis();
        let looks = usize::try_from(looks).unwrap_or(1);
        (self.bytes_per_second / looks / threads.max(1)).max(1)
    }
}

#[cfg(test)]
mod tests;
