//! OpenAI's protocol at the root: the body names the model, which is a service's name.

use http::StatusCode;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;
use std::borrow::Cow;

use crate::live::Live;
use crate::respond::{self, Answer};

#[derive(Deserialize)]
struct Named<'a> {
    #[serde(borrow, default)]
    model: Option<Cow<'a, str>>,
}

/// What tells which of OpenAI's questions a body is.
#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    messages: Option<IgnoredAny>,
    #[serde(default)]
    prompt: Option<IgnoredAny>,
    #[serde(default)]
    input: Option<IgnoredAny>,
}

/// A request that names no model that is served so.
#[derive(Debug)]
pub(crate) struct Refused {
    status: StatusCode,
    message: String,
}

impl Refused {
    fn new(status: StatusCode, message: String) -> Self {
        Self { status, message }
    }

    /// The answer.
    pub(crate) fn answer(&self) -> Answer {
        error(self.status, &self.message)
    }
}

/// An error in OpenAI's shape.
pub(crate) fn error(status: StatusCode, message: &str) -> Answer {
    let kind = match status.as_u16() {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        429 => "rate_limit_error",
        400..500 => "invalid_request_error",
        _ => "server_error",
    };
    let error = json!({ "message": message, "type": kind, "param": null, "code": null });
    respond::json(status, json!({ "error": error }).to_string())
}

/// The route of the model that a body names: a service, or `project/environment/service`.
pub(crate) fn by_model(live: &Live, body: &[u8]) -> Result<usize, Refused> {
    let named: Named<'_> = serde_json::from_slice(body).map_err(|e| {
        let message = format!("the body is not valid JSON of a request: {e}");
        Refused::new(StatusCode::BAD_REQUEST, message)
    })?;
    let Some(name) = named.model else {
        let message = "the body needs `model`, the name of a service".to_owned();
        return Err(Refused::new(StatusCode::BAD_REQUEST, message));
    };
    let found = match name.contains('/') {
        true => live.index.by_base(&name),
        false => live.index.by_model(&name),
    };
    match found {
        Some(at) if live.index.relays(at) => Ok(at),
        Some(_) => {
            let message =
                format!("{name:?} does not speak this protocol; it is a model of tensors");
            Err(Refused::new(StatusCode::BAD_REQUEST, message))
        }
        None => {
            let message = format!("there is no model {name:?}; `GET /v1/models` lists them");
            Err(Refused::new(StatusCode::NOT_FOUND, message))
        }
    }
}

/// The path of the question that a body is, for clients that have one path for all.
pub(crate) fn completions(body: &[u8]) -> Option<&'static str> {
    let asked: Asked = serde_json::from_slice(body).ok()?;
    match asked {
        Asked {
            messages: Some(_), ..
        } => Some("/v1/chat/completions"),
        Asked {
            prompt: Some(_), ..
        } => Some("/v1/completions"),
        Asked { input: Some(_), .. } => Some("/v1/embeddings"),
        _ => None,
    }
}
