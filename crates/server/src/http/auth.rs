//! Who is calling and whether they may: runs before every handler.
//!
//! Checks Host and Origin, verifies the credential, finds the project the route is about, and asks
//! [`guard::decide`]. Handlers get the verified [`Caller`].

use super::ApiError;
use crate::app::App;
use axum::{
    Extension, Json,
    extract::{RawPathParams, Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use guard::{
    Denied, Identity, Permission, Role,
    credential::{self, Credential},
    token, unit_token,
};
use http::{HeaderMap, StatusCode, header};
use jiff::SignedDuration;
use store::{Priority, Runs as _, Tokens as _};

/// The project of MLflow's bare root.
pub const DEFAULT_PROJECT: &str = "default";
/// MLflow's workspace is our project.
const WORKSPACE: &str = "x-mlflow-workspace";
/// How exactly a token's last use is known.
const USED_TO_THE: SignedDuration = SignedDuration::from_mins(1);

/// What a route needs.
#[derive(Clone, Copy, Debug)]
pub struct Needs {
    /// The permission.
    pub permission: Permission,
}

/// A verified caller and the project the request is about.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Who.
    pub identity: Identity,
    /// From the path, the workspace header, or `default` for tracking at the bare root.
    pub project: Option<String>,
}

impl Caller {
    /// The project of a route that always has one.
    pub fn project(&self) -> &str {
        self.project.as_deref().unwrap_or(DEFAULT_PROJECT)
    }
}

/// The layer.
pub async fn check(
    State((app, needs)): State<(App, Needs)>,
    params: RawPathParams,
    mut request: Request,
    next: Next,
) -> Response {
    let headers = request.headers();
    let text = |name| {
        headers
            .get(name)
            .map(|value: &http::HeaderValue| value.to_str().unwrap_or("?"))
    };
    if let Err(foreign) =
        guard::browser::check(text(header::HOST), text(header::ORIGIN), app.names())
    {
        let status = match foreign {
            guard::browser::Foreign::Host(_) => StatusCode::MISDIRECTED_REQUEST,
            guard::browser::Foreign::Origin(_) => StatusCode::FORBIDDEN,
        };
        return ApiError::new(status, "foreign", foreign.to_string()).into_response();
    }
    let identity = match authenticate(&app, headers).await {
        Ok(identity) => identity,
        Err(error) if is_tracking(needs.permission) => return in_mlflow_shape(&error),
        Err(error) => return error.into_response(),
    };
    let mut project = params
        .iter()
        .find(|(name, _)| *name == "project")
        .map(|(_, value)| value.to_owned());
    if is_tracking(needs.permission) && project.is_none() {
        project = Some(
            text_of(headers, WORKSPACE)
                .unwrap_or(DEFAULT_PROJECT)
                .to_owned(),
        );
    }
    if let Err(denied) = guard::decide(
        &identity,
        needs.permission,
        project.as_deref(),
        app.policy(),
    ) {
        return denied_response(&denied, is_tracking(needs.permission));
    }
    request
        .extensions_mut()
        .insert(Caller { identity, project });
    next.run(request).await
}

/// Extractor form of the caller.
pub type WithCaller = Extension<Caller>;

fn is_tracking(permission: Permission) -> bool {
    matches!(
        permission,
        Permission::TrackingRead | Permission::TrackingWrite
    )
}

fn text_of<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .filter(|value| !value.is_empty())
}

/// A credential that failed, as a tracking client decodes it.
fn in_mlflow_shape(error: &ApiError) -> Response {
    let code = match error.status {
        StatusCode::UNAUTHORIZED => mlflow::ErrorCode::Unauthenticated,
        _ => mlflow::ErrorCode::InternalError,
    };
    (
        error.status,
        Json(mlflow::Error::new(code, error.message.clone())),
    )
        .into_response()
}

fn denied_response(denied: &Denied, tracking: bool) -> Response {
    let (status, code, mlflow_code) = match denied {
        Denied::Unauthenticated => (
            StatusCode::UNAUTHORIZED,
            "unauthenticated",
            mlflow::ErrorCode::Unauthenticated,
        ),
        Denied::Role { .. } | Denied::Project { .. } => (
            StatusCode::FORBIDDEN,
            "forbidden",
            mlflow::ErrorCode::PermissionDenied,
        ),
    };
    if tracking {
        return (
            status,
            Json(mlflow::Error::new(mlflow_code, denied.to_string())),
        )
            .into_response();
    }
    ApiError::new(status, code, denied.to_string()).into_response()
}

async fn authenticate(app: &App, headers: &HeaderMap) -> Result<Identity, ApiError> {
    let wrong = || {
        ApiError::new(
            StatusCode::UNAUTHORIZED,
            "unauthenticated",
            "the token is unknown, expired or revoked: ask for a new one",
        )
    };
    let header = match headers
        .get(header::AUTHORIZATION)
        .map(http::HeaderValue::to_str)
    {
        Some(Err(_)) => return Err(wrong()),
        Some(Ok(text)) => Some(text),
        None => None,
    };
    let text = match credential::parse(header) {
        Credential::None => return Ok(Identity::Anonymous),
        Credential::Malformed => return Err(wrong()),
        Credential::Token(text) => text,
    };
    if token::same(&text, app.owner_token()) {
        return Ok(Identity::Token {
            name: "owner".to_owned(),
            role: Role::Admin,
            project: None,
        });
    }
    if unit_token::looks_like(&text) {
        let identity = unit_token::verify(&text, app.master_key(), app.now()).ok_or_else(wrong)?;
        return if over(app, &identity).await? {
            Err(wrong())
        } else {
            Ok(identity)
        };
    }
    stored(app, text).await?.ok_or_else(wrong)
}

/// Looks a token up and checks its secret; remembers, to the minute, that it was used.
/// Whether a unit's run has ended: what it has recorded is final then, and so is its token.
async fn over(app: &App, identity: &Identity) -> Result<bool, ApiError> {
    let Identity::Unit { run, .. } = identity else {
        return Ok(false);
    };
    let id = run.clone();
    let state = app.store().read(move |tx| tx.run_state(&id)).await?;
    Ok(state.is_some_and(store::RunState::is_final))
}

async fn stored(app: &App, text: String) -> Result<Option<Identity>, ApiError> {
    let Some((id, _)) = token::split(&text) else {
        return Ok(None);
    };
    let id = id.to_owned();
    let Some(row) = app.store().read(move |tx| tx.token(&id)).await? else {
        return Ok(None);
    };
    let now = app.now();
    if row.expires_at.is_some_and(|at| at <= now) {
        return Ok(None);
    }
    let Ok(role) = row.role.parse::<Role>() else {
        return Ok(None);
    };
    let (verifier, hash) = (app.clone(), row.hash.clone());
    let passed = tokio::task::spawn_blocking(move || {
        token::split(&text)
            .is_some_and(|(_, secret)| verifier.verified().check(&text, secret, &hash))
    });
    if !passed.await.map_err(|error| ApiError::internal(&error))? {
        return Ok(None);
    }
    if row
        .last_used
        .is_none_or(|last| now.duration_since(last) >= USED_TO_THE)
    {
        let id = row.id.clone();
        let touched = app
            .store()
            .write(Priority::Bulk, move |tx| tx.touch_token(&id, now));
        touched.await?;
    }
    Ok(Some(Identity::Token {
        name: row.name,
        role,
        project: row.project,
    }))
}
