//! Words, numbers, quoted texts and symbols of a filter.

use crate::Error;

/// One token.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A bare word, `entity.key` or a keyword.
    Word(String),
    /// A quoted text and its quote.
    Quoted(String, char),
    /// A bare number.
    Number(f64),
    /// An operator, a parenthesis or a comma.
    Symbol(String),
}

/// Splits a filter.
///
/// # Errors
/// A quote that is not closed.
pub(super) fn tokenize(text: &str) -> Result<Vec<Token>, Error> {
    let mut tokens = Vec::new();
    let mut chars = text.char_indices().peekable();
    while let Some((start, c)) = chars.next() {
        match c {
            c if c.is_whitespace() => {}
            '\'' | '"' | '`' => {
                let from = start + 1;
                let end = chars.by_ref().find(|(_, d)| *d == c).map(|(i, _)| i);
                let end = end.ok_or_else(|| {
                    Error::invalid(format!("Invalid filter '{text}': a quote is not closed"))
                })?;
                tokens.push(Token::Quoted(text[from..end].to_owned(), c));
            }
            '(' | ')' | ',' => tokens.push(Token::Symbol(c.to_string())),
            '=' | '!' | '<' | '>' => {
                let mut symbol = c.to_string();
                while let Some((_, d)) = chars.next_if(|(_, d)| matches!(d, '=' | '>')) {
                    symbol.push(d);
                }
                tokens.push(Token::Symbol(symbol));
            }
            _ => {
                let mut end = start + c.len_utf8();
                while let Some((i, d)) =
                    chars.next_if(|(_, d)| !d.is_whitespace() && !"'\"`(),=!<>".contains(*d))
                {
                    end = i + d.len_utf8();
                }
                let word = &text[start..end];
                let numeric = word.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c));
                match word.parse::<f64>() {
                    Ok(number) if numeric => tokens.push(Token::Number(number)),
                    _ => tokens.push(Token::Word(word.to_owned())),
                }
            }
        }
    }
    Ok(tokens)
}
