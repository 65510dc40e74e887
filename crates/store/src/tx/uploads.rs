//! [`Uploads`] in SQL.

use jiff::Timestamp;

use super::{Tx, must, must_be_new, only, params, record::record};
use crate::digest::Digest;
use crate::error::Result;
use crate::uploads::{Upload, UploadPart, Uploads};

record!(Upload in "uploads", key(id), project, path, parts, created_at, digest);
record!(UploadPart in "upload_parts", key(upload, number), digest, size);

impl Tx<'_> {
    /// An upload, for what the place allows where it goes.
    fn reach_upload(&mut self, id: &str) -> Result<()> {
        if !self.is_guarded() {
            return Ok(());
        }
        match self.get::<Upload>(params![id])? {
            Some(upload) => self.reach_path(&upload.project, &upload.path),
            None => Ok(()),
        }
    }
}

impl Uploads for Tx<'_> {
    fn insert_upload(&mut self, upload: &Upload) -> Result<()> {
        self.reach_path(&upload.project, &upload.path)?;
        must_be_new(self.insert(upload)?, "upload", &upload.id)
    }

    fn upload(&mut self, project: &str, id: &str) -> Result<Option<Upload>> {
        let found: Option<Upload> = self.select_one(
            "WHERE \"id\" = ?1 AND \"project\" = ?2",
            params![id, project],
        )?;
        if let Some(upload) = &found {
            self.reach_path(project, &upload.path)?;
        }
        Ok(found)
    }

    fn put_upload_part(&mut self, part: &UploadPart) -> Result<()> {
        self.reach_upload(&part.upload)?;
        self.upsert(part)
    }

    fn upload_parts(&mut self, id: &str) -> Result<Vec<UploadPart>> {
        self.reach_upload(id)?;
        self.select("WHERE \"upload\" = ?1 ORDER BY \"number\"", params![id])
    }

    fn complete_upload(&mut self, id: &str, digest: &Digest) -> Result<()> {
        self.reach_upload(id)?;
        let sql = "UPDATE uploads SET \"digest\" = ?2 WHERE \"id\" = ?1";
        must(self.execute(sql, params![id, digest])? == 1, "upload", id)
    }

    fn delete_upload(&mut self, id: &str) -> Result<bool> {
        self.reach_upload(id)?;
        self.execute(
            "DELETE FROM upload_parts WHERE \"upload\" = ?1",
            params![id],
        )?;
        self.remove::<Upload>(params![id])
    }

    fn uploads_before(&mut self, before: Timestamp) -> Result<Vec<String>> {
        let sql = "SELECT \"id\" FROM uploads WHERE \"created_at\" < ?1 ORDER BY \"created_at\", \"id\" LIMIT 500";
        self.rows(sql, params![before], only)
    }
}
