//! Uploads in parts: what was begun, which parts have come, and what became of it.
//!
//! The parts' bytes are kept by [`Blobs`](crate::Blobs) under the upload's id, apart from blobs. Nothing of an upload
//! is visible before it is complete; an artifact names the whole then.

use jiff::Timestamp;

use crate::digest::Digest;
use crate::error::Result;

/// An upload that was begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// Its id, which names the folder of its parts, too.
    pub id: String,
    /// The project.
    pub project: String,
    /// The artifact that it will be.
    pub path: String,
    /// How many parts were announced.
    pub parts: u32,
    /// When it was begun.
    pub created_at: Timestamp,
    /// What it became; none while it is not complete.
    pub digest: Option<Digest>,
}

/// A part that has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadPart {
    /// The upload.
    pub upload: String,
    /// Its place among the parts, from 1.
    pub number: u32,
    /// Its bytes.
    pub digest: Digest,
    /// How many they are.
    pub size: u64,
}

/// Uploads in parts.
pub trait Uploads {
    /// Begins one.
    fn insert_upload(&mut self, upload: &Upload) -> Result<()>;
    /// One upload of a project.
    fn upload(&mut self, project: &str, id: &str) -> Result<Option<Upload>>;
    /// Records a part, in place of an earlier one of that number.
    fn put_upload_part(&mut self, part: &UploadPart) -> Result<()>;
    /// The parts that have come, in order.
    fn upload_parts(&mut self, id: &str) -> Result<Vec<UploadPart>>;
    /// Records what it became.
    fn complete_upload(&mut self, id: &str, digest: &Digest) -> Result<()>;
    /// Forgets it and its parts; false when there was none.
    fn delete_upload(&mut self, id: &str) -> Result<bool>;
    /// The ids of some hundred uploads that were begun before that time, oldest first.
    fn uploads_before(&mut self, before: Timestamp) -> Result<Vec<String>>;
}
