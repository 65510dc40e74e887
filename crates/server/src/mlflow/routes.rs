//! MLflow's part of the route table: one call here is four addresses there.

use crate::{app::App, http::Routes};
use axum::routing::MethodRouter;
use guard::Permission;
use http::Method;

/// Bases that an endpoint is served under: the bare root and a project's own.
const BASES: [&str; 2] = ["", "/p/{project}"];
/// For programs, and for pages.
const TWINS: [&str; 2] = ["/api", "/ajax-api"];

/// The routes so far.
pub(super) struct Table(Routes);

impl Table {
    pub(super) fn new(routes: Routes) -> Self {
        Table(routes)
    }

    /// An endpoint that only looks; `path` starts after `/api/2.0`.
    pub(super) fn read(
        self,
        method: Method,
        path: &str,
        summary: &'static str,
        handler: MethodRouter<App>,
    ) -> Self {
        self.under(
            "2.0",
            method,
            path,
            Permission::TrackingRead,
            summary,
            handler,
        )
    }

    /// An endpoint that changes something.
    pub(super) fn write(
        self,
        method: Method,
        path: &str,
        summary: &'static str,
        handler: MethodRouter<App>,
    ) -> Self {
        self.under(
            "2.0",
            method,
            path,
            Permission::TrackingWrite,
            summary,
            handler,
        )
    }

    /// An endpoint of one version of the protocol.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "calls read like the rows of a table"
    )]
    pub(super) fn under(
        self,
        version: &str,
        method: Method,
        path: &str,
        permission: Permission,
        summary: &'static str,
        handler: MethodRouter<App>,
    ) -> Self {
        TWINS.into_iter().fold(self, |table, twin| {
            let path = format!("{twin}/{version}{path}");
            table.based(&method, &path, permission, summary, &handler)
        })
    }

    /// An endpoint outside `/api`.
    pub(super) fn bare(
        self,
        path: &str,
        permission: Permission,
        summary: &'static str,
        handler: &MethodRouter<App>,
    ) -> Self {
        self.based(&Method::GET, path, permission, summary, handler)
    }

    /// An endpoint of another protocol, outside `/api`, that changes something.
    pub(super) fn bare_write(
        self,
        path: &str,
        summary: &'static str,
        handler: &MethodRouter<App>,
    ) -> Self {
        self.based(
            &Method::POST,
            path,
            Permission::TrackingWrite,
            summary,
            handler,
        )
    }

    /// An endpoint at a path from the root, with its twin when it is below `/api`.
    pub(super) fn anywhere(
        self,
        method: &Method,
        path: &str,
        permission: Permission,
        summary: &'static str,
        handler: &MethodRouter<App>,
    ) -> Self {
        let below = TWINS
            .iter()
            .find_map(|twin| path.strip_prefix(twin).filter(|rest| rest.starts_with('/')));
        match below {
            None => self.based(method, path, permission, summary, handler),
            Some(below) => TWINS.into_iter().fold(self, |table, twin| {
                table.based(
                    method,
                    &format!("{twin}{below}"),
                    permission,
                    summary,
                    handler,
                )
            }),
        }
    }

    fn based(
        self,
        method: &Method,
        path: &str,
        permission: Permission,
        summary: &'static str,
        handler: &MethodRouter<App>,
    ) -> Self {
        BASES.into_iter().fold(self, |table, base| {
            let path = format!("{base}{path}");
            Table(
                table
                    .0
                    .add(method.clone(), &path, permission, summary, handler.clone()),
            )
        })
    }

    pub(super) fn finish(self) -> Routes {
        self.0
    }
}
