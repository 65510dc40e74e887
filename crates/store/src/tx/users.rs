//! [`Users`] in SQL.

use super::{Tx, must, params, record::record};
use crate::error::{Error, Result};
use crate::roles::own_role;
use crate::users::{User, Users};

record!(User in "users", key(name), id, hash, role, project, admin, created_at);

impl Users for Tx<'_> {
    fn insert_user(&mut self, user: &User) -> Result<User> {
        let sql = "INSERT INTO users (\"name\", \"hash\", \"role\", \"project\", \"admin\", \"created_at\") \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING";
        let given = params![
            user.name,
            user.hash,
            user.role,
            user.project,
            user.admin,
            user.created_at
        ];
        let added = self.execute(sql, given)? == 1;
        match self.user(&user.name)? {
            Some(made) if added => Ok(made),
            _ => Err(Error::Exists {
                what: "user",
                name: user.name.clone(),
            }),
        }
    }

    fn user(&mut self, name: &str) -> Result<Option<User>> {
        self.get(params![name])
    }

    fn users(&mut self) -> Result<Vec<User>> {
        self.select("ORDER BY \"id\"", &[])
    }

    fn set_user_hash(&mut self, name: &str, hash: &str) -> Result<()> {
        let sql = "UPDATE users SET \"hash\" = ?2 WHERE \"name\" = ?1";
        must(self.execute(sql, params![name, hash])? == 1, "user", name)
    }

    fn set_user_admin(&mut self, name: &str, admin: bool) -> Result<()> {
        let sql = "UPDATE users SET \"admin\" = ?2 WHERE \"name\" = ?1";
        must(self.execute(sql, params![name, admin])? == 1, "user", name)
    }

    fn delete_user(&mut self, name: &str) -> Result<bool> {
        let Some(user) = self.user(name)? else {
            return Ok(false);
        };
        let sql = "DELETE FROM roles WHERE \"name\" = ?1";
        self.execute(sql, params![own_role(user.id)])?;
        self.remove::<User>(params![name])
    }
}
