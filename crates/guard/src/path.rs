//! Paths that clients send: turned into a safe relative path or refused, before any file is named.
//!
//! The corpus of past attacks on artifact servers is in the tests: parent folders, encodings, double encodings,
//! backslashes, absolute and drive paths, NUL, fragments and queries.

/// A client's path that must not become a file's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid path `{shown}`: {why}")]
pub struct Unsafe {
    shown: String,
    why: &'static str,
}

/// Checks `path`, already percent-decoded once by the HTTP layer, and returns it without empty and `.` segments.
///
/// # Errors
/// [`Unsafe`] for whatever could leave the folder it will be joined to, today or after one more decoding.
pub fn relative(path: &str) -> Result<String, Unsafe> {
    let refuse = |why| {
        Err(Unsafe {
            shown: path.chars().filter(|c| !c.is_control()).take(80).collect(),
            why,
        })
    };
    if path.len() > 4096 {
        return refuse("longer than 4,096 bytes");
    }
    if path.starts_with('/') {
        return refuse("must be relative");
    }
    if path.contains('\\') {
        return refuse("backslashes are not allowed");
    }
    if path.chars().any(char::is_control) {
        return refuse("control characters are not allowed");
    }
    if path.contains(['#', '?', '%']) {
        return refuse("`#`, `?` and `%` are not allowed");
    }
    let mut kept = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => return refuse("must not leave its folder"),
            s if s.len() > 255 => return refuse("a segment is longer than 255 bytes"),
            s if kept.is_empty() && s.as_bytes().get(1) == Some(&b':') && s.len() <= 2 => {
                return refuse("must be relative");
            }
            s => kept.push(s),
        }
    }
    Ok(kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_corpus() {
        for (path, expect) in [
            ("a/b.txt", Some("a/b.txt")),
            ("./a//b/", Some("a/b")),
            ("", Some("")),
            ("a..b/..c", Some("a..b/..c")),
            ("..", None),
            ("a/../../b", None),
            ("/etc/passwd", None),
            ("%2e%2e/x", None),
            ("%252e%252e/x", None),
            ("..%2fx", None),
            ("a\\..\\b", None),
            ("C:/x", None),
            ("a\0b", None),
            ("a#../../b", None),
            ("a?x=/../b", None),
            ("a/\n/b", None),
        ] {
            assert_eq!(relative(path).ok().as_deref(), expect, "{path:?}");
        }
    }
}
