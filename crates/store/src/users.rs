//! Users with a password.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::Result;

/// A user. The password is never stored, only a hash.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct User {
    /// A number that is never used again.
    pub id: i64,
    /// What they sign in with.
    pub name: String,
    /// The hash of the password.
    pub hash: String,
    /// `viewer`, `developer`, `operator` or `admin`.
    pub role: String,
    /// The only project that it is good for; none means all.
    pub project: Option<String>,
    /// Has every right on everything while this is set, whatever role and project say.
    pub admin: bool,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Users.
pub trait Users {
    /// Makes a user, whose `id` is ignored; answers the new one.
    fn insert_user(&mut self, user: &User) -> Result<User>;
    /// One user.
    fn user(&mut self, name: &str) -> Result<Option<User>>;
    /// All users, in the order in which they were made.
    fn users(&mut self) -> Result<Vec<User>>;
    /// Changes the password's hash.
    fn set_user_hash(&mut self, name: &str, hash: &str) -> Result<()>;
    /// Gives all rights, or takes them.
    fn set_user_admin(&mut self, name: &str, admin: bool) -> Result<()>;
    /// Removes a user, with what they were granted; false when there was none.
    fn delete_user(&mut self, name: &str) -> Result<bool>;
}
