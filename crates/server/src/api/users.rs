//! Users with a password: made, listed, changed and removed by admins.

use crate::{
    app::App,
    http::{ApiError, Caller, Routes},
    users::{self, Fault, New},
};
use axum::{
    Extension, Json,
    extract::{Path, State},
    routing::{delete, get, post},
};
use guard::{Permission, Role, token};
use http::{Method, StatusCode};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use store::{Roles as _, User, Users as _};

pub(super) fn routes(routes: Routes) -> Routes {
    let needs = Permission::Administer;
    routes
        .add(Method::GET, "/api/v1/users", needs, "List users", get(list))
        .add(
            Method::POST,
            "/api/v1/users/create",
            needs,
            "Make a user",
            post(create),
        )
        .add(
            Method::POST,
            "/api/v1/users/{user}/password",
            needs,
            "Give a user another password",
            post(set_password),
        )
        .add(
            Method::DELETE,
            "/api/v1/users/{user}",
            needs,
            "Remove a user",
            delete(remove),
        )
}

/// A user as it may be shown.
#[derive(Debug, Serialize)]
struct UserAnswer {
    id: i64,
    name: String,
    role: String,
    project: Option<String>,
    created_at: Timestamp,
    /// How many permissions they have by MLflow's roles and grants.
    grants: usize,
}

/// A user to make.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateRequest {
    name: String,
    role: Role,
    project: Option<String>,
    /// One is made up when it is left out.
    password: Option<String>,
}

/// Another password.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PasswordRequest {
    /// One is made up when it is left out.
    password: Option<String>,
}

/// A password that was made up, shown this once.
#[derive(Serialize)]
struct MadeUp {
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<String>,
}

/// The given password, or a new one and the same to be shown.
fn given_or_made_up(given: Option<String>) -> (String, MadeUp) {
    match given {
        Some(password) => (password, MadeUp { password: None }),
        None => {
            let password = token::random_secret();
            let shown = Some(password.clone());
            (password, MadeUp { password: shown })
        }
    }
}

impl From<Fault> for ApiError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Name(_) | Fault::Password(_) => ApiError::invalid(fault.to_string()),
            Fault::Store(error) => error.into(),
            Fault::Stopped => ApiError::internal(&fault),
        }
    }
}

impl UserAnswer {
    fn new(user: User, grants: usize) -> Self {
        UserAnswer {
            id: user.id,
            name: user.name,
            role: match user.admin {
                true => Role::Admin.to_string(),
                false => user.role,
            },
            project: user.project.filter(|_| !user.admin),
            created_at: user.created_at,
            grants,
        }
    }
}

async fn list(State(app): State<App>) -> Result<Json<Vec<UserAnswer>>, ApiError> {
    let users = app.store().read(|tx| {
        let users = tx.users()?.into_iter();
        let with_grants = |user: User| {
            let grants = tx.grants(user.id)?.len();
            Ok(UserAnswer::new(user, grants))
        };
        users.map(with_grants).collect::<store::Result<Vec<_>>>()
    });
    Ok(Json(users.await?))
}

async fn create(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Json(request): Json<CreateRequest>,
) -> Result<(StatusCode, Json<MadeUp>), ApiError> {
    let (password, shown) = given_or_made_up(request.password);
    let new = New {
        name: request.name,
        role: request.role,
        project: request.project,
    };
    users::create(&app, caller.identity.actor(), new, password).await?;
    Ok((StatusCode::CREATED, Json(shown)))
}

async fn set_password(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Json(request): Json<PasswordRequest>,
) -> Result<Json<MadeUp>, ApiError> {
    let (password, shown) = given_or_made_up(request.password);
    users::set_password(&app, caller.identity.actor(), &name, password).await?;
    Ok(Json(shown))
}

async fn remove(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    users::remove(&app, caller.identity.actor(), &name).await?;
    Ok(StatusCode::NO_CONTENT)
}
