//! [`Tokens`], [`Leases`] and [`Idempotency`] in SQL.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value as Json;

use super::{Tx, must, must_be_new, params, record::record};
use crate::error::{Error, Result};
use crate::tokens::{Idempotency, Lease, Leases, Token, Tokens};

record!(Token in "tokens", key(id), name, hash, role, project, created_at, expires_at, last_used);
record!(Lease in "leases", key(name), holder, fencing, expires_at);

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

impl Leases for Tx<'_> {
    fn acquire_lease(
        &mut self,
        name: &str,
        holder: &str,
        now: Timestamp,
        ttl: SignedDuration,
    ) -> Result<Option<Lease>> {
        let expires_at = now
            .checked_add(ttl)
            .map_err(|e| Error::Invalid(e.to_string()))?;
        let known = self.lease(name)?;
        let fencing = match &known {
            None => 1,
            Some(lease) if lease.holder == holder && lease.expires_at > now => lease.fencing,
            Some(lease) if lease.expires_at <= now => lease.fencing + 1,
            Some(_) => return Ok(None),
        };
        let lease = Lease {
            name: name.to_owned(),
            holder: holder.to_owned(),
            fencing,
            expires_at,
        };
        self.upsert(&lease)?;
        Ok(Some(lease))
    }

    fn release_lease(&mut self, lease: &Lease) -> Result<()> {
        // The row stays, so that the fencing number never goes back.
        let sql = "UPDATE leases SET \"expires_at\" = 0 WHERE \"name\" = ?1 AND \"holder\" = ?2 AND \"fencing\" = ?3";
        self.execute(sql, params![lease.name, lease.holder, lease.fencing])
            .map(drop)
    }

    fn lease(&mut self, name: &str) -> Result<Option<Lease>> {
        self.get(params![name])
    }

    fn check_lease(&mut self, lease: &Lease) -> Result<()> {
        match self.lease(&lease.name)? {
            Some(now)
                if now.holder == lease.holder
                    && now.fencing == lease.fencing
                    && now.expires_at > Timestamp::UNIX_EPOCH =>
            {
                Ok(())
            }
            _ => Err(Error::Conflict(format!(
                "the lease `{}` is held by another server now",
                lease.name
            ))),
        }
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

    fn forget_before(&mut self, before: Timestamp) -> Result<u64> {
        self.execute(
            "DELETE FROM idempotency_keys WHERE \"created_at\" < ?1",
            params![before],
        )
    }
}
