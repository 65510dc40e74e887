//! Our own API, `/api/v1`: what the command line and the pages call. Small, JSON, one file per noun.
//!
//! Handlers unpack, make one call and convert. Shapes are the store's records unless a file here says otherwise.

mod backup;
mod comparisons;
mod doctor;
mod events;
mod models;
mod projects;
mod rollouts;
mod runs;
mod status;
mod tokens;
mod users;

use crate::http::Routes;

/// Adds the routes.
#[must_use]
pub fn routes(routes: Routes) -> Routes {
    let routes = status::routes(routes);
    let routes = projects::routes(routes);
    let routes = runs::routes(routes);
    let routes = models::routes(routes);
    let routes = rollouts::routes(routes);
    let routes = comparisons::routes(routes);
    let routes = events::routes(routes);
    let routes = tokens::routes(routes);
    let routes = users::routes(routes);
    backup::routes(doctor::routes(routes))
}
