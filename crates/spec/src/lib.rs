//! The project file `mainspan.yaml`: its types, its strict reader, its schema, its conditions
//! and the plan that comes of it.
//!
//! The command line and the server call it; every crate above reads its types. Pure: it takes
//! texts and values and returns values, and must never read a file, a clock or the network.
//!
//! [`parse`] is the door: it makes a [`ProjectFile`] in which every reference holds, or the
//! list of everything that is wrong with it.

pub mod cel;
mod conditions;
mod diagnostic;
mod file;
mod freeze;
mod names;
mod overrides;
pub mod plan;
pub mod quantity;
mod read;
mod references;
pub mod schedule;
mod schema;
mod unsupported;

pub use diagnostic::{Diagnostic, Diagnostics, Source, Span};
pub use file::*;
pub use freeze::{Freeze, Frozen};
pub use names::env_name;
pub use plan::{
    Action, Change, Desired, Observed, Plan, ResourceKey, ResourceKind, plan, resources,
};
pub use quantity::{ByteSize, Cpus, Cron, Duration, Percent, Quantile, Rate, Requests, Window};
pub use schema::schema;
pub use unsupported::unsupported;

use read::{MAX_BYTES, Reader};

#[cfg(test)]
mod tests;

/// Reads a project file and checks everything in it that can be checked without doing anything.
///
/// `file_name` is what messages call the file. On failure every mistake that was found is
/// returned, in the order of the text.
pub fn parse(file_name: &str, text: &str) -> Result<ProjectFile, Diagnostics> {
    let source = bounded(file_name, text)?;
    let root = read::tree(&source)?;
    let Some(root) = root else {
        let message = "the project file is empty; start it with `mainspan: 1` and `project: NAME`";
        return Err(Diagnostics::one(Diagnostic::new(&source, START, message)));
    };
    let mut reader = Reader::new(source);
    let file = file::read(&mut reader, &root);
    let mut wrong = std::mem::take(&mut reader.diagnostics);
    let file = file.map(|mut file| {
        file.places = reader.places;
        file.keys = reader.keys;
        file
    });
    // References into sections that could not be read would be noise.
    if let (true, Some(file)) = (wrong.is_empty(), &file) {
        wrong.extend(references::check(file));
        wrong.extend(conditions::check(file));
    }
    match (Diagnostics::of(wrong), file) {
        (None, Some(file)) => Ok(file),
        (Some(wrong), _) => Err(wrong),
        (None, None) => unreachable!("a file that could not be read has left a diagnostic"),
    }
}

/// The same from bytes, which may not be UTF-8.
pub fn parse_bytes(file_name: &str, bytes: &[u8]) -> Result<ProjectFile, Diagnostics> {
    if bytes.len() > MAX_BYTES {
        return Err(too_large(file_name, bytes.len()));
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => parse(file_name, text),
        Err(error) => {
            let readable = String::from_utf8_lossy(&bytes[..error.valid_up_to()]).into_owned();
            let line_start = readable.rfind('\n').map_or(0, |at| at + 1);
            let span = Span {
                start: readable.len(),
                end: readable.len(),
                line: readable.matches('\n').count() + 1,
                column: readable[line_start..].chars().count() + 1,
            };
            let source = Source {
                name: file_name.into(),
                text: readable.into(),
            };
            let message = "this is not UTF-8 from here on; save the file as UTF-8";
            Err(Diagnostics::one(Diagnostic::new(&source, span, message)))
        }
    }
}

const START: Span = Span {
    start: 0,
    end: 0,
    line: 1,
    column: 1,
};

fn bounded(file_name: &str, text: &str) -> Result<Source, Diagnostics> {
    if text.len() > MAX_BYTES {
        return Err(too_large(file_name, text.len()));
    }
    Ok(Source {
        name: file_name.into(),
        text: text.into(),
    })
}

fn too_large(file_name: &str, bytes: usize) -> Diagnostics {
    let source = Source {
        name: file_name.into(),
        text: "".into(),
    };
    let message = format!(
        "the project file has {bytes} bytes and may have {MAX_BYTES} (1 MiB); data belongs in datasets"
    );
    Diagnostics::one(Diagnostic::new(&source, START, message))
}
