//! Which bytes of a file a request asks for (RFC 9110, section 14). Pure.
//!
//! One range is served; a request for several gets the whole file, which the RFC allows. What is no range of bytes is
//! refused as MLflow's server refuses it, where the RFC would ignore it.

/// What to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Everything.
    Whole,
    /// So many bytes from there on; never none.
    Part {
        /// The first.
        from: u64,
        /// How many.
        length: u64,
    },
    /// Nothing of that is in the file: 416.
    Beyond,
    /// It cannot be read: 400.
    Malformed,
}

/// Reads a `Range` header for a file of `size` bytes.
pub fn wanted(range: &str, size: u64) -> Wanted {
    let Some(("bytes", ranges)) = range
        .split_once('=')
        .map(|(unit, rest)| (unit.trim(), rest))
    else {
        return Wanted::Malformed;
    };
    if ranges.contains(',') {
        return Wanted::Whole;
    }
    let Some((first, last)) = ranges.trim().split_once('-') else {
        return Wanted::Malformed;
    };
    let number = |text: &str| text.trim().parse::<u64>();
    match (first.trim().is_empty(), number(first), number(last)) {
        (true, _, Ok(0)) => Wanted::Beyond,
        (true, _, Ok(length)) => part(size.saturating_sub(length), u64::MAX, size),
        (false, Ok(first), _) if last.trim().is_empty() => part(first, u64::MAX, size),
        (false, Ok(first), Ok(last)) if first <= last => part(first, last, size),
        _ => Wanted::Malformed,
    }
}

fn part(first: u64, last: u64, size: u64) -> Wanted {
    if first >= size {
        return Wanted::Beyond;
    }
    Wanted::Part {
        from: first,
        length: last.min(size - 1) - first + 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_ten_bytes() {
        let some = |from, length| Wanted::Part { from, length };
        for (range, expect) in [
            ("bytes=2-4", some(2, 3)),
            ("bytes=7-", some(7, 3)),
            ("bytes=-3", some(7, 3)),
            ("bytes=-100", some(0, 10)),
            ("bytes=0-100", some(0, 10)),
            ("bytes = 9-9", some(9, 1)),
            ("bytes=10-", Wanted::Beyond),
            ("bytes=-0", Wanted::Beyond),
            ("bytes=0-1,4-5", Wanted::Whole),
            ("bytes=5-2", Wanted::Malformed),
            ("bytes=x", Wanted::Malformed),
            ("bytes=-", Wanted::Malformed),
            ("bytes=1-x", Wanted::Malformed),
            ("bytes=-18446744073709551616", Wanted::Malformed),
            ("lines=1-2", Wanted::Malformed),
            ("", Wanted::Malformed),
        ] {
            assert_eq!(wanted(range, 10), expect, "{range}");
        }
        assert_eq!(wanted("bytes=0-", 0), Wanted::Beyond);
        assert_eq!(wanted("bytes=0-18446744073709551615", 3), some(0, 3));
    }
}
