//! One file per verb (or per noun where two verbs share it): each makes a call and prints the answer.

pub(crate) mod backup;
pub(crate) mod completion;
pub(crate) mod diff;
pub(crate) mod doctor;
pub(crate) mod events;
pub(crate) mod export;
pub(crate) mod file;
pub(crate) mod import;
pub(crate) mod init;
pub(crate) mod models;
mod moved;
pub(crate) mod plan;
pub(crate) mod predict;
pub(crate) mod rollouts;
pub(crate) mod run;
pub(crate) mod status;
pub(crate) mod tokens;
pub(crate) mod users;
