//! The route table: the only way to add a handler, and it asks for a permission.
//!
//! What is served and what is listed come from the same call, so a test (and the OpenAPI document) that walks the
//! list has seen every route.

use super::auth;
use crate::app::App;
use axum::{Router, middleware, routing::MethodRouter};
use guard::Permission;
use http::Method;

/// One route as tests and documents see it.
#[derive(Clone, Debug)]
pub struct RouteInfo {
    /// Its method.
    pub method: Method,
    /// Its path with `{parameters}`.
    pub path: String,
    /// What a caller needs.
    pub permission: Permission,
    /// What it does, in a few words; routes of foreign protocols say the protocol's name.
    pub summary: &'static str,
}

/// Routes being collected.
pub struct Routes {
    app: App,
    router: Router<App>,
    table: Vec<RouteInfo>,
}

impl Routes {
    /// No routes yet.
    pub fn new(app: App) -> Self {
        Routes {
            app,
            router: Router::new(),
            table: Vec::new(),
        }
    }

    /// Adds a handler, made by one of axum's method functions for the same method.
    #[must_use]
    pub fn add(
        mut self,
        method: Method,
        path: &str,
        permission: Permission,
        summary: &'static str,
        handler: MethodRouter<App>,
    ) -> Self {
        let needs = auth::Needs { permission };
        let guarded = handler.layer(middleware::from_fn_with_state(
            (self.app.clone(), needs),
            auth::check,
        ));
        self.router = self.router.route(path, guarded);
        self.table.push(RouteInfo {
            method,
            path: path.to_owned(),
            permission,
            summary,
        });
        self
    }

    /// The list of what was added.
    pub fn table(&self) -> &[RouteInfo] {
        &self.table
    }

    /// The finished router.
    pub fn finish(self) -> Router {
        self.router
            .fallback(super::error::unknown_path)
            .with_state(self.app)
    }
}
