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
        Ok(chunk) => Ok(answer(
            chunk.offset,
            &chunk.bytes,
            chunk.ended && chunk.bytes.is_empty(),
        )),
        Err(platform::Error::Unknown(_)) => {
            let place = pipeline::log_path(&app.state_dir().join("logs"), &run.id, &unit);
            let piece = tokio::task::spawn_blocking(move || kept(&place, offset)).await;
            match piece.map_err(|error| ApiError::internal(&error))? {
                Ok(bytes) => Ok(answer(offset, &bytes, bytes.is_empty())),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    Ok(empty(step.state.is_final()))
                }
                Err(error) => Err(ApiError::internal(&error)),
            }
        }
        Err(error) => Err(ApiError::internal(&error)),
    }
}

/// A character that is not there as a whole waits for the next piece, unless it is all there is.
fn answer(offset: u64, bytes: &[u8], ended: bool) -> LogAnswer {
    let whole = match std::str::from_utf8(bytes) {
        // No length: the bytes end within a character.
        Err(error) if error.error_len().is_none() && error.valid_up_to() > 0 => {
            &bytes[..error.valid_up_to()]
        }
        _ => bytes,
    };
    LogAnswer {
        text: String::from_utf8_lossy(whole).into_owned(),
        offset,
        next: offset + whole.len() as u64,
        ended,
    }
}

fn kept(place: &std::path::Path, offset: u64) -> std::io::Result<Vec<u8>> {
    let mut file = std::fs::File::open(place)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    file.take(PIECE).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_ends_between_characters() {
        let check = |bytes: &[u8], text: &str, next: u64| {
            let piece = answer(10, bytes, false);
            assert_eq!((piece.text.as_str(), piece.next), (text, next), "{bytes:?}");
        };
        check(b"plain", "plain", 15);
        check("né".as_bytes(), "né", 13);
        check(&"né".as_bytes()[..2], "n", 11);
        // Not UTF-8 at all, or cut off for good.
        check(b"a\xffb", "a\u{fffd}b", 13);
        check(b"\xc3", "\u{fffd}", 11);
    }
}
