//! Roles of MLflow's: named bundles of permissions in a project, held by users.
//!
//! What is granted to one user directly is kept as MLflow keeps it: in a role that nobody else holds, named by
//! [`own_role`].

use crate::error::Result;

/// What begins the names of the roles that hold direct grants.
pub const OWN_ROLE: &str = "__user_";

/// The name of the role that holds what is granted to that user directly.
#[must_use]
pub fn own_role(user: i64) -> String {
    format!("{OWN_ROLE}{user}__")
}

/// A role without its permissions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// A number that is never used again.
    pub id: i64,
    /// The project that it is about.
    pub project: String,
    /// Its name, unique in the project.
    pub name: String,
    /// For people.
    pub description: Option<String>,
}

/// What a role permits on a resource, or on all of a type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolePermission {
    /// A number that is never used again.
    pub id: i64,
    /// The role's number.
    pub role: i64,
    /// MLflow's word for the type of the resource.
    pub resource_type: String,
    /// The resource, or `*` for all of the type.
    pub resource_pattern: String,
    /// MLflow's word for what is permitted.
    pub permission: String,
}

/// That a user holds a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleAssignment {
    /// A number that is never used again.
    pub id: i64,
    /// The user's number.
    pub user: i64,
    /// The role's number.
    pub role: i64,
}

/// One permission that a user has by any role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The role's project.
    pub project: String,
    /// MLflow's word for the type of the resource.
    pub resource_type: String,
    /// The resource, or `*` for all of the type.
    pub resource_pattern: String,
    /// MLflow's word for what is permitted.
    pub permission: String,
}

/// Roles, their permissions, and who holds them.
pub trait Roles {
    /// Makes a role, whose `id` is ignored; answers the new one. An error when the project has that name.
    fn insert_role(&mut self, role: &Role) -> Result<Role>;
    /// One role.
    fn role(&mut self, id: i64) -> Result<Option<Role>>;
    /// The role of that name.
    fn role_by_name(&mut self, project: &str, name: &str) -> Result<Option<Role>>;
    /// All roles, in the order in which they were made.
    fn roles(&mut self) -> Result<Vec<Role>>;
    /// Replaces name and description of a known role.
    fn update_role(&mut self, role: &Role) -> Result<()>;
    /// Removes a role with its permissions and assignments; false when there was none.
    fn delete_role(&mut self, id: i64) -> Result<bool>;
    /// Adds a permission, whose `id` is ignored; none when the role has one for that resource.
    fn insert_role_permission(
        &mut self,
        permission: &RolePermission,
    ) -> Result<Option<RolePermission>>;
    /// One permission.
    fn role_permission(&mut self, id: i64) -> Result<Option<RolePermission>>;
    /// The permissions of a role, in the order in which they were added.
    fn role_permissions(&mut self, role: i64) -> Result<Vec<RolePermission>>;
    /// Replaces what a known permission permits.
    fn set_role_permission(&mut self, id: i64, permission: &str) -> Result<()>;
    /// Removes a permission; false when there was none.
    fn delete_role_permission(&mut self, id: i64) -> Result<bool>;
    /// Gives a user a role; none when they hold it.
    fn assign_role(&mut self, user: i64, role: i64) -> Result<Option<RoleAssignment>>;
    /// Takes a role from a user; false when they did not hold it.
    fn unassign_role(&mut self, user: i64, role: i64) -> Result<bool>;
    /// Who holds a role, in the order in which they got it.
    fn role_users(&mut self, role: i64) -> Result<Vec<RoleAssignment>>;
    /// The roles that a user holds, in the order in which they got them.
    fn user_roles(&mut self, user: i64) -> Result<Vec<Role>>;
    /// What a user is granted by all their roles.
    fn grants(&mut self, user: i64) -> Result<Vec<Grant>>;
    /// Forgets what is granted directly on a resource that is gone; roles that people made stay as they are.
    fn forget_grants(&mut self, project: &str, resource_type: &str, pattern: &str) -> Result<u64>;
    /// Grants on a resource follow it to its new name.
    fn rename_grants(
        &mut self,
        project: &str,
        resource_type: &str,
        pattern: &str,
        to: &str,
    ) -> Result<u64>;
}
