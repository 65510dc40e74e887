//! [`Tokens`] and [`Idempotency`] in SQL.

use jiff::Timestamp;
use serde_json::Value as Json;

use super::{Tx, must, must_be_new, params, record::record};
use crate::error::Result;
use crate::tokens::{Idempotency, Token, Tokens};

record!(Token in "tokens", key(id), name, hash, role, project, created_at, expires_at, last_used);

impl Tokens for Tx<'_> {
    fn insert_token(&mut self, token: &Token) -> Result<()> {
        must_be_new(self.insert(token)?, "token", &token.id)
    }

    fn token(&mut self, id: &str) -> Result<Option<Token>> {
        self.get(params![id])
    }

    fn tokens(&mut self) -> Result<Vec<Token>> {
        self.select("ORDER BY \"created_at\" DESC, \"id\"", &[])
    }

    fn delete_token(&mut self, id: &str) -> Result<bool> {
        self.remove::<Token>(params![id])
    }

    fn touch_token(&mut self, id: &str, at: Timestamp) -> Result<()> {
        let sql = "UPDATE tokens SET \"last_used\" = ?2 WHERE \"id\" = ?1";
        must(self.execute(sql, params![id, at])? == 1, "token", id)
    }
}

impl Idempotency for Tx<'_> {
    fn recall(&mut self, key: &str) -> Result<Option<Json>> {
        self.single(
            "SELECT \"response\" FROM idempotency_keys WHERE \"key\" = ?1",
            params![key],
        )
    }

    fn remember(&mut self, key: &str, response: &Json, at: Timestamp) -> Result<()> {
        let sql = "INSERT INTO idempotency_keys (\"key\", \"response\", \"created_at\") VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
        self.execute(sql, params![key, response, at]).map(drop)
    }

    fn forget(&mut self, key: &str) -> Result<()> {
        self.execute(
            "DELETE FROM idempotency_keys WHERE \"key\" = ?1",
            params![key],
        )
        .map(drop)
    }

    fn forget_before(&mut self, before: Timestamp, except: &str) -> Result<u64> {
        let sql = "DELETE FROM idempotency_keys WHERE \"key\" IN (SELECT \"key\" FROM idempotency_keys \
                   WHERE \"created_at\" < ?1 AND SUBSTR(\"key\", 1, ?2) <> ?3 LIMIT 500)";
        self.execute(sql, params![before, except.chars().count() as u64, except])
    }
}
