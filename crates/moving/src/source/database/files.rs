//! Artifacts on this machine's disk.

use crate::error::{Error, Result};
use mlflow::artifacts::{File, proxy_path};
use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
};

/// The folder that a place names: by itself, or below the folder that the user named.
pub(super) fn folder(uri: &str, artifacts: Option<&Path>) -> Result<PathBuf> {
    if let Some(below) = proxy_path(uri) {
        let root = artifacts.ok_or_else(|| {
            Error::Usage(format!(
                "the artifacts at `{uri}` are kept by the server: say with --artifacts in which folder (its --artifacts-destination), leave files out with --no-artifacts, or import from the running server"
            ))
        })?;
        return Ok(root.join(below));
    }
    let path = if let Some(path) = uri.strip_prefix("file://") {
        let from_root = url::Url::parse(uri)
            .ok()
            .and_then(|url| url.to_file_path().ok());
        from_root.unwrap_or_else(|| PathBuf::from(path))
    } else if uri.contains("://") {
        return elsewhere(uri, artifacts);
    } else {
        PathBuf::from(uri.strip_prefix("file:").unwrap_or(uri))
    };
    Ok(match artifacts {
        Some(root) if !path.exists() => tail(root, uri),
        _ => path,
    })
}

fn elsewhere(uri: &str, artifacts: Option<&Path>) -> Result<PathBuf> {
    match artifacts {
        Some(root) => Ok(tail(root, uri)),
        None => Err(Error::Usage(format!(
            "the artifacts at `{uri}` are in an object store: copy it to a folder and name that with --artifacts, leave files out with --no-artifacts, or import from the running server"
        ))),
    }
}

/// Below the user's folder, the end of a place that MLflow makes: `EXPERIMENT/RUN/artifacts`, or with `models` in it.
fn tail(root: &Path, uri: &str) -> PathBuf {
    let parts: Vec<&str> = uri.trim_end_matches('/').split('/').collect();
    let models = parts.len() >= 4 && parts[parts.len() - 3] == "models";
    let kept = if models { 4 } else { 3 };
    let skipped = parts.len().saturating_sub(kept);
    root.join(parts[skipped..].iter().collect::<PathBuf>())
}

/// All files below a folder; none when it is not there.
pub(super) fn all(folder: &Path) -> Result<Vec<File>> {
    let mut found = Vec::new();
    walk(folder, "", &mut found)?;
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

fn walk(folder: &Path, below: &str, found: &mut Vec<File>) -> Result<()> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if below.is_empty() && error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(());
        }
        Err(error) => return Err(Error::io(folder.display().to_string())(error)),
    };
    for entry in entries {
        let entry = entry.map_err(Error::io(folder.display().to_string()))?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else {
            return Err(Error::Usage(format!(
                "the name of `{}` is not Unicode and cannot be kept: rename it",
                entry.path().display()
            )));
        };
        let path = if below.is_empty() {
            name.to_owned()
        } else {
            format!("{below}/{name}")
        };
        // Links are not followed: they may lead anywhere.
        let kind = entry.file_type().map_err(Error::io(path.clone()))?;
        if kind.is_dir() {
            walk(&entry.path(), &path, found)?;
        } else if kind.is_file() {
            let size = entry.metadata().map_err(Error::io(path.clone()))?.len();
            found.push(File {
                path,
                is_dir: false,
                file_size: Some(size),
            });
        }
    }
    Ok(())
}

pub(super) fn open(folder: &Path, path: &str) -> Result<Box<dyn Read + Send>> {
    let path = folder.join(path);
    let file = fs::File::open(&path).map_err(Error::io(path.display().to_string()))?;
    Ok(Box::new(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_become_folders() {
        let check = |uri: &str, artifacts: Option<&str>, expect: Option<&str>| {
            let got = folder(uri, artifacts.map(Path::new)).ok();
            assert_eq!(got.as_deref(), expect.map(Path::new), "{uri} {artifacts:?}");
        };
        check(
            "mlflow-artifacts:/1/r/artifacts",
            Some("/a"),
            Some("/a/1/r/artifacts"),
        );
        check("mlflow-artifacts:/1/r/artifacts", None, None);
        check("file:///w/1/r/artifacts", None, Some("/w/1/r/artifacts"));
        check(
            "file:///w%20x/1/r/artifacts",
            None,
            Some("/w x/1/r/artifacts"),
        );
        check("/w/1/r/artifacts", None, Some("/w/1/r/artifacts"));
        check("/gone/1/r/artifacts", Some("/a"), Some("/a/1/r/artifacts"));
        check("s3://b/1/r/artifacts", None, None);
        check(
            "s3://b/p/1/r/artifacts",
            Some("/a"),
            Some("/a/1/r/artifacts"),
        );
        check(
            "s3://b/p/1/models/m-1/artifacts",
            Some("/a"),
            Some("/a/1/models/m-1/artifacts"),
        );
    }

    #[test]
    fn all_files_of_a_folder_are_found_and_links_are_not() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("a b/c")).unwrap();
        fs::write(dir.path().join("a b/c/ü.txt"), "xyz").unwrap();
        fs::write(dir.path().join("top"), "").unwrap();
        std::os::unix::fs::symlink("/etc", dir.path().join("link")).unwrap();
        let found: Vec<_> = all(dir.path())
            .unwrap()
            .into_iter()
            .map(|file| (file.path, file.file_size))
            .collect();
        assert_eq!(
            found,
            [("a b/c/ü.txt".into(), Some(3)), ("top".into(), Some(0))]
        );
        assert_eq!(all(&dir.path().join("none")).unwrap(), []);
    }
}
