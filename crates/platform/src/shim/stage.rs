//! Puts a unit's directories and inputs in place before its process starts.
//!
//! Called once for a unit. Errors are sentences for the exit record. It must never write outside
//! the unit's directory: targets were validated as relative paths without `..`, and a target below
//! an input that is a link is refused.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::layout::UnitDir;
use crate::spec::{HOME, Input, Staging, TEMPORARY, UnitSpec};

/// Makes the directories, then brings the inputs in.
pub(super) fn prepare(dir: &UnitDir, spec: &UnitSpec) -> Result<(), String> {
    for input in &spec.inputs {
        bring(dir, input).map_err(|error| {
            let (name, source) = (&input.name, input.source.display());
            format!("input `{name}` could not be brought in from {source}: {error}; check that it exists and can be read")
        })?;
    }
    let parents = spec
        .outputs
        .iter()
        .map(|output| &output.path)
        .chain(&spec.endpoint)
        .filter_map(|path| path.parent());
    let own = [
        spec.workdir.as_path(),
        Path::new(HOME),
        Path::new(TEMPORARY),
    ];
    for path in parents.chain(own) {
        make_dirs(dir, path)
            .map_err(|error| format!("directory {} could not be made: {error}", path.display()))?;
    }
    Ok(())
}

fn bring(dir: &UnitDir, input: &Input) -> io::Result<()> {
    if let Some(parent) = input.target.parent() {
        make_dirs(dir, parent)?;
    }
    let target = dir.join(&input.target);
    let source = fs::metadata(&input.source)?;
    match input.staging {
        Staging::Link => std::os::unix::fs::symlink(&input.source, target),
        Staging::Copy if source.is_dir() => copy_tree(&input.source, target),
        Staging::Copy => copy_file(&input.source, &target),
    }
}

/// Like `create_dir_all` below the unit's directory, but never through a link.
fn make_dirs(dir: &UnitDir, relative: &Path) -> io::Result<()> {
    let mut path = dir.path().to_owned();
    for part in relative.components() {
        path.push(part);
        make_dir(&path)?;
    }
    Ok(())
}

/// Makes one directory unless it is there.
fn make_dir(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if fs::symlink_metadata(path)?.is_dir() {
                Ok(())
            } else {
                Err(in_the_way(path))
            }
        }
        made => made,
    }
}

fn in_the_way(path: &Path) -> io::Error {
    io::Error::other(format!("{} is in the way", path.display()))
}

/// Copies files, directories and links as they are.
fn copy_tree(source: &Path, target: PathBuf) -> io::Result<()> {
    let mut open = vec![(source.to_owned(), target)];
    while let Some((from, to)) = open.pop() {
        make_dir(&to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            let (path, to) = (entry.path(), to.join(entry.file_name()));
            let kind = entry.file_type()?;
            if kind.is_dir() {
                open.push((path, to));
            } else if kind.is_symlink() {
                std::os::unix::fs::symlink(fs::read_link(path)?, to)?;
            } else if kind.is_file() {
                copy_file(&path, &to)?;
            }
        }
    }
    Ok(())
}

fn copy_file(source: &Path, target: &Path) -> io::Result<()> {
    if fs::symlink_metadata(target).is_ok_and(|there| there.is_symlink()) {
        return Err(in_the_way(target));
    }
    fs::copy(source, target).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(source: &Path, target: &str, staging: Staging) -> Input {
        Input {
            name: "in".into(),
            source: source.to_owned(),
            target: target.into(),
            staging,
        }
    }

    fn stage(inputs: Vec<Input>) -> (tempfile::TempDir, Result<(), String>) {
        let unit = tempfile::tempdir().unwrap();
        let spec = UnitSpec {
            inputs,
            ..UnitSpec::new("u", "p", vec!["true".into()])
        };
        let done = prepare(&UnitDir::new(unit.path()), &spec);
        (unit, done)
    }

    #[test]
    fn trees_are_copied_and_files_linked() {
        let source = tempfile::tempdir().unwrap();
        fs::create_dir(source.path().join("sub")).unwrap();
        fs::write(source.path().join("sub/a"), "text").unwrap();
        std::os::unix::fs::symlink("sub/a", source.path().join("link")).unwrap();
        let file = source.path().join("sub/a");
        let (unit, done) = stage(vec![
            input(source.path(), "work", Staging::Copy),
            input(&file, "work/in/data", Staging::Link),
        ]);
        done.unwrap();
        assert_eq!(
            fs::read_to_string(unit.path().join("work/sub/a")).unwrap(),
            "text"
        );
        assert_eq!(
            fs::read_link(unit.path().join("work/link")).unwrap(),
            Path::new("sub/a")
        );
        assert_eq!(
            fs::read_link(unit.path().join("work/in/data")).unwrap(),
            file
        );
        fs::write(unit.path().join("work/sub/a"), "changed").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "text");
    }

    #[test]
    fn nothing_is_staged_through_a_link() {
        let source = tempfile::tempdir().unwrap();
        fs::write(source.path().join("a"), "text").unwrap();
        let (_unit, done) = stage(vec![
            input(source.path(), "in", Staging::Link),
            input(&source.path().join("a"), "in/b", Staging::Copy),
        ]);
        assert!(done.unwrap_err().contains("is in the way"));
        assert!(!source.path().join("b").exists());
    }

    #[test]
    fn a_missing_input_is_named() {
        let (_unit, done) = stage(vec![input(
            Path::new("/nowhere/at/all"),
            "x",
            Staging::Link,
        )]);
        let message = done.unwrap_err();
        assert!(
            message.contains("`in`") && message.contains("/nowhere/at/all"),
            "{message}"
        );
    }
}
