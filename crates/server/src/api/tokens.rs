//! Tokens: made, listed and revoked by admins. The text is shown once.

use crate::{
    app::App,
    http::{ApiError, Caller, Routes},
};
use axum::{
    Extension, Json,
    extract::{Path, State},
    routing::{delete, get, post},
};
use guard::{Permission, Role, token};
use http::{Method, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use store::{Events as _, NewEvent, Priority, Token, Tokens as _, Tx};

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .add(
            Method::GET,
            "/api/v1/tokens",
            Permission::Administer,
            "List tokens",
            get(list),
        )
        .add(
            Method::POST,
            "/api/v1/tokens/create",
            Permission::Administer,
            "Make a token",
            post(create),
        )
        .add(
            Method::DELETE,
            "/api/v1/tokens/{token}",
            Permission::Administer,
            "Revoke a token",
            delete(revoke),
        )
}

/// A token as it may be shown.
#[derive(Debug, Serialize)]
struct TokenAnswer {
    id: String,
    name: String,
    role: String,
    project: Option<String>,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
    /// Only in the answer that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

/// A token to make.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateRequest {
    name: String,
    role: Role,
    project: Option<String>,
    /// Seconds until it ends; 90 days when left out.
    lifetime: Option<u32>,
}

const LIFETIME: u32 = 90 * 24 * 3600;

impl TokenAnswer {
    fn of(row: Token, token: Option<String>) -> Self {
        let Token {
            id,
            name,
            role,
            project,
            created_at,
            expires_at,
            ..
        } = row;
        TokenAnswer {
            id,
            name,
            role,
            project,
            created_at,
            expires_at,
            token,
        }
    }
}

async fn list(State(app): State<App>) -> Result<Json<Vec<TokenAnswer>>, ApiError> {
    let rows = app.store().read(|tx| tx.tokens()).await?;
    Ok(Json(
        rows.into_iter()
            .map(|row| TokenAnswer::of(row, None))
            .collect(),
    ))
}

async fn create(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Json(request): Json<CreateRequest>,
) -> Result<(StatusCode, Json<TokenAnswer>), ApiError> {
    if request.name.trim().is_empty() || request.name.len() > 100 {
        return Err(ApiError::invalid(
            "a token needs a name of 1 to 100 bytes that says who uses it",
        ));
    }
    // argon2 is slow on purpose and must not hold up other requests.
    let fresh = tokio::task::spawn_blocking(token::generate)
        .await
        .map_err(|error| ApiError::internal(&error))?;
    let now = app.now();
    let lifetime = SignedDuration::from_secs(i64::from(request.lifetime.unwrap_or(LIFETIME)));
    let row = Token {
        id: fresh.id,
        name: request.name,
        hash: fresh.hash,
        role: request.role.to_string(),
        project: request.project,
        created_at: now,
        expires_at: now.checked_add(lifetime).ok(),
        last_used: None,
    };
    let (record, actor) = (row.clone(), caller.identity.actor());
    app.store()
        .write(Priority::Normal, move |tx| {
            tx.insert_token(&record)?;
            recorded(
                tx,
                &actor,
                "token.created",
                &record.id,
                now,
                Some(serde_json::json!({ "name": record.name, "role": record.role })),
            )
        })
        .await?;
    Ok((
        StatusCode::CREATED,
        Json(TokenAnswer::of(row, Some(fresh.text))),
    ))
}

async fn revoke(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let (actor, now) = (caller.identity.actor(), app.now());
    app.store()
        .write(Priority::Urgent, move |tx| {
            if !tx.delete_token(&id)? {
                return Err(store::Error::missing("token", id.clone()));
            }
            recorded(tx, &actor, "token.revoked", &id, now, None)
        })
        .await?;
    app.known().forget();
    Ok(StatusCode::NO_CONTENT)
}

fn recorded(
    tx: &mut Tx<'_>,
    actor: &str,
    kind: &str,
    id: &str,
    now: Timestamp,
    after: Option<serde_json::Value>,
) -> store::Result<()> {
    tx.append_event(&NewEvent {
        project: None,
        at: now,
        actor: actor.to_owned(),
        kind: kind.to_owned(),
        subject: format!("token/{id}"),
        reason: String::new(),
        before: None,
        after,
    })?;
    Ok(())
}
