//! User tokens, and answers kept for idempotency keys.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::error::Result;

/// A user's token. Its secret is never stored, only a hash.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Token {
    /// The public half, by which it is looked up.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// The hash of the secret half.
    pub hash: String,
    /// `viewer`, `developer`, `operator` or `admin`.
    pub role: String,
    /// The only project that it is good for; none means all.
    pub project: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, to the minute.
    pub last_used: Option<Timestamp>,
}

/// Tokens.
pub trait Tokens {
    /// Records a new token.
    fn insert_token(&mut self, token: &Token) -> Result<()>;
    /// One token.
    fn token(&mut self, id: &str) -> Result<Option<Token>>;
    /// All tokens, newest first.
    fn tokens(&mut self) -> Result<Vec<Token>>;
    /// Ends a token; false when there was none.
    fn delete_token(&mut self, id: &str) -> Result<bool>;
    /// Remembers that it was used.
    fn touch_token(&mut self, id: &str, at: Timestamp) -> Result<()>;
}

/// Answers to requests that carried an idempotency key.
pub trait Idempotency {
    /// The answer kept under the key.
    fn recall(&mut self, key: &str) -> Result<Option<Json>>;
    /// Keeps an answer; the first one stays.
    fn remember(&mut self, key: &str, response: &Json, at: Timestamp) -> Result<()>;
    /// Forgets the answer.
    fn forget(&mut self, key: &str) -> Result<()>;
    /// Forgets some hundred of the answers kept before that time, but for those whose key begins
    /// with `except`; returns how many: call it again until that is 0.
    fn forget_before(&mut self, before: Timestamp, except: &str) -> Result<u64>;
}
