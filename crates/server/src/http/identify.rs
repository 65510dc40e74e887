//! From the `Authorization` header to an identity: tokens of people and units, tickets, users with a password.

use super::{ApiError, known::KnownUser, passwords::Checked};
use crate::app::App;
use guard::{
    Identity, Rights, Role,
    credential::{self, Credential},
    ticket, token, unit_token,
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use jiff::SignedDuration;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Instant,
};
use store::{Grant, Priority, Roles as _, Runs as _, Token, Tokens as _, Tx, User, Users as _};

/// Who sends a request, and what grants make of their role, project by project.
pub(super) struct Identified {
    pub(super) identity: Identity,
    rights: Option<Arc<BTreeMap<String, Arc<Rights>>>>,
}

impl Identified {
    /// What grants make of the role in that project; nothing where there are none.
    pub(super) fn rights(&self, project: Option<&str>) -> Option<&Arc<Rights>> {
        self.rights.as_ref()?.get(project?)
    }
}

impl From<Identity> for Identified {
    fn from(identity: Identity) -> Self {
        let rights = None;
        Identified { identity, rights }
    }
}

/// How exactly a token's last use is known.
const USED_TO_THE: SignedDuration = SignedDuration::from_mins(1);

fn wrong() -> ApiError {
    ApiError::new(
        StatusCode::UNAUTHORIZED,
        "unauthenticated",
        "the token is unknown, expired or revoked: ask for a new one",
    )
}

fn wrong_password() -> ApiError {
    ApiError::new(
        StatusCode::UNAUTHORIZED,
        "unauthenticated",
        "there is no such user, or the password is another",
    )
}

/// Who sends a request; the pair is its method and path.
pub(super) async fn identify(
    app: &App,
    headers: &HeaderMap,
    request: (&str, &str),
) -> Result<Identified, ApiError> {
    let header = match headers.get(header::AUTHORIZATION).map(HeaderValue::to_str) {
        Some(Err(_)) => return Err(wrong()),
        Some(Ok(text)) => Some(text),
        None => None,
    };
    match credential::parse(header) {
        Credential::None => Ok(Identity::Anonymous.into()),
        Credential::Malformed => Err(wrong()),
        Credential::Token(text) => Ok(of_token(app, &text, request).await?.into()),
        Credential::Password { name, password } => of_user(app, name, password).await,
    }
}

async fn of_token(app: &App, text: &str, request: (&str, &str)) -> Result<Identity, ApiError> {
    if token::same(text, app.owner_token()) {
        return Ok(Identity::Token {
            name: "owner".to_owned(),
            role: Role::Admin,
            project: None,
        });
    }
    if ticket::looks_like(text) {
        return ticket::verify(text, request, app.master_key(), app.now()).ok_or_else(wrong);
    }
    if !unit_token::looks_like(text) {
        return stored(app, text).await;
    }
    let identity = unit_token::verify(text, app.master_key(), app.now()).ok_or_else(wrong)?;
    if over(app, &identity).await? {
        return Err(wrong());
    }
    Ok(identity)
}

/// Whether a unit's run has ended: what it has recorded is final then, and so is its token.
async fn over(app: &App, identity: &Identity) -> Result<bool, ApiError> {
    let Identity::Unit { run, .. } = identity else {
        return Ok(false);
    };
    let id = run.clone();
    let state = app.store().read(move |tx| tx.run_state(&id)).await?;
    Ok(state.is_some_and(store::RunState::is_final))
}

/// Looks a token up and checks its secret; remembers, to the minute, that it was used.
async fn stored(app: &App, text: &str) -> Result<Identity, ApiError> {
    let (id, secret) = token::split(text).ok_or_else(wrong)?;
    let row = token_row(app, id).await?.ok_or_else(wrong)?;
    let now = app.now();
    if row.expires_at.is_some_and(|at| at <= now) {
        return Err(wrong());
    }
    let role = row.role.parse::<Role>().map_err(|_| wrong())?;
    match app.passwords().check(id, secret, Some(&row.hash)).await? {
        Checked::Passed => {}
        Checked::Failed => return Err(wrong()),
        Checked::Later => return Err(ApiError::too_many_attempts()),
    }
    used(app, &row).await?;
    Ok(Identity::Token {
        name: row.name,
        role,
        project: row.project,
    })
}

async fn token_row(app: &App, id: &str) -> Result<Option<Token>, ApiError> {
    let (known, now) = (app.known().tokens(), Instant::now());
    if let Some(row) = known.get(id, now) {
        return Ok(Some(row));
    }
    let (began, wanted) = (known.begin(), id.to_owned());
    let found = app.store().read(move |tx| tx.token(&wanted)).await?;
    if let Some(row) = &found {
        known.keep(began, id, row, now);
    }
    Ok(found)
}

async fn user_row(app: &App, name: &str) -> Result<Option<KnownUser>, ApiError> {
    let (known, now) = (app.known().users(), Instant::now());
    if let Some(row) = known.get(name, now) {
        return Ok(Some(row));
    }
    let (began, wanted) = (known.begin(), name.to_owned());
    let found = app.store().read(move |tx| with_grants(tx, &wanted)).await?;
    let found = found.map(|(row, grants)| KnownUser {
        rights: Arc::new(rights_of(&row, &grants)),
        row,
    });
    if let Some(user) = &found {
        known.keep(began, name, user, now);
    }
    Ok(found)
}

fn with_grants(tx: &mut Tx<'_>, name: &str) -> store::Result<Option<(User, Vec<Grant>)>> {
    let Some(row) = tx.user(name)? else {
        return Ok(None);
    };
    let grants = tx.grants(row.id)?;
    Ok(Some((row, grants)))
}

/// What grants make of a user's role in each project where they have any. Whoever may do everything everywhere is granted
/// and denied nothing.
pub(crate) fn rights_of(row: &User, grants: &[Grant]) -> BTreeMap<String, Arc<Rights>> {
    let Ok(role) = row.role.parse::<Role>() else {
        return BTreeMap::new();
    };
    if row.admin {
        return BTreeMap::new();
    }
    let own = |one: &&Grant| row.project.as_ref().is_none_or(|own| *own == one.project);
    let projects: BTreeSet<&str> = grants
        .iter()
        .filter(own)
        .map(|one| one.project.as_str())
        .collect();
    projects
        .into_iter()
        .map(|name| (name.to_owned(), Arc::new(Rights::fold(name, role, grants))))
        .collect()
}

async fn used(app: &App, row: &Token) -> Result<(), ApiError> {
    let now = app.now();
    let known = row
        .last_used
        .is_some_and(|last| now.duration_since(last) < USED_TO_THE);
    if !known {
        let id = row.id.clone();
        let touched = app
            .store()
            .write(Priority::Bulk, move |tx| tx.touch_token(&id, now));
        touched.await?;
        let tokens = app.known().tokens();
        tokens.change(&row.id, |held| held.last_used = Some(now));
    }
    Ok(())
}

async fn of_user(app: &App, name: String, password: String) -> Result<Identified, ApiError> {
    let user = user_row(app, &name).await?;
    let hash = user.as_ref().map(|user| user.row.hash.as_str());
    match app.passwords().check(&name, &password, hash).await? {
        Checked::Passed => {
            let user = user.ok_or_else(wrong_password)?;
            Ok(Identified {
                identity: identity(user.row).ok_or_else(wrong_password)?,
                rights: Some(user.rights),
            })
        }
        Checked::Failed => Err(wrong_password()),
        Checked::Later => Err(ApiError::too_many_attempts()),
    }
}

/// What a user may do; nothing when the role is none.
fn identity(row: User) -> Option<Identity> {
    let (role, project) = match row.admin {
        true => (Role::Admin, None),
        false => (row.role.parse().ok()?, row.project),
    };
    Some(Identity::User {
        name: row.name,
        role,
        project,
    })
}
