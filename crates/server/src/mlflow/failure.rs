//! Answers that say no, in MLflow's shape.

use crate::http::ApiError;
use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use http_body_util::LengthLimitError;
use mlflow::{Error, ErrorCode};
use std::error::Error as _;

/// An error answer. The client raises it as an `MlflowException` with the same code.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    error: Error,
}

/// What handlers answer.
pub(super) type Answer<T> = Result<Json<T>, Failure>;

impl Failure {
    /// What went wrong, in words.
    pub(super) fn into_message(self) -> String {
        self.error.message
    }

    /// A body that did not come, or of which too much came.
    pub(super) fn body(error: &axum::Error, limit: usize) -> Self {
        let mut cause = error.source();
        while let Some(error) = cause.filter(|error| !error.is::<LengthLimitError>()) {
            cause = error.source();
        }
        if cause.is_some() {
            let message = format!("the request is larger than {limit} bytes: send it in parts");
            return Failure {
                status: StatusCode::PAYLOAD_TOO_LARGE,
                error: Error::new(ErrorCode::BadRequest, message),
            };
        }
        Error::new(ErrorCode::BadRequest, "the request did not arrive whole").into()
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let status = StatusCode::from_u16(error.error_code.status())
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Failure { status, error }
    }
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        let error = match error.into_caller::<Error>() {
            Ok(refused) => return refused.into(),
            Err(error) => error,
        };
        let code = match &error {
            store::Error::NotFound { .. } => ErrorCode::ResourceDoesNotExist,
            store::Error::Exists { .. } => ErrorCode::ResourceAlreadyExists,
            store::Error::Denied(_) => ErrorCode::PermissionDenied,
            store::Error::Conflict(_) | store::Error::Invalid(_) => {
                ErrorCode::InvalidParameterValue
            }
            // Not a status that the client tries again for two minutes.
            store::Error::Full(_) => {
                return Failure {
                    status: StatusCode::INSUFFICIENT_STORAGE,
                    error: Error::new(ErrorCode::ResourceExhausted, error.to_string()),
                };
            }
            store::Error::Unavailable(_) => ErrorCode::TemporarilyUnavailable,
            _ => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "a tracking request failed by our own fault"
                );
                return Error::new(
                    ErrorCode::InternalError,
                    "the server failed; its log says why",
                )
                .into();
            }
        };
        Error::new(code, error.to_string()).into()
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        let code = match error.status {
            StatusCode::TOO_MANY_REQUESTS => ErrorCode::ResourceExhausted,
            _ => ErrorCode::InternalError,
        };
        Failure {
            status: error.status,
            error: Error::new(code, error.message),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.status, Json(self.error)).into_response()
    }
}

/// Refusals inside a transaction: they undo it and come out as they went in.
pub(super) trait Refuse<T> {
    /// The same result as the store's.
    fn refuse(self) -> store::Result<T>;
}

impl<T> Refuse<T> for Result<T, Error> {
    fn refuse(self) -> store::Result<T> {
        self.map_err(store::Error::caller)
    }
}
