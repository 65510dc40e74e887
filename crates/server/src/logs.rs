//! A step's output: from its unit while it runs, from the kept log afterwards.

use crate::{app::App, http::ApiError};
use serde::Serialize;
use std::io::{Read as _, Seek as _, SeekFrom};
use store::{Run, Step};

/// A piece of output.
#[derive(Debug, Serialize)]
pub struct LogAnswer {
    /// Text from `offset`; bytes that are not UTF-8 are replaced.
    pub text: String,
    /// Where it begins: later than asked for when rotation has dropped some.
    pub offset: u64,
    /// Ask from here next.
    pub next: u64,
    /// Nothing will follow.
    pub ended: bool,
}

const PIECE: u64 = 1 << 20;

/// Reads a step's output from `offset`.
///
/// # Errors
/// When the platform or the disk fails.
pub async fn read(app: &App, run: &Run, step: &Step, offset: u64) -> Result<LogAnswer, ApiError> {
    let empty = |ended| LogAnswer {
        text: String::new(),
        offset,
        next: offset,
        ended,
    };
    let Some(unit) = step.unit_id.clone() else {
        return Ok(empty(step.state.is_final()));
    };
    match app.platform().logs(&unit, offset).await {
        Ok(chunk) => Ok(LogAnswer {
            text: String::from_utf8_lossy(&chunk.bytes).into_owned(),
            offset: chunk.offset,
            next: chunk.next,
            ended: chunk.ended && chunk.bytes.is_empty(),
        }),
        Err(platform::Error::Unknown(_)) => {
            let place = pipeline::log_path(&app.state_dir().join("logs"), &run.id, &unit);
            let piece = tokio::task::spawn_blocking(move || kept(&place, offset)).await;
            match piece.map_err(|error| ApiError::internal(&error))? {
                Ok(bytes) => Ok(LogAnswer {
                    next: offset + bytes.len() as u64,
                    ended: bytes.is_empty(),
                    text: String::from_utf8_lossy(&bytes).into_owned(),
                    offset,
                }),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    Ok(empty(step.state.is_final()))
                }
                Err(error) => Err(ApiError::internal(&error)),
            }
        }
        Err(error) => Err(ApiError::internal(&error)),
    }
}

fn kept(place: &std::path::Path, offset: u64) -> std::io::Result<Vec<u8>> {
    let mut file = std::fs::File::open(place)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    file.take(PIECE).read_to_end(&mut bytes)?;
    Ok(bytes)
}
