//! What a handler gets: the parts of the server, the verified caller, and the request's message.

use super::failure::Failure;
use crate::{app::App, http::Caller};
use axum::{
    body::{Body, to_bytes},
    extract::{FromRequest, FromRequestParts as _, RawPathParams, Request},
};
use http::{Method, header, request::Parts};
use mlflow::{Error, ErrorCode, names};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::collections::HashMap;
use store::{Priority, Tx};

/// The longest message; a dataset's profile alone may have 16 MB.
const LIMIT: usize = 32 << 20;
/// Fields that are lists even when a query names them once.
const LISTS: [&str; 7] = [
    "order_by",
    "stages",
    "experiment_ids",
    "run_ids",
    "trace_ids",
    "scorer_ids",
    "workspace",
];

/// One request, unpacked. `M` is its message.
pub(super) struct Call<M> {
    pub(super) app: App,
    pub(super) caller: Caller,
    pub(super) message: M,
    params: HashMap<String, String>,
}

/// A request without a message.
#[derive(Debug, Default, serde::Deserialize)]
pub(super) struct Nothing {}

impl<M> Call<M> {
    /// The project that the call is about.
    pub(super) fn project(&self) -> &str {
        self.caller.project()
    }

    /// A segment of the path, decoded once.
    pub(super) fn param(&self, name: &str) -> &str {
        self.params.get(name).map_or("", String::as_str)
    }

    /// The same caller with another message.
    pub(super) fn with<N>(&self, message: N) -> Call<N> {
        Call {
            app: self.app.clone(),
            caller: self.caller.clone(),
            message,
            params: HashMap::new(),
        }
    }

    /// Reads in a transaction.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Tx<'_>) -> store::Result<T> + Send + 'static,
    ) -> Result<T, Failure> {
        Ok(self.app.store().read(work).await?)
    }

    /// Writes what clients log in floods; the reconcilers need not wake for it.
    pub(super) async fn log<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Tx<'_>) -> store::Result<T> + Send + 'static,
    ) -> Result<T, Failure> {
        Ok(self.app.store().write(Priority::Bulk, work).await?)
    }

    /// The same for what is over in a moment: what training code calls in its loop.
    pub(super) async fn log_quickly<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Tx<'_>) -> store::Result<T> + Send + 'static,
    ) -> Result<T, Failure> {
        let store = self.app.store();
        Ok(store.write_quickly(Priority::Bulk, work).await?)
    }

    /// Writes what somebody may wait for.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Tx<'_>) -> store::Result<T> + Send + 'static,
    ) -> Result<T, Failure> {
        Ok(self.app.store().write(Priority::Normal, work).await?)
    }
}

impl<M: DeserializeOwned> FromRequest<App> for Call<M> {
    type Rejection = Failure;

    async fn from_request(request: Request, app: &App) -> Result<Self, Failure> {
        let (mut parts, body) = request.into_parts();
        let (app, caller, params) = who(&mut parts, app.clone()).await?;
        let message = match parts.method {
            Method::GET | Method::HEAD => read(query(parts.uri.query().unwrap_or_default()))?,
            _ => json(&parts, body).await?,
        };
        Ok(Call {
            app,
            caller,
            message,
            params,
        })
    }
}

/// The parts of the server as the verified caller reaches them, the caller, and the path's parameters.
pub(super) async fn who(
    parts: &mut Parts,
    app: App,
) -> Result<(App, Caller, HashMap<String, String>), Failure> {
    let internal = || Error::new(ErrorCode::InternalError, "the request was not checked");
    let caller = parts
        .extensions
        .get::<Caller>()
        .cloned()
        .ok_or_else(internal)?;
    names::project(caller.project())?;
    let params = RawPathParams::from_request_parts(parts, &app)
        .await
        .map_err(|_| Error::new(ErrorCode::BadRequest, "the path is not UTF-8"))?;
    let params = params
        .iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    Ok((caller.reach(app), caller, params))
}

/// The fields of a query; MLflow's protocol has no other types there than texts.
pub(super) fn query(text: &str) -> Value {
    let mut fields = Map::new();
    for (name, value) in url::form_urlencoded::parse(text.as_bytes()) {
        let value = Value::String(value.into_owned());
        // One run in most requests, several in one.
        if name == "run_id"
            && let Value::Array(all) = fields
                .entry("run_id[]")
                .or_insert_with(|| Value::Array(Vec::new()))
        {
            all.push(value.clone());
        }
        if LISTS.contains(&name.as_ref()) {
            let list = fields
                .entry(name)
                .or_insert_with(|| Value::Array(Vec::new()));
            if let Value::Array(items) = list {
                items.push(value);
            }
        } else {
            // As in MLflow, the first one counts.
            fields.entry(name).or_insert(value);
        }
    }
    Value::Object(fields)
}

/// The message of these fields.
pub(super) fn read<M: DeserializeOwned>(fields: Value) -> Result<M, Failure> {
    let message = serde_json::from_value(fields)
        .map_err(|error| Error::invalid(format!("Invalid value in the request: {error}. See the API docs for more information about request parameters.")))?;
    Ok(message)
}

/// The message of a body. An empty one has no fields; one that is no JSON is refused.
async fn json<M: DeserializeOwned>(parts: &Parts, body: Body) -> Result<M, Failure> {
    if matches!(parts.method, Method::POST | Method::PUT) {
        content_type(parts)?;
    }
    let bytes = to_bytes(body, LIMIT)
        .await
        .map_err(|error| Failure::body(&error, LIMIT))?;
    // Nearly every body can be read as it is; what follows is for the others, and for saying what is wrong.
    if bytes.trim_ascii_start().starts_with(b"{")
        && let Ok(text) = std::str::from_utf8(&bytes)
        && let Ok(message) = serde_json::from_str(text)
    {
        return Ok(message);
    }
    read(fields(&bytes)?)
}

fn fields(bytes: &[u8]) -> Result<Value, Failure> {
    if bytes.trim_ascii().is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    let invalid = |why: &dyn std::fmt::Display| {
        Error::invalid(format!("Bad Request. The body is not a JSON object: {why}"))
    };
    let mut value: Value = serde_json::from_slice(bytes).map_err(|error| invalid(&error))?;
    // Clients of long ago encoded twice.
    if let Value::String(inner) = &value {
        value = serde_json::from_str(inner).map_err(|error| invalid(&error))?;
    }
    match value {
        // What is null was not set.
        Value::Object(fields) => Ok(fields
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .collect()),
        _ => Err(invalid(&"it is another type").into()),
    }
}

/// Pages of other sites cannot send this type without asking first.
fn content_type(parts: &Parts) -> Result<(), Error> {
    let Some(value) = parts.headers.get(header::CONTENT_TYPE) else {
        return Err(Error::invalid(
            "Bad Request. Content-Type header is missing.",
        ));
    };
    let value = value.to_str().unwrap_or_default();
    if value.split(';').next().map(str::trim) == Some("application/json") {
        return Ok(());
    }
    Err(Error::invalid(
        "Bad Request. Content-Type must be one of ['application/json'].",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_become_fields() {
        let check = |text: &str, expect: Value| assert_eq!(query(text), expect, "{text}");
        check("", serde_json::json!({}));
        check(
            "run_id=a%20b&path=x%252fy",
            serde_json::json!({ "run_id": "a b", "run_id[]": ["a b"], "path": "x%2fy" }),
        );
        check(
            "order_by=a&order_by=b+DESC",
            serde_json::json!({ "order_by": ["a", "b DESC"] }),
        );
        check("name=a&name=b", serde_json::json!({ "name": "a" }));
        check("max_results=5", serde_json::json!({ "max_results": "5" }));
    }
}
