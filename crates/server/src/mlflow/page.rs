//! Page tokens: opaque texts for clients, cursors for the store.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use mlflow::Error;
use serde::Serialize;
use serde_json::{Value, json};
use store::Cursor;

/// The token of the next page.
pub(super) fn token(next: Option<Cursor>) -> Option<String> {
    next.map(|cursor| B64.encode(cursor.0))
}

/// The cursor of a token; none for the first page.
pub(super) fn cursor(token: Option<&str>) -> Result<Option<Cursor>, Error> {
    let Some(token) = token.filter(|token| !token.is_empty()) else {
        return Ok(None);
    };
    let bytes = B64
        .decode(token)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok());
    let text =
        bytes.ok_or_else(|| Error::invalid("Invalid page token, could not base64-decode"))?;
    Ok(Some(Cursor(text)))
}

/// A page as the protocol shows it: what is empty is left out.
pub(super) fn answer(name: &str, items: &[impl Serialize], next: Option<Cursor>) -> Value {
    let mut answer = json!({});
    if !items.is_empty() {
        answer[name] = json!(items);
    }
    if let Some(token) = token(next) {
        answer["next_page_token"] = json!(token);
    }
    answer
}

/// The same where the protocol shows a token on the last page, too: an empty one.
pub(super) fn with_token(name: &str, items: &[impl Serialize], next: Option<Cursor>) -> Value {
    let mut answer = answer(name, items, next);
    if answer.get("next_page_token").is_none() {
        answer["next_page_token"] = json!("");
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back() {
        let there = token(Some(Cursor("[\"i5\"]".into()))).unwrap();
        assert_eq!(cursor(Some(&there)), Ok(Some(Cursor("[\"i5\"]".into()))));
        assert_eq!(cursor(Some("")), Ok(None));
        assert!(cursor(Some("%%")).is_err());
    }
}
