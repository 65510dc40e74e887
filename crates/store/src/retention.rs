//! What of the records still needs which bytes, and forgetting what nobody asks for any more.
//!
//! For the retention of `server`, which decides what is kept for how long. Everything that
//! forgets does so a few hundred rows at a time, so that nobody waits for it; call it again until
//! it answers 0.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::digest::Digest;
use crate::error::Result;

/// The bytes that records refer to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Referred {
    /// Files.
    pub files: BTreeSet<Digest>,
    /// Files, or lists of files: what such a list names is needed, too.
    pub perhaps_lists: BTreeSet<Digest>,
}

/// Reads and deletes for retention.
pub trait Retention {
    /// The bytes that are referred to by versions of models and their lineage, by names of
    /// artifacts, by results kept for later runs, and by runs that registered a version, are not
    /// over, or ended at or after `runs_since`; and datasets ingested since then.
    fn referred(&mut self, runs_since: Timestamp) -> Result<Referred>;
    /// Those of the runs that are over since before that time and registered no version.
    fn runs_over(&mut self, ids: &[&str], before: Timestamp) -> Result<Vec<String>>;
    /// Forgets results of steps that were kept before that time.
    fn forget_cached_steps(&mut self, before: Timestamp) -> Result<u64>;
}

/// Every digest that stands in a text.
pub(crate) fn digests_in(text: &str) -> impl Iterator<Item = Digest> {
    const LENGTH: usize = "sha256:".len() + 64;
    text.match_indices("sha256:")
        .filter_map(|(at, _)| text.get(at..at + LENGTH)?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_in_any_text() {
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        let check = |text: &str, expect: &[&Digest]| {
            let found: Vec<Digest> = digests_in(text).collect();
            assert_eq!(found.iter().collect::<Vec<_>>(), expect, "{text}");
        };
        check("", &[]);
        check(&format!(r#"{{"x":"{a}","y":["{b}"]}}"#), &[&a, &b]);
        check(&format!("sha256:{a}"), &[&a]);
        check("sha256:zz, sha256:", &[]);
        check(&a.as_str()[..70], &[]);
    }
}
