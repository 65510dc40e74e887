//! [`Roles`] in SQL.

use super::{Tx, must, must_be_new, params, record::record};
use crate::error::{Error, Result};
use crate::roles::{Grant, OWN_ROLE, Role, RoleAssignment, RolePermission, Roles};

record!(Role in "roles", key(id), project, name, description);
record!(RolePermission in "role_permissions", key(id), role, resource_type, resource_pattern, permission);
record!(RoleAssignment in "role_users", key(id), user, role);

impl Roles for Tx<'_> {
    fn insert_role(&mut self, role: &Role) -> Result<Role> {
        let sql = "INSERT INTO roles (\"project\", \"name\", \"description\") VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
        let added = self.execute(sql, params![role.project, role.name, role.description])? == 1;
        must_be_new(added, "role", &role.name)?;
        let made = self.role_by_name(&role.project, &role.name)?;
        made.ok_or_else(|| Error::missing("role", &role.name))
    }

    fn role(&mut self, id: i64) -> Result<Option<Role>> {
        self.get(params![id])
    }

    fn role_by_name(&mut self, project: &str, name: &str) -> Result<Option<Role>> {
        self.select_one(
            "WHERE \"project\" = ?1 AND \"name\" = ?2",
            params![project, name],
        )
    }

    fn roles(&mut self) -> Result<Vec<Role>> {
        self.select("ORDER BY \"id\"", &[])
    }

    fn update_role(&mut self, role: &Role) -> Result<()> {
        let named = self.role_by_name(&role.project, &role.name)?;
        let free = named.is_none_or(|other| other.id == role.id);
        must_be_new(free, "role", &role.name)?;
        must(self.replace(role)?, "role", role.id.to_string())
    }

    fn delete_role(&mut self, id: i64) -> Result<bool> {
        self.remove::<Role>(params![id])
    }

    fn insert_role_permission(
        &mut self,
        permission: &RolePermission,
    ) -> Result<Option<RolePermission>> {
        let RolePermission {
            role,
            resource_type,
            resource_pattern,
            permission,
            ..
        } = permission;
        let sql = "INSERT INTO role_permissions (\"role\", \"resource_type\", \"resource_pattern\", \"permission\") \
                   VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING RETURNING \"id\"";
        let id: Option<i64> = self.single(
            sql,
            params![role, resource_type, resource_pattern, permission],
        )?;
        match id {
            Some(id) => self.role_permission(id),
            None => Ok(None),
        }
    }

    fn role_permission(&mut self, id: i64) -> Result<Option<RolePermission>> {
        self.get(params![id])
    }

    fn role_permissions(&mut self, role: i64) -> Result<Vec<RolePermission>> {
        self.select("WHERE \"role\" = ?1 ORDER BY \"id\"", params![role])
    }

    fn set_role_permission(&mut self, id: i64, permission: &str) -> Result<()> {
        let sql = "UPDATE role_permissions SET \"permission\" = ?2 WHERE \"id\" = ?1";
        let changed = self.execute(sql, params![id, permission])? == 1;
        must(changed, "role permission", id.to_string())
    }

    fn delete_role_permission(&mut self, id: i64) -> Result<bool> {
        self.remove::<RolePermission>(params![id])
    }

    fn assign_role(&mut self, user: i64, role: i64) -> Result<Option<RoleAssignment>> {
        let sql = "INSERT INTO role_users (\"user\", \"role\") VALUES (?1, ?2) ON CONFLICT DO NOTHING RETURNING \"id\"";
        let id: Option<i64> = self.single(sql, params![user, role])?;
        match id {
            Some(id) => self.get(params![id]),
            None => Ok(None),
        }
    }

    fn unassign_role(&mut self, user: i64, role: i64) -> Result<bool> {
        let sql = "DELETE FROM role_users WHERE \"user\" = ?1 AND \"role\" = ?2";
        Ok(self.execute(sql, params![user, role])? == 1)
    }

    fn role_users(&mut self, role: i64) -> Result<Vec<RoleAssignment>> {
        self.select("WHERE \"role\" = ?1 ORDER BY \"id\"", params![role])
    }

    fn user_roles(&mut self, user: i64) -> Result<Vec<Role>> {
        let rest = "WHERE \"id\" IN (SELECT \"role\" FROM role_users WHERE \"user\" = ?1) \
                    ORDER BY (SELECT u.\"id\" FROM role_users u WHERE u.\"role\" = roles.\"id\" AND u.\"user\" = ?1)";
        self.select(rest, params![user])
    }

    fn grants(&mut self, user: i64) -> Result<Vec<Grant>> {
        let sql = "SELECT r.\"project\", p.\"resource_type\", p.\"resource_pattern\", p.\"permission\" FROM role_users u \
                   JOIN roles r ON r.\"id\" = u.\"role\" JOIN role_permissions p ON p.\"role\" = r.\"id\" \
                   WHERE u.\"user\" = ?1 ORDER BY p.\"id\"";
        self.rows(sql, params![user], |cols| {
            Ok(Grant {
                project: cols.get()?,
                resource_type: cols.get()?,
                resource_pattern: cols.get()?,
                permission: cols.get()?,
            })
        })
    }

    fn forget_grants(&mut self, project: &str, resource_type: &str, pattern: &str) -> Result<u64> {
        let sql = "DELETE FROM role_permissions WHERE \"resource_type\" = ?2 AND \"resource_pattern\" = ?3 AND \"role\" IN \
                   (SELECT \"id\" FROM roles WHERE \"project\" = ?1 AND SUBSTR(\"name\", 1, 7) = ?4)";
        self.execute(sql, params![project, resource_type, pattern, OWN_ROLE])
    }

    fn rename_grants(
        &mut self,
        project: &str,
        resource_type: &str,
        pattern: &str,
        to: &str,
    ) -> Result<u64> {
        let of_project = "\"role\" IN (SELECT \"id\" FROM roles WHERE \"project\" = ?1)";
        // What was said of the new name before anything had it gives way.
        let sql = format!(
            "DELETE FROM role_permissions WHERE \"resource_type\" = ?2 AND \"resource_pattern\" = ?4 AND {of_project} \
             AND \"permission\" <> 'DENY' AND \"role\" IN (SELECT p.\"role\" FROM role_permissions p \
             WHERE p.\"resource_type\" = ?2 AND p.\"resource_pattern\" = ?3)"
        );
        self.execute(&sql, params![project, resource_type, pattern, to])?;
        // A denial of the new name stays and holds, whatever the old name was granted.
        let sql = format!(
            "UPDATE role_permissions SET \"resource_pattern\" = ?4 WHERE \"resource_type\" = ?2 AND \"resource_pattern\" = ?3 \
             AND {of_project} AND NOT EXISTS (SELECT 1 FROM role_permissions p WHERE p.\"role\" = role_permissions.\"role\" \
             AND p.\"resource_type\" = ?2 AND p.\"resource_pattern\" = ?4)"
        );
        self.execute(&sql, params![project, resource_type, pattern, to])
    }
}
