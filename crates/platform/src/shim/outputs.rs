//! What a unit has left behind: whether each declared output is there, and how large it is.
//!
//! The shim calls [`find`] when the process has ended; hashing is the caller's business. A symbolic
//! link is not followed, as it could lead out of the unit; it counts as an output that is not there.

use std::fs;
use std::io;
use std::path::Path;

use crate::layout::UnitDir;
use crate::spec::Output;
use crate::status::{Found, OutputStatus};

/// Looks for every declared output.
pub(super) fn find(dir: &UnitDir, outputs: &[Output]) -> Vec<OutputStatus> {
    let look = |output: &Output| {
        let path = dir.join(&output.path);
        OutputStatus {
            name: output.name.clone(),
            found: measure(&path).ok().flatten(),
            path,
        }
    };
    outputs.iter().map(look).collect()
}

fn measure(path: &Path) -> io::Result<Option<Found>> {
    let top = fs::symlink_metadata(path)?;
    if top.is_file() {
        return Ok(Some(Found {
            bytes: top.len(),
            files: 1,
        }));
    }
    if !top.is_dir() {
        return Ok(None);
    }
    let mut found = Found { bytes: 0, files: 0 };
    let mut open = vec![path.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            if metadata.is_dir() {
                open.push(entry.path());
            } else if metadata.is_file() {
                found.bytes += metadata.len();
                found.files += 1;
            }
        }
    }
    // A directory that we made for the output and nobody filled is no output.
    Ok((found.files > 0).then_some(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_directories_are_measured_and_links_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("file", "12345");
        write("tree/a", "1");
        write("tree/deep/b", "22");
        fs::create_dir(dir.path().join("empty")).unwrap();
        std::os::unix::fs::symlink("file", dir.path().join("link")).unwrap();
        let cases = [
            ("file", Some(Found { bytes: 5, files: 1 })),
            ("tree", Some(Found { bytes: 3, files: 2 })),
            ("empty", None),
            ("link", None),
            ("gone", None),
        ];
        for (path, expect) in cases {
            let output = Output {
                name: path.into(),
                path: path.into(),
                required: true,
            };
            assert_eq!(
                find(&UnitDir::new(dir.path()), &[output])[0].found,
                expect,
                "{path}"
            );
        }
    }
}
