//! Who is calling and whether they may: runs before every handler.
//!
//! Checks Host and Origin, verifies the credential, finds the project the route is about, and asks
//! [`guard::decide`]. Handlers get the verified [`Caller`].

use super::{ApiError, error, identify::identify};
use crate::app::App;
use axum::{
    Extension, Json,
    extract::{RawPathParams, Request, State, rejection::RawPathParamsRejection},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use guard::{Denied, Identity, Permission, Rights};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use std::sync::Arc;
use store::{Gate, Need};

/// The project of MLflow's bare root.
pub const DEFAULT_PROJECT: &str = "default";
/// MLflow's workspace is our project.
const WORKSPACE: &str = "x-mlflow-workspace";
/// How a client may say who it is; browsers ask for name and password then.
const CHALLENGE: HeaderValue = HeaderValue::from_static("Basic realm=\"mainspan\"");

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
    /// What grants make of the role, where the request is about records that they are about.
    within: Option<(Arc<Rights>, Need)>,
}

impl Caller {
    /// The parts of the server as this caller reaches them: every record that is touched must pass their grants.
    #[must_use]
    pub fn reach(&self, app: App) -> App {
        match &self.within {
            Some((rights, need)) => app.within(Arc::clone(rights) as Arc<dyn Gate>, *need),
            None => app,
        }
    }

    /// What grants make of the role.
    pub(crate) fn rights(&self) -> Option<&Rights> {
        self.within.as_ref().map(|(rights, _)| rights.as_ref())
    }

    /// The project of a route that always has one.
    pub fn project(&self) -> &str {
        self.project.as_deref().unwrap_or(DEFAULT_PROJECT)
    }
}

/// The layer.
pub async fn check(
    State((app, needs)): State<(App, Needs)>,
    params: Result<RawPathParams, RawPathParamsRejection>,
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
    let (method, path) = (request.method().as_str(), request.uri().path());
    let tracking = is_tracking(needs.permission) || error::is_mlflows(path);
    let who = match identify(&app, headers, (method, path)).await {
        Ok(who) => who,
        Err(error) if tracking => return in_mlflow_shape(&error),
        Err(error) => return error.into_response(),
    };
    let params = match params {
        Ok(params) => params,
        Err(rejection) => return unreadable(&rejection, tracking),
    };
    let mut project = params
        .iter()
        .find(|(name, _)| *name == "project")
        .map(|(_, value)| value.to_owned());
    if tracking {
        let asked = text_of(headers, WORKSPACE);
        if let (Some(own), Some(asked)) = (project.as_deref(), asked)
            && own != asked
        {
            return elsewhere(own, asked);
        }
        let asked = asked.unwrap_or(DEFAULT_PROJECT);
        project.get_or_insert_with(|| asked.to_owned());
    }
    let (permission, policy) = (needs.permission, app.policy());
    let rights = who.rights(project.as_deref()).cloned();
    let decided = match (&rights, &project) {
        (Some(rights), Some(name)) => {
            guard::decide_with(&who.identity, permission, name, policy, rights)
        }
        _ => guard::decide(&who.identity, permission, project.as_deref(), policy),
    };
    if let Err(denied) = decided {
        return denied_response(&denied, tracking);
    }
    request.extensions_mut().insert(Caller {
        identity: who.identity,
        project,
        within: rights.and_then(|rights| Some((rights, need(permission)?))),
    });
    next.run(request).await
}

/// What a route of tracking does with the records that it touches. No other route shows or changes records that grants are
/// about to whom any of them is denied.
fn need(permission: Permission) -> Option<Need> {
    match permission {
        Permission::TrackingRead => Some(Need::Read),
        Permission::TrackingWrite => Some(Need::Update),
        _ => None,
    }
}

/// A path that is no text.
fn unreadable(rejection: &RawPathParamsRejection, tracking: bool) -> Response {
    let why = rejection.body_text();
    if tracking {
        let error = mlflow::Error::invalid(why);
        return (StatusCode::BAD_REQUEST, Json(error)).into_response();
    }
    ApiError::invalid(why).into_response()
}

/// A workspace that is not the project of the address: whichever of the two was meant, the other would be a surprise.
fn elsewhere(own: &str, asked: &str) -> Response {
    let asked: String = asked.chars().take(63).collect();
    let error = mlflow::Error::invalid(format!(
        "this address is of the workspace '{own}', and the request is for '{asked}': use the address without /p/{own}, or leave the workspace unset"
    ));
    (StatusCode::BAD_REQUEST, Json(error)).into_response()
}

/// Extractor form of the caller.
pub type WithCaller = Extension<Caller>;

fn is_tracking(permission: Permission) -> bool {
    matches!(
        permission,
        Permission::TrackingRead | Permission::TrackingWrite | Permission::Projects
    )
}

fn text_of<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .map(str::trim)
        .filter(|value| !value.is_empty())
}

/// A credential that failed, as a tracking client decodes it.
fn in_mlflow_shape(error: &ApiError) -> Response {
    let code = match error.status {
        StatusCode::UNAUTHORIZED => mlflow::ErrorCode::Unauthenticated,
        StatusCode::TOO_MANY_REQUESTS => mlflow::ErrorCode::ResourceExhausted,
        _ => mlflow::ErrorCode::InternalError,
    };
    challenged(
        error.status,
        mlflow::Error::new(code, error.message.clone()),
    )
}

fn challenged(status: StatusCode, error: mlflow::Error) -> Response {
    let mut response = (status, Json(error)).into_response();
    if status == StatusCode::UNAUTHORIZED {
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, CHALLENGE);
    }
    response
}

fn denied_response(denied: &Denied, tracking: bool) -> Response {
    let (status, code, mlflow_code) = match denied {
        Denied::Unauthenticated => (
            StatusCode::UNAUTHORIZED,
            "unauthenticated",
            mlflow::ErrorCode::Unauthenticated,
        ),
        Denied::Role { .. } | Denied::Part { .. } | Denied::Project { .. } => (
            StatusCode::FORBIDDEN,
            "forbidden",
            mlflow::ErrorCode::PermissionDenied,
        ),
    };
    if tracking {
        return challenged(status, mlflow::Error::new(mlflow_code, denied.to_string()));
    }
    ApiError::new(status, code, denied.to_string()).into_response()
}
