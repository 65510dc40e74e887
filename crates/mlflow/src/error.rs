//! MLflow's error body and the HTTP status each code answers with.

use serde::{Deserialize, Serialize};
use std::fmt::Display;

/// Codes of MLflow's `databricks.proto` that its server uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ErrorCode {
    /// A field is missing, malformed or beyond a limit.
    InvalidParameterValue,
    /// The name is taken.
    ResourceAlreadyExists,
    /// The request as a whole makes no sense.
    BadRequest,
    /// No or a wrong credential.
    Unauthenticated,
    /// The credential does not go that far.
    PermissionDenied,
    /// Nothing under that name.
    ResourceDoesNotExist,
    /// A file that is not there, where MLflow says it in two words.
    NotFound,
    /// No such route.
    EndpointNotFound,
    /// The state forbids it.
    ResourceConflict,
    /// The thing is in a state that does not go with the request.
    InvalidState,
    /// Too much or too often.
    ResourceExhausted,
    /// The server's own fault.
    InternalError,
    /// Known to MLflow, left out here.
    NotImplemented,
    /// Try again later.
    TemporarilyUnavailable,
}

impl ErrorCode {
    /// The HTTP status of MLflow's server for this code.
    pub fn status(self) -> u16 {
        match self {
            ErrorCode::InvalidParameterValue
            | ErrorCode::ResourceAlreadyExists
            | ErrorCode::BadRequest => 400,
            ErrorCode::Unauthenticated => 401,
            ErrorCode::PermissionDenied => 403,
            ErrorCode::ResourceDoesNotExist | ErrorCode::NotFound | ErrorCode::EndpointNotFound => {
                404
            }
            ErrorCode::ResourceConflict => 409,
            ErrorCode::ResourceExhausted => 429,
            ErrorCode::InternalError | ErrorCode::InvalidState => 500,
            ErrorCode::NotImplemented => 501,
            ErrorCode::TemporarilyUnavailable => 503,
        }
    }
}

/// The body of every error answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// What went wrong, for programs.
    pub error_code: ErrorCode,
    /// What went wrong, for people.
    pub message: String,
}

impl Error {
    /// An error of `code` with a message for people.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Error {
            error_code: code,
            message: message.into(),
        }
    }

    /// INVALID_PARAMETER_VALUE.
    pub fn invalid(message: impl Into<String>) -> Self {
        Error::new(ErrorCode::InvalidParameterValue, message)
    }

    /// INVALID_PARAMETER_VALUE for a field that has to be there.
    pub fn missing_value(field: impl Display) -> Self {
        Error::invalid(format!(
            "Missing value for required parameter '{field}'. See the API docs for more information about request parameters."
        ))
    }

    /// INVALID_PARAMETER_VALUE for a field that cannot be what it is.
    pub fn invalid_value(field: impl Display, value: &str, hint: &str) -> Self {
        let shown: String = value.chars().take(100).collect();
        Error::invalid(format!(
            "Invalid value \"{shown}\" for parameter '{field}' supplied: {hint}"
        ))
    }

    /// PERMISSION_DENIED.
    pub fn denied(message: impl Into<String>) -> Self {
        Error::new(ErrorCode::PermissionDenied, message)
    }

    /// RESOURCE_DOES_NOT_EXIST.
    pub fn missing(message: impl Into<String>) -> Self {
        Error::new(ErrorCode::ResourceDoesNotExist, message)
    }

    /// RESOURCE_ALREADY_EXISTS.
    pub fn exists(message: impl Into<String>) -> Self {
        Error::new(ErrorCode::ResourceAlreadyExists, message)
    }
}

/// A text that has to be there.
///
/// # Errors
/// INVALID_PARAMETER_VALUE naming the field.
pub fn required(field: impl Display, text: &str) -> Result<&str, Error> {
    if text.is_empty() {
        return Err(Error::missing_value(field));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_as_the_client_decodes_it() {
        let body = serde_json::to_string(&Error::missing("no run")).unwrap();
        assert_eq!(
            body,
            r#"{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"no run"}"#
        );
    }
}
