//! The route table: the only way to add a handler, and it asks for a permission.
//!
//! What is served and what is listed come from the same call, so a test (and the OpenAPI document) that walks the
//! list has seen every route.

use super::{auth, error};
use crate::app::App;
use axum::{Router, handler::Handler as _, middleware, routing::MethodRouter};
use guard::Permission;
use http::Method;
use std::collections::BTreeMap;

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

/// Routes being collected. The list needs no running server; [`Routes::finish`] does.
#[derive(Default)]
pub struct Routes {
    handlers: Vec<MethodRouter<App>>,
    table: Vec<RouteInfo>,
}

impl Routes {
    /// No routes yet.
    pub fn new() -> Self {
        Self::default()
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
        self.handlers.push(handler);
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

    /// The finished router: every handler behind the check of its permission.
    pub fn finish(self, app: App) -> Router {
        let mut paths: BTreeMap<String, MethodRouter<App>> = BTreeMap::new();
        for (info, handler) in self.table.iter().zip(self.handlers) {
            let needs = auth::Needs {
                permission: info.permission,
            };
            let check = middleware::from_fn_with_state((app.clone(), needs), auth::check);
            let handler = handler.layer(check.clone());
            let at = match paths.remove(&info.path) {
                Some(others) => others.merge(handler),
                // Who may use no method of a path hears of none.
                None => handler.fallback(error::wrong_method.layer(check)),
            };
            paths.insert(info.path.clone(), at);
        }
        let each = paths.into_iter();
        let router = each.fold(Router::new(), |router, (path, at)| router.route(&path, at));
        router.fallback(error::unknown_path).with_state(app)
    }
}
