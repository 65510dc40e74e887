//! What the names in the traffic log's folders say.

/// The folder beside the files that the server makes where it copies them elsewhere, with an empty
/// file for each that it has copied.
pub const COPIED: &str = "copied";
/// How names end.
pub const ENDING: &str = ".parquet";

/// The name of a file that was begun at a time, in microseconds since 1970. Names sort by it.
pub(super) fn name(prefix: &str, micros: i64, keep_seconds: Option<u64>) -> String {
    match keep_seconds {
        None => format!("{prefix}-{micros:020}{ENDING}"),
        Some(seconds) => format!("{prefix}-{micros:020}-{seconds}s{ENDING}"),
    }
}

/// When a file was begun, in microseconds since 1970, and for how many seconds it is to be kept if
/// its service says so.
pub fn told(name: &str) -> Option<(i64, Option<u64>)> {
    let mut parts = name.strip_suffix(ENDING)?.split('-').skip(1);
    let began = parts.next()?.parse().ok()?;
    let keep = match parts.next() {
        None => None,
        Some(part) => Some(part.strip_suffix('s')?.parse().ok()?),
    };
    Some((began, keep))
}
