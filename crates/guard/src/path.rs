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

/// How often a path may have been encoded.
const LAYERS: usize = 8;

/// Checks `path`, already percent-decoded once by the HTTP layer, and returns it decoded until nothing is left to
/// decode, without empty and `.` segments. A `%` that begins no escape stays what it is.
///
/// # Errors
/// [`Unsafe`] for whatever could leave the folder it will be joined to.
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
    let Some(decoded) = bare(path) else {
        return refuse("its encoding cannot be read");
    };
    let path = decoded.as_str();
    if path.starts_with('/') {
        return refuse("must be relative");
    }
    if path.contains('\\') {
        return refuse("backslashes are not allowed");
    }
    if path.chars().any(char::is_control) {
        return refuse("control characters are not allowed");
    }
    if path.contains(['#', '?']) {
        return refuse("`#` and `?` are not allowed");
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

/// The path without any escape; `None` for what is no text, or wrapped too often.
fn bare(path: &str) -> Option<String> {
    let mut path = path.to_owned();
    for _ in 0..LAYERS {
        let next = decoded(&path)?;
        if next == path {
            return Some(path);
        }
        path = next;
    }
    None
}

/// The text with its percent-escapes read once; `None` when that gives no UTF-8.
pub fn decoded(text: &str) -> Option<String> {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let (bytes, mut out, mut at) = (text.as_bytes(), Vec::with_capacity(text.len()), 0);
    while let Some(byte) = bytes.get(at) {
        match (byte, digit(bytes.get(at + 1)), digit(bytes.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                out.push(u8::try_from(high * 16 + low).ok()?);
                at += 3;
            }
            _ => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8(out).ok()
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
            ("100%.txt", Some("100%.txt")),
            ("a%20b%2Fc", Some("a b/c")),
            ("dbl%252541", Some("dblA")),
            ("%2e", Some("")),
            ("%2fetc", None),
            ("a%5c..%5cb", None),
            ("a%00b", None),
            ("a%23b", None),
            ("%ff", None),
            ("%25252525252525252e", None),
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
