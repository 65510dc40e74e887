//! MLflow's REST protocol for unmodified clients.

use crate::http::Routes;

/// Adds the routes.
#[must_use]
pub fn routes(routes: Routes) -> Routes {
    routes
}
