//! What is missing there, and what differs.

use std::collections::BTreeMap;

/// What is not there.
pub(super) fn missing(
    old: &BTreeMap<String, String>,
    new: &BTreeMap<String, String>,
) -> Vec<(String, String)> {
    let missing = new.iter().filter(|(key, _)| !old.contains_key(*key));
    missing
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// Whether something is there with another value.
pub(super) fn differs(old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> bool {
    new.iter()
        .any(|(key, value)| old.get(key).is_some_and(|there| there != value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_missing_is_written() {
        let map = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter();
            pairs
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect::<BTreeMap<_, _>>()
        };
        let check = |old: &[(&str, &str)], new: &[(&str, &str)], absent: usize, other: bool| {
            assert_eq!(
                missing(&map(old), &map(new)).len(),
                absent,
                "{old:?} {new:?}"
            );
            assert_eq!(differs(&map(old), &map(new)), other, "{old:?} {new:?}");
        };
        check(&[], &[("a", "1")], 1, false);
        check(&[("a", "1"), ("own", "x")], &[("a", "1")], 0, false);
        check(&[("a", "2")], &[("a", "1"), ("b", "1")], 1, true);
    }
}
