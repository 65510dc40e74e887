//! Users with a password: made, changed and removed, each with its event. The password itself is seen here only, for as
//! long as hashing takes, and is in no event and no log.

use crate::app::App;
use guard::{Role, password};
use serde_json::{Value, json};
use store::{Events as _, NewEvent, Priority, Tx, User, Users as _};

/// The longest name.
const NAME: usize = 255;
/// What events call callers that are no user.
const TAKEN: [&str; 3] = ["owner", "anonymous", "retention"];

/// A user that cannot be made, changed or removed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// The name cannot be used.
    #[error("{0}")]
    Name(&'static str),
    /// The password cannot be used.
    #[error(transparent)]
    Password(#[from] password::Unfit),
    /// The store.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// Hashing was cut short.
    #[error("the server is stopping")]
    Stopped,
}

/// What a new user may do.
#[derive(Clone, Debug)]
pub(crate) struct New {
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) project: Option<String>,
}

/// Makes a user.
pub(crate) async fn create(
    app: &App,
    actor: String,
    new: New,
    password: String,
) -> Result<User, Fault> {
    check_name(&new.name)?;
    // An admin of everything is one by the mark that MLflow's clients can take away.
    let admin = new.role == Role::Admin && new.project.is_none();
    let role = if admin { Role::Developer } else { new.role };
    let user = User {
        id: 0,
        name: new.name,
        hash: hash(password).await?,
        role: role.to_string(),
        project: new.project,
        admin,
        created_at: app.now(),
    };
    let say = said(app, actor, "user.created", &user.name);
    let made = app.store().write(Priority::Normal, move |tx| {
        let made = tx.insert_user(&user)?;
        let rights = json!({ "role": made.role, "project": made.project, "admin": made.admin });
        say(tx, None, Some(rights))?;
        Ok(made)
    });
    let made = made.await?;
    app.known().forget();
    Ok(made)
}

/// Gives another password; what was remembered of the old one is void at once.
pub(crate) async fn set_password(
    app: &App,
    actor: String,
    name: &str,
    password: String,
) -> Result<(), Fault> {
    let hash = hash(password).await?;
    let say = said(app, actor, "user.password", name);
    let name = name.to_owned();
    let done = app.store().write(Priority::Urgent, move |tx| {
        tx.set_user_hash(&name, &hash)?;
        say(tx, None, None)
    });
    done.await?;
    app.known().forget();
    Ok(())
}

/// Gives all rights, or takes them.
pub(crate) async fn set_admin(
    app: &App,
    actor: String,
    name: &str,
    admin: bool,
) -> Result<(), Fault> {
    let say = said(app, actor, "user.admin", name);
    let name = name.to_owned();
    let done = app.store().write(Priority::Urgent, move |tx| {
        tx.set_user_admin(&name, admin)?;
        say(
            tx,
            Some(json!({ "admin": !admin })),
            Some(json!({ "admin": admin })),
        )
    });
    done.await?;
    app.known().forget();
    Ok(())
}

/// Removes a user.
pub(crate) async fn remove(app: &App, actor: String, name: &str) -> Result<(), Fault> {
    let say = said(app, actor, "user.deleted", name);
    let name = name.to_owned();
    let done = app.store().write(Priority::Urgent, move |tx| {
        if !tx.delete_user(&name)? {
            return Err(store::Error::missing("user", name.clone()));
        }
        say(tx, None, None)
    });
    done.await?;
    app.known().forget();
    Ok(())
}

fn check_name(name: &str) -> Result<(), Fault> {
    let why = match name {
        "" => "Username cannot be empty.",
        name if name.len() > NAME => "Username must be at most 255 bytes.",
        name if name.contains(':') || name.chars().any(char::is_control) => {
            "Username cannot have colons or control characters."
        }
        name if name.trim() != name => "Username cannot begin or end with a space.",
        name if TAKEN.contains(&name) => "Username is one of Mainspan's own: choose another.",
        _ => return Ok(()),
    };
    Err(Fault::Name(why))
}

/// Checks a new password and hashes it, on a thread that may take its time.
async fn hash(password: String) -> Result<String, Fault> {
    password::check(&password)?;
    let hashed = tokio::task::spawn_blocking(move || password::hash(&password));
    hashed.await.map_err(|_| Fault::Stopped)
}

/// Writes the event of a change.
fn said(
    app: &App,
    actor: String,
    kind: &'static str,
    name: &str,
) -> impl Fn(&mut Tx<'_>, Option<Value>, Option<Value>) -> store::Result<()> + Send + 'static {
    let (at, subject) = (app.now(), format!("user/{name}"));
    move |tx, before, after| {
        let event = NewEvent {
            project: None,
            at,
            actor: actor.clone(),
            kind: kind.to_owned(),
            subject: subject.clone(),
            reason: String::new(),
            before,
            after,
        };
        tx.append_event(&event).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (name, fine) in [
            ("ann", true),
            ("ann@example.org", true),
            ("Anne Müller", true),
            ("' OR 1=1 --", true),
            ("", false),
            (" ann", false),
            ("a:b", false),
            ("a\nb", false),
            ("owner", false),
            (&"x".repeat(256), false),
        ] {
            assert_eq!(check_name(name).is_ok(), fine, "{name}");
        }
    }
}
