//! Errors of our own API, and unknown paths in the shape of the protocol they look like.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{Method, StatusCode, Uri};
use serde_json::json;

/// An error answer: a status, a code for programs and a sentence that says what to do.
#[derive(Debug)]
pub struct ApiError {
    /// HTTP status.
    pub status: StatusCode,
    /// Stable code, listed in docs/api.md.
    pub code: &'static str,
    /// For people.
    pub message: String,
    /// More for programs, such as diagnostics of a project file.
    pub details: Option<serde_json::Value>,
}

impl ApiError {
    /// An error with a code and a message.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        ApiError {
            status,
            code,
            message: message.into(),
            details: None,
        }
    }

    /// 404.
    pub fn not_found(what: impl Into<String>) -> Self {
        ApiError::new(StatusCode::NOT_FOUND, "not_found", what)
    }

    /// 400.
    pub fn invalid(message: impl Into<String>) -> Self {
        ApiError::new(StatusCode::BAD_REQUEST, "invalid", message)
    }

    /// 409.
    pub fn conflict(message: impl Into<String>) -> Self {
        ApiError::new(StatusCode::CONFLICT, "conflict", message)
    }

    /// 403.
    pub fn forbidden(message: impl Into<String>) -> Self {
        ApiError::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    /// 429 for guesses.
    pub fn too_many_attempts() -> Self {
        ApiError::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too_many_attempts",
            "too many wrong passwords or tokens: wait some seconds, and try again",
        )
    }

    /// 500: logged with its chain, told without it.
    pub fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error, "a request failed by our own fault");
        ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "the server failed; its log says why",
        )
    }

    /// With more for programs.
    #[must_use]
    pub fn with(mut self, details: serde_json::Value) -> Self {
        self.details = Some(details);
        self
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut body = json!({ "error": self.message, "code": self.code });
        if let Some(details) = self.details {
            body["details"] = details;
        }
        (self.status, Json(body)).into_response()
    }
}

impl From<store::Error> for ApiError {
    fn from(error: store::Error) -> Self {
        match &error {
            store::Error::Conflict(_) => ApiError::conflict(error.to_string()),
            store::Error::NotFound { .. } => ApiError::not_found(error.to_string()),
            store::Error::Exists { .. } => ApiError::conflict(error.to_string()),
            store::Error::Invalid(_) => ApiError::invalid(error.to_string()),
            store::Error::Denied(_) => ApiError::forbidden(error.to_string()),
            store::Error::Full(_) => ApiError::new(
                StatusCode::INSUFFICIENT_STORAGE,
                "disk_full",
                error.to_string(),
            ),
            store::Error::Unavailable(_) => ApiError::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                error.to_string(),
            ),
            _ => ApiError::internal(&error),
        }
    }
}

/// Whether a path is one of MLflow's protocol, known or not.
pub(super) fn is_mlflows(path: &str) -> bool {
    let prefixes = ["/api/2.0/", "/api/3.0/", "/ajax-api/"];
    prefixes.iter().any(|prefix| path.contains(prefix))
}

/// Answers methods that no route of a path has; which ones there are, the header `Allow` says, and `OPTIONS` asks for that
/// alone.
pub async fn wrong_method(method: Method, uri: Uri) -> Response {
    if method == Method::OPTIONS {
        return StatusCode::NO_CONTENT.into_response();
    }
    let (status, path) = (StatusCode::METHOD_NOT_ALLOWED, uri.path());
    let message = format!("no endpoint {method} {path}: the header Allow names the methods there");
    if is_mlflows(path) {
        let error = mlflow::Error::new(mlflow::ErrorCode::EndpointNotFound, message);
        return (status, Json(error)).into_response();
    }
    ApiError::new(status, "wrong_method", message).into_response()
}

/// Answers paths that no route has.
pub async fn unknown_path(uri: Uri) -> Response {
    let path = uri.path();
    if is_mlflows(path) {
        let error = mlflow::Error::new(
            mlflow::ErrorCode::EndpointNotFound,
            format!("no endpoint {path}"),
        );
        return (StatusCode::NOT_FOUND, Json(error)).into_response();
    }
    ApiError::not_found(format!("no page or endpoint {path}")).into_response()
}
