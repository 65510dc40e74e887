//! Users and their rights, as MLflow's authentication names them.

use serde::{Deserialize, Serialize};

/// A user as answers show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Number.
    pub id: i64,
    /// What they sign in with.
    pub username: String,
    /// May do everything.
    pub is_admin: bool,
}

/// The same in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// The user.
    #[serde(flatten)]
    pub user: User,
    /// The roles that they hold.
    pub roles: Vec<crate::grants::Role>,
}

/// A request about one user. Never printed: it may hold passwords.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub struct About {
    /// Whom.
    pub username: Option<String>,
    /// The new password.
    pub password: Option<String>,
    /// The one until now, when it is one's own.
    pub current_password: Option<String>,
    /// Whether to give all rights.
    pub is_admin: Option<bool>,
}
