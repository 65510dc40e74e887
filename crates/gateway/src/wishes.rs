//! What a client asks of the gateway itself, in headers or metadata: a version, how urgent its
//! request is, how long it waits for the answer.
//!
//! Read once for each request by [`crate::edge`] and [`crate::grpc`], before the body is. What cannot
//! be understood is refused: a deadline that is not kept, or a version that is not the one that was
//! asked for, would go unnoticed.

use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::queue::Priority;
use crate::respond::VERSION;

const PRIORITY: HeaderName = HeaderName::from_static("mainspan-priority");
/// How long the client waits: as it says itself, and as Envoy tells those behind it.
const TIMEOUTS: [HeaderName; 2] = [
    HeaderName::from_static("mainspan-timeout-ms"),
    HeaderName::from_static("x-envoy-expected-rq-timeout-ms"),
];

/// What was asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Wishes {
    /// This version, whatever the split says.
    pub(crate) version: Option<u32>,
    /// This class.
    pub(crate) priority: Option<Priority>,
    /// An answer by then.
    pub(crate) deadline: Option<Instant>,
}

/// A header that is not understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WishError {
    #[error("mainspan-version is no version; send a whole number, or no such header")]
    Version,
    #[error("mainspan-priority is none of `high`, `normal` and `low`")]
    Priority,
    #[error("{} is no whole number of milliseconds", TIMEOUTS[*.0])]
    Timeout(usize),
    #[error(
        "the address asks for version {address} and mainspan-version for {header}; ask for one"
    )]
    Versions { address: u32, header: u32 },
}

impl Wishes {
    /// Reads the headers of a request that arrives now.
    pub(crate) fn read(headers: &HeaderMap) -> Result<Self, WishError> {
        // Nearly no request has one of them, and looking each up would cost more than this.
        let may_be_one = |name: &HeaderName| {
            let name = name.as_str();
            name.starts_with("mainspan-") || name.starts_with("x-")
        };
        if !headers.keys().any(may_be_one) {
            return Ok(Self::default());
        }
        let version = headers
            .get(VERSION)
            .map(|value| number(value).ok_or(WishError::Version));
        let priority = headers.get(PRIORITY).map(|value| {
            let class = Priority::named(value.as_bytes());
            class.ok_or(WishError::Priority)
        });
        let mut wishes = Self {
            version: version.transpose()?,
            priority: priority.transpose()?,
            deadline: None,
        };
        for (at, name) in TIMEOUTS.iter().enumerate() {
            if let Some(value) = headers.get(name) {
                let millis = number(value).ok_or(WishError::Timeout(at))?;
                wishes.answer_within(Some(Duration::from_millis(millis)), Instant::now());
            }
        }
        Ok(wishes)
    }

    /// The version that is asked for, by the address or by the header.
    pub(crate) fn pinned(self, address: Option<u32>) -> Result<Option<u32>, WishError> {
        match (address, self.version) {
            (Some(address), Some(header)) if address != header => {
                Err(WishError::Versions { address, header })
            }
            (address, header) => Ok(address.or(header)),
        }
    }

    /// The answer is waited for until then, if not for less.
    pub(crate) fn answer_within(&mut self, time: Option<Duration>, from: Instant) {
        // What ends after the clock does never ends.
        let until = time.and_then(|time| from.checked_add(time));
        self.deadline = match (self.deadline, until) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
    }
}

fn number<T: std::str::FromStr>(value: &HeaderValue) -> Option<T> {
    value.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &'static str, value: &'static str) -> Result<Wishes, WishError> {
        let name = HeaderName::from_static(name);
        Wishes::read(&HeaderMap::from_iter([(
            name,
            HeaderValue::from_static(value),
        )]))
    }

    #[test]
    fn headers_are_understood_or_refused() {
        assert_eq!(read("content-type", "text/csv"), Ok(Wishes::default()));
        let version = |value| read("mainspan-version", value).map(|wishes| wishes.version);
        assert_eq!(version("17"), Ok(Some(17)));
        for wrong in ["", "-1", "latest", "1.0"] {
            assert_eq!(version(wrong), Err(WishError::Version), "{wrong}");
        }
        let priority = |value| read("mainspan-priority", value).map(|wishes| wishes.priority);
        assert_eq!(priority("low"), Ok(Some(Priority::Low)));
        assert_eq!(priority("urgent"), Err(WishError::Priority));
        for wrong in ["1s", "-5", "0.5"] {
            assert_eq!(
                read("mainspan-timeout-ms", wrong),
                Err(WishError::Timeout(0))
            );
        }
        let error = read("x-envoy-expected-rq-timeout-ms", "soon").unwrap_err();
        let expect = "x-envoy-expected-rq-timeout-ms is no whole number of milliseconds";
        assert_eq!(error.to_string(), expect);
    }

    #[test]
    fn one_version_is_asked_for() {
        let wishes = read("mainspan-version", "3").unwrap();
        assert_eq!(wishes.pinned(None), Ok(Some(3)));
        assert_eq!(wishes.pinned(Some(3)), Ok(Some(3)));
        let (address, header) = (4, 3);
        let both = Err(WishError::Versions { address, header });
        assert_eq!(wishes.pinned(Some(4)), both);
        assert_eq!(Wishes::default().pinned(Some(4)), Ok(Some(4)));
    }

    #[test]
    fn the_earliest_deadline_counts() {
        let begin = Instant::now();
        let wishes = read("mainspan-timeout-ms", "60000").unwrap();
        let deadline = wishes.deadline.unwrap();
        assert!(deadline >= begin + Duration::from_secs(60));
        let mut sooner = wishes;
        sooner.answer_within(Some(Duration::from_secs(1)), begin);
        assert_eq!(sooner.deadline, Some(begin + Duration::from_secs(1)));
        for later in [None, Some(Duration::MAX), Some(Duration::from_secs(5))] {
            sooner.answer_within(later, begin);
            assert_eq!(sooner.deadline, Some(begin + Duration::from_secs(1)));
        }
    }
}
