//! The one ONNX Runtime environment of this process.
//!
//! The library keeps global state of its own and allows one environment for as long as the process
//! lives, so this is the only global that the crate has. [`crate::model`] asks for it.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use ort::environment::Environment;
use ort::logging::LogLevel;

/// The library could not be loaded or started.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot start ONNX Runtime from {path} ({why}); fetch the library again or set ORT_DYLIB_PATH to a release from 1.17 on"
)]
pub struct RuntimeError {
    path: String,
    why: String,
}

static ENVIRONMENT: Mutex<Option<Environment>> = Mutex::new(None);

/// The environment, started with the library at `path` the first time. Later calls get the same
/// one, whatever they name.
pub(crate) fn environment(path: &Path) -> Result<Environment, RuntimeError> {
    let mut started = ENVIRONMENT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(environment) = &*started {
        return Ok(environment.clone());
    }
    let failed = |why: String| RuntimeError {
        path: path.display().to_string(),
        why,
    };
    let builder = ort::init_from(path).map_err(|e| failed(e.to_string()))?;
    let environment = builder
        .with_name("mainspan")
        .with_telemetry(false)
        .build()
        .map_err(|e| failed(e.to_string()))?;
    // What goes wrong comes back as an error and is told once, by us.
    environment.set_log_level(LogLevel::Fatal);
    Ok(started.insert(environment).clone())
}
