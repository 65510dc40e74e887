//! Clauses as they were written: a name, an operator and a value, before anybody asks what the name means.

use super::tokens::{Kind, Token, tokenize};
use crate::Error;

/// One clause.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Clause<'t> {
    /// The name on the left, with its quotes.
    pub(super) name: &'t str,
    /// The operator, as it was written.
    pub(super) operator: String,
    /// What is on the right.
    pub(super) right: Right<'t>,
}

/// The right side of a clause.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Right<'t> {
    /// Digits.
    Integer(&'t str),
    /// A number with a point or an exponent.
    Float(&'t str),
    /// A text with its quotes, which may be a name.
    Text(&'t str),
    /// A list with its parentheses.
    List(&'t str),
    /// Nothing, behind `IS NULL`.
    Nothing,
}

/// What stands between the parts of a sum.
const ARITHMETIC: &str = "+-*/%^&|@#";

/// All clauses of a filter. As in MLflow, `AND` between two of them may be missing, and there may be too many. Where `sums`
/// are names, `metrics.a-b` is one.
///
/// # Errors
/// INVALID_PARAMETER_VALUE for what is no clause.
pub(super) fn clauses(filter: &str, sums: bool) -> Result<Vec<Clause<'_>>, Error> {
    if filter.trim().is_empty() && !filter.is_empty() {
        return Err(Error::invalid(format!(
            "Invalid filter '{filter}'. Could not be parsed."
        )));
    }
    let all = tokenize(filter);
    let tokens: Vec<_> = all
        .into_iter()
        .filter(|token| token.kind != Kind::Space)
        .collect();
    let mut rest = tokens.as_slice();
    let mut clauses = Vec::new();
    // Whether the clause before ended so that a name would stick to it.
    let mut sticky = false;
    while let [first, others @ ..] = rest {
        if first.is("AND") {
            (rest, sticky) = (others, false);
            continue;
        }
        let (clause, after) = clause(filter, rest, sums).ok_or_else(|| wrong(filter, first))?;
        let listed = matches!(clause.right, Right::Nothing)
            || matches!(clause.right, Right::List(_))
                && clause.operator.to_ascii_uppercase().ends_with("IN");
        if sticky && listed {
            return Err(wrong(filter, first));
        }
        sticky = !matches!(clause.right, Right::Nothing);
        clauses.push(clause);
        rest = after;
    }
    Ok(clauses)
}

fn wrong(filter: &str, at: &Token<'_>) -> Error {
    Error::invalid(format!(
        "Invalid clause(s) in filter string '{filter}' from '{}' on: a clause is `entity.key operator value`, clauses are joined by AND, and names with other characters than letters, digits and '_' are quoted",
        filter[at.at..].chars().take(40).collect::<String>()
    ))
}

fn clause<'t, 'k>(
    filter: &'t str,
    tokens: &'k [Token<'t>],
    sums: bool,
) -> Option<(Clause<'t>, &'k [Token<'t>])> {
    let (name, rest) = left(filter, tokens, sums)?;
    let made = |operator: String, right, rest| {
        Some((
            Clause {
                name,
                operator,
                right,
            },
            rest,
        ))
    };
    match rest {
        [is, null, rest @ ..] if is.is("IS") && null.is("NULL") => {
            made("IS NULL".into(), Right::Nothing, rest)
        }
        [is, null, rest @ ..] if is.is("IS") && null.is("NOT NULL") => {
            made("IS NOT NULL".into(), Right::Nothing, rest)
        }
        [not, word, rest @ ..] if not.is("NOT") && word.is("IN") => {
            let (list, rest) = list(filter, rest)?;
            made("NOT IN".into(), Right::List(list), rest)
        }
        [word, rest @ ..] if word.is("IN") => {
            let (list, rest) = list(filter, rest)?;
            made(word.text.to_owned(), Right::List(list), rest)
        }
        [sign, rest @ ..] if sign.kind == Kind::Comparison => {
            let (right, rest) = power(filter, rest)
                .filter(|_| sums)
                .or_else(|| value(filter, rest))?;
            made(sign.text.to_owned(), right, rest)
        }
        _ => None,
    }
}

/// The left side of a clause: a name, or several in a sum. In front of `IN` and `IS` a second name is a part of it, which
/// sqlparse takes for an alias of the first.
fn left<'t, 'k>(
    filter: &'t str,
    tokens: &'k [Token<'t>],
    sums: bool,
) -> Option<(&'t str, &'k [Token<'t>])> {
    let mut rest = directed(filter, tokens)?;
    let mut summed = false;
    while let [sign, after @ ..] = rest
        && sign.kind == Kind::Other
        && ARITHMETIC.contains(sign.text)
        && let Some(after) = directed(filter, after)
    {
        (rest, summed) = (after, true);
    }
    let second = match rest {
        [word, after @ ..] if word.is("AS") => after,
        _ => rest,
    };
    let alias = directed(filter, second).filter(|after| {
        let next = after.first();
        next.is_some_and(|next| ["IS", "IN", "NOT"].iter().any(|word| next.is(word)))
    });
    let compared = rest
        .first()
        .is_some_and(|next| next.kind == Kind::Comparison);
    if summed && alias.is_none() && !(sums && compared) {
        return None;
    }
    let rest = alias.unwrap_or(rest);
    Some((spanned(filter, &tokens[..tokens.len() - rest.len()]), rest))
}

/// What is behind a name, and behind the `ASC` or `DESC` that sqlparse makes a part of it.
fn directed<'t, 'k>(filter: &'t str, tokens: &'k [Token<'t>]) -> Option<&'k [Token<'t>]> {
    let (_, mut rest) = name(filter, tokens)?;
    while let [way, after @ ..] = rest
        && way.kind == Kind::Order
    {
        rest = after;
    }
    Some(rest)
}

/// `1e+5`, which is a sum to sqlparse, and a number to Python, which reads the whole of it where sums are names.
fn power<'t, 'k>(filter: &'t str, tokens: &'k [Token<'t>]) -> Option<(Right<'t>, &'k [Token<'t>])> {
    let [base, plus, digits, rest @ ..] = tokens else {
        return None;
    };
    let text = spanned(filter, &tokens[..3]);
    let shaped = base.kind == Kind::Name && plus.text == "+" && digits.kind == Kind::Integer;
    (shaped && text.parse::<f64>().is_ok()).then_some((Right::Float(text), rest))
}

fn value<'t, 'k>(filter: &'t str, tokens: &'k [Token<'t>]) -> Option<(Right<'t>, &'k [Token<'t>])> {
    let (first, rest) = tokens.split_first()?;
    Some(match first.kind {
        Kind::Integer => (Right::Integer(first.text), rest),
        Kind::Float => (Right::Float(first.text), rest),
        Kind::Single => (Right::Text(first.text), rest),
        Kind::Mark('(') => {
            let (list, rest) = list(filter, tokens)?;
            (Right::List(list), rest)
        }
        _ => {
            let (text, rest) = name(filter, tokens)?;
            (Right::Text(text), rest)
        }
    })
}

/// A name: words or quoted texts with dots between them, as they stand in the filter.
pub(super) fn name<'t, 'k>(
    filter: &'t str,
    tokens: &'k [Token<'t>],
) -> Option<(&'t str, &'k [Token<'t>])> {
    let (first, mut rest) = tokens.split_first()?;
    if !matches!(first.kind, Kind::Name | Kind::Double) {
        return None;
    }
    while let [dot, after @ ..] = rest
        && dot.kind == Kind::Mark('.')
    {
        // A dot belongs to the name also where nothing follows it.
        rest = match after {
            [part, after @ ..] if matches!(part.kind, Kind::Name | Kind::Double | Kind::Single) => {
                after
            }
            _ => after,
        };
    }
    Some((spanned(filter, &tokens[..tokens.len() - rest.len()]), rest))
}

/// The part of the filter that these tokens span.
fn spanned<'t>(filter: &'t str, tokens: &[Token<'t>]) -> &'t str {
    match tokens {
        [first, .., last] => &filter[first.at..last.at + last.text.len()],
        [one] => one.text,
        [] => "",
    }
}

/// What is between two parentheses that belong together, with them.
fn list<'t, 'k>(filter: &'t str, tokens: &'k [Token<'t>]) -> Option<(&'t str, &'k [Token<'t>])> {
    let open = tokens
        .first()
        .filter(|token| token.kind == Kind::Mark('('))?;
    let mut depth = 0;
    for (n, token) in tokens.iter().enumerate() {
        match token.kind {
            Kind::Mark('(') => depth += 1,
            Kind::Mark(')') => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some((&filter[open.at..=token.at], &tokens[n + 1..]));
        }
    }
    None
}

/// The texts of a list, which MLflow reads as Python would: texts in either quotes, neighbours are one, and the last may
/// be followed by a comma.
///
/// # Errors
/// INVALID_PARAMETER_VALUE for an empty list and for anything but texts.
pub(super) fn texts(list: &str) -> Result<Vec<String>, Error> {
    let wrong = || {
        Error::invalid(format!(
            "While parsing a list in the query, expected a non-empty list of quoted string values, but got {list}"
        ))
    };
    let mut inner = list.trim();
    while let Some(inside) = inner
        .strip_prefix('(')
        .and_then(|rest| rest.strip_suffix(')'))
    {
        inner = inside.trim();
    }
    let (mut texts, mut chars) = (Vec::new(), inner.chars().peekable());
    let mut open = false;
    while let Some(c) = chars.next() {
        match c {
            c if c.is_whitespace() => {}
            '\'' | '"' => {
                // Three quotes begin a text of another kind, which no list of ours has.
                let mut ahead = chars.clone();
                if ahead.next() == Some(c) && ahead.next() == Some(c) {
                    return Err(wrong());
                }
                let text = python(&mut chars, c).ok_or_else(wrong)?;
                match texts.last_mut() {
                    Some(last) if open => *last += text.as_str(),
                    _ => texts.push(text),
                }
                open = true;
            }
            ',' if open => open = false,
            _ => return Err(wrong()),
        }
    }
    if texts.is_empty() {
        Err(wrong())
    } else {
        Ok(texts)
    }
}

/// A text of Python's up to its closing quote.
fn python(chars: &mut impl Iterator<Item = char>, quote: char) -> Option<String> {
    let mut text = String::new();
    loop {
        match chars.next()? {
            c if c == quote => return Some(text),
            '\n' => return None,
            '\\' => match chars.next()? {
                'n' => text.push('\n'),
                'a' => text.push('\u{7}'),
                'b' => text.push('\u{8}'),
                'v' => text.push('\u{b}'),
                'f' => text.push('\u{c}'),
                '\n' => {}
                't' => text.push('\t'),
                'r' => text.push('\r'),
                c @ ('\\' | '\'' | '"') => text.push(c),
                c => text.extend(['\\', c]),
            },
            c => text.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taken_and_refused() {
        for (filter, count) in [
            ("", Some(0)),
            ("AND", Some(0)),
            ("   ", None),
            ("a > 1 AND b.`c d` = 'x'", Some(2)),
            ("a > 1 b = 'x' AND", Some(2)),
            ("a > 1 b IS NULL", None),
            ("b IS NULL a > 1", Some(2)),
            ("a IN ('x') b IN ('y')", None),
            ("a IN ('x') AND b NOT IN ('y')", Some(2)),
            ("a > 1 OR b > 2", None),
            ("a-b > 1", None),
            ("(a > 1)", None),
            ("a > 1;", None),
            ("a > 1 -- why", None),
            ("1 < a", None),
            ("a = ", None),
            ("a = TRUE", None),
            ("a.true = 'x'", Some(1)),
            ("a = 'x", None),
            ("a IS NOT  NULL", None),
            ("a is not null", Some(1)),
            ("a.from = 'x'", None),
            ("a.b c IN ('x')", Some(1)),
            ("a.b c NOT IN ('x',) AND d e IS NULL", Some(2)),
            ("a.b as \"c\" IN ('x')", Some(1)),
            ("a.b c d IN ('x')", None),
            ("a.b c = 'x'", None),
            ("a.b desc = 'x'", Some(1)),
            ("a.b-c d IS NULL", Some(1)),
            ("a.b-c IS NULL", None),
            ("a.b c-d IN ('x')", None),
            ("a.b  .= 'x' AND c.. > 1", Some(2)),
            (".a = 'x'", None),
        ] {
            assert_eq!(
                clauses(filter, false).ok().map(|all| all.len()),
                count,
                "{filter}"
            );
        }
        assert_eq!(clauses("a.b-c/d > 1", true).unwrap()[0].name, "a.b-c/d");
        assert_eq!(clauses("a.b  c in ('x')", true).unwrap()[0].name, "a.b  c");
        assert!(clauses("a.b\\c > 1", true).is_err());
        assert_eq!(
            clauses("a.b > 1e+5", true).unwrap()[0].right,
            Right::Float("1e+5")
        );
        assert!(clauses("a.b > 1e+5", false).is_err());
    }

    #[test]
    fn lists() {
        for (list, expect) in [
            ("('a')", Some(vec!["a"])),
            ("('a', \"b\",)", Some(vec!["a", "b"])),
            ("('it''s' 'x', 'y')", Some(vec!["itsx", "y"])),
            ("('a\\'b')", Some(vec!["a'b"])),
            ("()", None),
            ("(1)", None),
            ("('a', 1)", None),
            ("('a',, 'b')", None),
            ("('a''''b')", None),
            ("('')", Some(vec![""])),
        ] {
            let expect = expect.map(|all| all.into_iter().map(str::to_owned).collect::<Vec<_>>());
            assert_eq!(texts(list).ok(), expect, "{list}");
        }
    }
}
