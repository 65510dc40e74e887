//! A git repository with a project in it, in a test's folder.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// A work tree on branch `main`.
pub struct Repository {
    folder: PathBuf,
}

impl Repository {
    /// Makes one; nothing is committed yet.
    pub fn new(folder: &Path) -> Self {
        fs::create_dir_all(folder).unwrap();
        let repository = Repository {
            folder: folder.canonicalize().unwrap(),
        };
        repository.git(&["init", "--quiet", "--initial-branch", "main"]);
        repository
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes a file.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Commits everything; answers the commit.
    pub fn commit(&self, message: &str) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", message]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// Runs git as somebody who has no configuration; answers what it printed.
    ///
    /// # Panics
    /// When git fails.
    #[track_caller]
    pub fn git(&self, words: &[&str]) -> String {
        let settings = [
            "user.name=Test",
            "user.email=test@example.com",
            "commit.gpgsign=false",
        ];
        let output = Command::new("git")
            .args(settings.iter().flat_map(|setting| ["-c", setting]))
            .args(words)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .current_dir(&self.folder)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {words:?}: {text}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}
