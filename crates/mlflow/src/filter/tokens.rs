//! Words, numbers, quoted texts and symbols of a filter, split where sqlparse splits them.
//!
//! MLflow reads filters with sqlparse, an SQL lexer, and what a filter means hangs on its rules: a dash ends a word, a
//! quote in a text may be doubled or follow a backslash, `1e+5` is no number. Keywords are told from names by place:
//! behind a dot nearly every word is a name.

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// White space; one character each.
    Space,
    /// A word, or a text in backticks or brackets.
    Name,
    /// A text in double quotes.
    Double,
    /// A text in single quotes.
    Single,
    /// A word that SQL keeps for itself where it stands.
    Keyword,
    /// `ASC` or `DESC`.
    Order,
    /// Digits.
    Integer,
    /// A number with a point or an exponent.
    Float,
    /// `=`, `>=`, `LIKE`, `NOT LIKE` and whatever else compares.
    Comparison,
    /// One of `.`, `,`, `(`, `)`.
    Mark(char),
    /// Anything else: operators, comments, a quote that nothing closes.
    Other,
}

/// One token and its text as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'t> {
    pub(super) kind: Kind,
    pub(super) text: &'t str,
    /// Where it begins.
    pub(super) at: usize,
}

impl Token<'_> {
    /// Whether it is that keyword.
    pub(super) fn is(&self, word: &str) -> bool {
        self.kind == Kind::Keyword && self.text.eq_ignore_ascii_case(word)
    }
}

/// Keywords even behind a dot.
const ALWAYS: [&str; 6] = ["CASE", "IN", "VALUES", "USING", "FROM", "AS"];
/// Keywords where no dot is near. SQL has hundreds more; they are names here, and refused as unknown ones.
const KEYWORDS: [&str; 20] = [
    "AND", "OR", "NOT", "IS", "NULL", "BETWEEN", "EXISTS", "WHERE", "SELECT", "ORDER", "LIMIT",
    "LEFT", "RIGHT", "SIZE", "TYPE", "VALUE", "ON", "TRUE", "FALSE", "NONE",
];
const COMPARISONS: [&str; 4] = ["LIKE", "ILIKE", "RLIKE", "REGEXP"];

/// Splits a filter; the tokens' texts make up the whole of it.
pub(super) fn tokenize(text: &str) -> Vec<Token<'_>> {
    let mut tokens: Vec<Token<'_>> = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let (kind, length) = next(text, at);
        tokens.push(Token {
            kind,
            text: &text[at..at + length],
            at,
        });
        at += length;
    }
    tokens
}

/// The kind and the length of the token that begins there.
fn next(text: &str, at: usize) -> (Kind, usize) {
    let rest = &text[at..];
    let Some(first) = rest.chars().next() else {
        return (Kind::Other, 0);
    };
    if first.is_whitespace() {
        return (Kind::Space, first.len_utf8());
    }
    if rest.starts_with("--") || rest.starts_with("# ") || rest.starts_with("/*") {
        return (Kind::Other, rest.len());
    }
    if let Some(word) = rest.strip_prefix("##").or(rest.strip_prefix(['#', '@'])) {
        let length = word.len() - word.trim_start_matches(in_word).len();
        if word.starts_with(letter) && word[..length].chars().count() > 1 {
            return (Kind::Name, rest.len() - word.len() + length);
        }
    }
    match first {
        '`' => quoted(rest, '`', Kind::Name),
        '\'' => quoted(rest, '\'', Kind::Single),
        '"' => quoted(rest, '"', Kind::Double),
        '.' | ',' | '(' | ')' if number(text, at).is_none() => (Kind::Mark(first), 1),
        _ => hexadecimal(rest)
            .or_else(|| number(text, at))
            .or_else(|| word(text, at))
            .unwrap_or_else(|| symbol(rest, first)),
    }
}

fn symbol(rest: &str, first: char) -> (Kind, usize) {
    let run = |of: &str| rest.len() - rest.trim_start_matches(|c| of.contains(c)).len();
    match run("<>=~!") {
        0 => (Kind::Other, first.len_utf8()),
        length => (Kind::Comparison, length),
    }
}

/// A quoted text: its quote is doubled in it, or follows a backslash (but in backticks). Where nothing closes it so, the
/// last of those pairs does.
fn quoted(rest: &str, quote: char, kind: Kind) -> (Kind, usize) {
    let mut pair = None;
    let mut chars = rest.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        let doubled = c == quote && chars.peek().is_some_and(|(_, next)| *next == quote);
        let escaped =
            c == '\\' && quote != '`' && chars.peek().is_some_and(|(_, next)| *next == quote);
        if doubled || escaped {
            pair = Some(at + usize::from(escaped) + 1);
            chars.next();
        } else if c == quote {
            return (kind, at + 1);
        }
    }
    pair.map_or((Kind::Other, 1), |end| (kind, end))
}

/// A number, unless a letter touches its only digit: `-?\d+`, `-?\d+.\d*`, `-?.\d+`, `-?\d+(.\d+)?E-?\d+`.
fn number(text: &str, at: usize) -> Option<(Kind, usize)> {
    let rest = &text[at..];
    let unsigned = rest.strip_prefix('-').unwrap_or(rest);
    let sign = rest.len() - unsigned.len();
    let digits =
        |from: &str| from.len() - from.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let whole = digits(unsigned);
    let point = unsigned[whole..].starts_with('.');
    let part = if point {
        digits(&unsigned[whole + 1..])
    } else {
        0
    };
    let exact = whole + if part > 0 { 1 + part } else { 0 };
    if whole > 0
        && let Some(power) = unsigned[exact..].strip_prefix(['e', 'E'])
    {
        let power = power.strip_prefix('-').unwrap_or(power);
        let length = digits(power);
        if length > 0 {
            let end = unsigned.len() - power.len() + length;
            return Some((Kind::Float, sign + end));
        }
    }
    // A number that touches a letter ends a digit earlier: what follows it is a digit then.
    let free = |length: usize| !unsigned[length..].starts_with(letter);
    if point && (whole > 0 || part > 0) {
        let end = whole + 1 + part;
        if free(end) {
            return Some((Kind::Float, sign + end));
        }
        if part > 1 || (part == 1 && whole > 0) {
            return Some((Kind::Float, sign + end - 1));
        }
    }
    match whole {
        0 => None,
        _ if free(whole) => Some((Kind::Integer, sign + whole)),
        1 => None,
        _ => Some((Kind::Integer, sign + whole - 1)),
    }
}

/// `-?0x` and hexadecimal digits, which nothing takes.
fn hexadecimal(rest: &str) -> Option<(Kind, usize)> {
    let unsigned = rest.strip_prefix('-').unwrap_or(rest);
    let digits = unsigned
        .strip_prefix("0x")
        .or(unsigned.strip_prefix("0X"))?;
    let count = digits.len()
        - digits
            .trim_start_matches(|c: char| c.is_ascii_hexdigit())
            .len();
    (count > 0).then_some((Kind::Other, rest.len() - digits.len() + count))
}

fn letter(c: char) -> bool {
    c == '_' || c.is_alphabetic()
}

fn in_word(c: char) -> bool {
    letter(c) || c.is_numeric()
}

fn word(text: &str, at: usize) -> Option<(Kind, usize)> {
    let rest = &text[at..];
    let plain = |from: &str| from.len() - from.trim_start_matches(in_word).len();
    let length = rest.len()
        - rest
            .trim_start_matches(|c| in_word(c) || c == '$' || c == '#')
            .len();
    if !rest.starts_with(in_word) {
        return None;
    }
    let one = &rest[..plain(rest)];
    let among = |words: &[&str]| words.iter().any(|word| one.eq_ignore_ascii_case(word));
    if among(&ALWAYS) {
        return Some((Kind::Keyword, one.len()));
    }
    let dotted = {
        let after = rest[one.len()..].trim_start();
        after.starts_with('.') && !after[1..].starts_with(|c: char| c.is_ascii_digit())
    };
    if dotted || text[..at].ends_with('.') || rest[one.len()..].starts_with('(') {
        return Some((Kind::Name, one.len()));
    }
    if one.eq_ignore_ascii_case("NOT") {
        let gap = rest[3..].len() - rest[3..].trim_start().len();
        let second = &rest[3 + gap..];
        let second = &second[..plain(second)];
        let both = 3 + gap + second.len();
        if gap > 0
            && COMPARISONS
                .iter()
                .any(|word| second.eq_ignore_ascii_case(word))
        {
            return Some((Kind::Comparison, both));
        }
        if gap > 0 && second.eq_ignore_ascii_case("NULL") {
            return Some((Kind::Keyword, both));
        }
    }
    if among(&["ASC", "DESC"]) {
        return Some((Kind::Order, one.len()));
    }
    if among(&COMPARISONS) {
        return Some((Kind::Comparison, one.len()));
    }
    if among(&KEYWORDS) {
        return Some((Kind::Keyword, one.len()));
    }
    Some((Kind::Name, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_where_sqlparse_does() {
        use Kind::{Comparison, Float, Integer, Keyword, Mark, Name, Other, Single};
        let check = |text: &str, expect: &[(Kind, &str)]| {
            let tokens = tokenize(text);
            let got: Vec<_> = tokens
                .iter()
                .filter(|one| one.kind != Kind::Space)
                .map(|one| (one.kind, one.text))
                .collect();
            assert_eq!(got, expect, "{text}");
        };
        check(
            "a.b>=-1.5e-3",
            &[
                (Name, "a"),
                (Mark('.'), "."),
                (Name, "b"),
                (Comparison, ">="),
                (Float, "-1.5e-3"),
            ],
        );
        check("1e+5", &[(Name, "1e"), (Other, "+"), (Integer, "5")]);
        check(
            ".5 5. 007",
            &[(Float, ".5"), (Float, "5."), (Integer, "007")],
        );
        check(
            "10x 0x1G 1_0 .55a",
            &[
                (Integer, "1"),
                (Name, "0x"),
                (Other, "0x1"),
                (Name, "G"),
                (Name, "1_0"),
                (Float, ".5"),
                (Name, "5a"),
            ],
        );
        check(
            "params.from",
            &[(Name, "params"), (Mark('.'), "."), (Keyword, "from")],
        );
        check(
            "tags.and = 'x'",
            &[
                (Name, "tags"),
                (Mark('.'), "."),
                (Name, "and"),
                (Comparison, "="),
                (Single, "'x'"),
            ],
        );
        check(
            "'it''s' 'a\\'b'",
            &[(Single, "'it''s'"), (Single, "'a\\'b'")],
        );
        check("'a\\'", &[(Single, "'a\\'")]);
        check("'a", &[(Other, "'"), (Name, "a")]);
        check("`a``b`", &[(Name, "`a``b`")]);
        check(
            "not  like NOT NULL not",
            &[
                (Comparison, "not  like"),
                (Keyword, "NOT NULL"),
                (Keyword, "not"),
            ],
        );
        check(
            "metrics.1a",
            &[(Name, "metrics"), (Mark('.'), "."), (Name, "1a")],
        );
    }
}
