//! MLflow's REST protocol: wire types, names, limits, error codes and the search grammar.
//!
//! Used by the server's `mlflow` folder. Pure: it parses and renders, and never does I/O, knows no HTTP framework and
//! no store. Shapes follow MLflow's service.proto and model_registry.proto as its JSON mapping shows them: snake_case,
//! 64-bit integers as numbers, enums by name, unset fields left out.

pub mod artifacts;
pub mod endpoints;
pub mod error;
pub mod evaluation_datasets;
pub mod experiments;
pub mod filter;
pub mod grants;
pub mod graphql;
pub mod issues;
pub mod label_schemas;
pub mod limits;
pub mod logged_models;
pub mod mime;
pub mod model_file;
pub mod moving;
pub mod names;
pub mod otlp;
pub mod registry;
pub mod runs;
pub mod scorers;
pub mod tag;
pub mod tally;
pub mod traces;
pub mod users;
pub mod webhooks;
pub mod workspaces;

pub use error::{Error, ErrorCode, required};

/// The release of MLflow whose protocol this is; `/version` answers with it.
pub const VERSION: &str = "3.17.2";
