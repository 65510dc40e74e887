//! [`Leases`] and [`Agreements`] in SQL.

use super::{Dialect, Tx, params, record::record};
use crate::error::{Error, Result};
use crate::leases::{Agreements, Lease, Leases};

record!(Lease in "leases", key(name), holder, fencing, beat);

impl Leases for Tx<'_> {
    fn lease(&mut self, name: &str) -> Result<Option<Lease>> {
        self.get(params![name])
    }

    fn take_lease(
        &mut self,
        name: &str,
        holder: &str,
        seen: Option<&Lease>,
    ) -> Result<Option<Lease>> {
        // The row is deleted, not updated: Postgres lets an update that keeps the key pass beside
        // the locks of guarded writes, and those would not see it.
        let gone = "DELETE FROM leases WHERE \"name\" = ?1 AND \"holder\" = ?2 AND \"fencing\" = ?3 AND \"beat\" = ?4";
        if let Some(seen) = seen
            && self.execute(gone, params![name, seen.holder, seen.fencing, seen.beat])? == 0
        {
            return Ok(None);
        }
        let lease = Lease {
            name: name.to_owned(),
            holder: holder.to_owned(),
            fencing: seen.map_or(1, |seen| seen.fencing + 1),
            beat: 0,
        };
        Ok(self.insert(&lease)?.then_some(lease))
    }

    fn renew_lease(&mut self, lease: &Lease) -> Result<bool> {
        let sql = "UPDATE leases SET \"beat\" = \"beat\" + 1 WHERE \"name\" = ?1 AND \"holder\" = ?2 AND \"fencing\" = ?3";
        let renewed = self.execute(sql, params![lease.name, lease.holder, lease.fencing])? == 1;
        self.wake_nobody();
        Ok(renewed)
    }

    fn release_lease(&mut self, lease: &Lease) -> Result<()> {
        // The row stays, so that the fencing number never goes back.
        let sql = "UPDATE leases SET \"holder\" = '' WHERE \"name\" = ?1 AND \"holder\" = ?2 AND \"fencing\" = ?3";
        self.execute(sql, params![lease.name, lease.holder, lease.fencing])
            .map(drop)
    }

    fn check_lease(&mut self, lease: &Lease) -> Result<()> {
        // On Postgres the row stays locked until this transaction ends: whoever takes the lease
        // waits that long, and renewals (which keep the key) do not. A transaction that began
        // before the lease was taken and comes here after it is repeated, and then refused.
        let lock = match self.dialect() {
            Dialect::Postgres => " FOR KEY SHARE",
            Dialect::Sqlite => "",
        };
        let sql = format!(
            "SELECT \"beat\" FROM leases WHERE \"name\" = ?1 AND \"holder\" = ?2 AND \"fencing\" = ?3{lock}"
        );
        let held: Option<u64> =
            self.single(&sql, params![lease.name, lease.holder, lease.fencing])?;
        held.map(drop).ok_or_else(|| Error::Fenced {
            lease: lease.name.clone(),
        })
    }
}

impl Agreements for Tx<'_> {
    fn agree(&mut self, name: &str, value: &str) -> Result<String> {
        let sql =
            "INSERT INTO agreements (\"name\", \"value\") VALUES (?1, ?2) ON CONFLICT DO NOTHING";
        self.execute(sql, params![name, value])?;
        Ok(self.agreement(name)?.unwrap_or_default())
    }

    fn agreement(&mut self, name: &str) -> Result<Option<String>> {
        self.single(
            "SELECT \"value\" FROM agreements WHERE \"name\" = ?1",
            params![name],
        )
    }
}
