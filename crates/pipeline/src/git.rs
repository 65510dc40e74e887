//! Git, through the `git` program: refs, trees and file contents of one repository.
//!
//! Snapshots, push triggers and `apply` call this. Reading a branch's head costs two file reads and no process, so a
//! watcher may do it ten times a second. Nothing here writes to a repository.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};
use tokio::{io::AsyncWriteExt as _, process::Command};

/// A repository that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// The folder is in no repository.
    #[error("`{}` is not in a git repository: run `git init` and commit the project file first", .0.display())]
    NoRepository(PathBuf),
    /// The `git` program is missing.
    #[error("cannot run `git`: install it and put it on the PATH")]
    NoGit(#[source] std::io::Error),
    /// It answered with an error.
    #[error("git {command} failed: {stderr}")]
    Failed {
        /// The subcommand.
        command: String,
        /// What it said.
        stderr: String,
    },
    /// No such branch or commit.
    #[error("no commit `{0}` in this repository")]
    NoCommit(String),
}

/// One entry of a commit's tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeEntry {
    /// Relative to the tree that was listed, with `/`.
    pub path: String,
    /// Git's mode: 100644, 100755, 120000.
    pub mode: u32,
    /// Git's object name.
    pub object: String,
}

/// One repository, found from a folder in it.
#[derive(Clone, Debug)]
pub struct Repository {
    root: PathBuf,
    git_dir: PathBuf,
    prefix: String,
}

impl Repository {
    /// Finds the repository that `folder` is in.
    ///
    /// # Errors
    /// [`GitError::NoRepository`], [`GitError::NoGit`].
    pub async fn open(folder: &Path) -> Result<Self, GitError> {
        let output = run(
            folder,
            &[
                "rev-parse",
                "--show-toplevel",
                "--absolute-git-dir",
                "--show-prefix",
            ],
            None,
        )
        .await;
        let text = match output {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(GitError::Failed { .. }) => return Err(GitError::NoRepository(folder.to_owned())),
            Err(other) => return Err(other),
        };
        let mut lines = text.lines();
        let root = PathBuf::from(lines.next().unwrap_or_default());
        let git_dir = PathBuf::from(lines.next().unwrap_or_default());
        Ok(Repository {
            root,
            git_dir,
            prefix: lines.next().unwrap_or_default().to_owned(),
        })
    }

    /// The work tree's top folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The opened folder relative to the top, with a final `/`, or empty at the top.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The commit a branch points at, read from its files; `None` while it has none.
    pub fn branch_head(&self, branch: &str) -> Option<String> {
        // Git allows no such names, and a project file can ask for any.
        if branch
            .split('/')
            .any(|part| part.is_empty() || part.starts_with('.'))
        {
            return None;
        }
        let name = format!("refs/heads/{branch}");
        if let Ok(text) = std::fs::read_to_string(self.git_dir.join(&name)) {
            return Some(text.trim().to_owned()).filter(|t| !t.is_empty());
        }
        let packed = std::fs::read_to_string(self.git_dir.join("packed-refs")).ok()?;
        packed.lines().find_map(|line| {
            line.strip_suffix(&name)?
                .strip_suffix(' ')
                .map(str::to_owned)
        })
    }

    /// The branch that HEAD is on and the commit it points at.
    ///
    /// # Errors
    /// [`GitError::NoCommit`] before the first commit.
    pub async fn head(&self) -> Result<(Option<String>, String), GitError> {
        let commit = self.resolve("HEAD").await?;
        let branch = run(
            &self.root,
            &["symbolic-ref", "--quiet", "--short", "HEAD"],
            None,
        )
        .await
        .ok();
        Ok((
            branch.map(|b| String::from_utf8_lossy(&b).trim().to_owned()),
            commit,
        ))
    }

    /// The full name of a commit.
    ///
    /// # Errors
    /// [`GitError::NoCommit`].
    pub async fn resolve(&self, revision: &str) -> Result<String, GitError> {
        let wanted = format!("{revision}^{{commit}}");
        match run(
            &self.root,
            &[
                "rev-parse",
                "--verify",
                "--quiet",
                "--end-of-options",
                &wanted,
            ],
            None,
        )
        .await
        {
            Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).trim().to_owned()),
            Err(GitError::Failed { .. }) => Err(GitError::NoCommit(revision.to_owned())),
            Err(other) => Err(other),
        }
    }

    /// Whether `ancestor` is reachable from `commit`; false after a forced push took it away.
    ///
    /// # Errors
    /// When git cannot run.
    pub async fn is_ancestor(&self, ancestor: &str, commit: &str) -> Result<bool, GitError> {
        match run(
            &self.root,
            &["merge-base", "--is-ancestor", ancestor, commit],
            None,
        )
        .await
        {
            Ok(_) => Ok(true),
            Err(GitError::Failed { .. }) => Ok(false),
            Err(other) => Err(other),
        }
    }

    /// Subject line of a commit.
    ///
    /// # Errors
    /// When git cannot run or the commit is gone.
    pub async fn subject(&self, commit: &str) -> Result<String, GitError> {
        let bytes = run(
            &self.root,
            &["show", "--no-patch", "--format=%s", commit],
            None,
        )
        .await?;
        Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
    }

    /// When a commit was made, in seconds since 1970, as its committer's clock had it.
    ///
    /// # Errors
    /// When git cannot run or the commit is gone.
    pub async fn committed_at(&self, commit: &str) -> Result<i64, GitError> {
        let line = ["show", "--no-patch", "--format=%ct", commit];
        let bytes = run(&self.root, &line, None).await?;
        Ok(String::from_utf8_lossy(&bytes)
            .trim()
            .parse()
            .unwrap_or_default())
    }

    /// The files of a commit under the opened folder, submodules left out.
    ///
    /// # Errors
    /// When git cannot run or the commit is gone.
    pub async fn tree(&self, commit: &str) -> Result<Vec<TreeEntry>, GitError> {
        let treeish = format!("{commit}:{}", self.prefix.trim_end_matches('/'));
        let bytes = run(&self.root, &["ls-tree", "-r", "-z", &treeish], None).await?;
        Ok(String::from_utf8_lossy(&bytes)
            .split('\0')
            .filter_map(parse_tree_line)
            .collect())
    }

    /// Tracked and unignored files of the work tree under the opened folder, relative to it.
    ///
    /// # Errors
    /// When git cannot run.
    pub async fn files(&self) -> Result<Vec<String>, GitError> {
        let folder = self.root.join(&self.prefix);
        let bytes = run(
            &folder,
            &[
                "ls-files",
                "-z",
                "--cached",
                "--others",
                "--exclude-standard",
            ],
            None,
        )
        .await?;
        Ok(String::from_utf8_lossy(&bytes)
            .split('\0')
            .filter(|p| !p.is_empty())
            .map(str::to_owned)
            .collect())
    }

    /// Whether the work tree under the opened folder differs from HEAD.
    ///
    /// # Errors
    /// When git cannot run.
    pub async fn is_dirty(&self) -> Result<bool, GitError> {
        let folder = self.root.join(&self.prefix);
        let bytes = run(
            &folder,
            &[
                "status",
                "--porcelain",
                "--untracked-files=normal",
                "--",
                ".",
            ],
            None,
        )
        .await?;
        Ok(!bytes.is_empty())
    }

    /// Contents of objects, in the order asked for.
    ///
    /// # Errors
    /// When git cannot run or an object is missing.
    pub async fn contents(&self, objects: &[String]) -> Result<Vec<Vec<u8>>, GitError> {
        if objects.is_empty() {
            return Ok(Vec::new());
        }
        let input: String = objects.iter().map(|object| format!("{object}\n")).collect();
        let bytes = run(
            &self.root,
            &["cat-file", "--batch"],
            Some(input.into_bytes()),
        )
        .await?;
        split_batch(&bytes, objects.len()).ok_or_else(|| GitError::Failed {
            command: "cat-file --batch".to_owned(),
            stderr: "an object is missing: run `git fsck`".to_owned(),
        })
    }

    /// One file of a commit under the opened folder; `None` when it is not there.
    ///
    /// # Errors
    /// When git cannot run.
    pub async fn file(&self, commit: &str, path: &str) -> Result<Option<Vec<u8>>, GitError> {
        let name = format!("{commit}:{}{path}", self.prefix);
        match run(&self.root, &["cat-file", "blob", &name], None).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(GitError::Failed { .. }) => Ok(None),
            Err(other) => Err(other),
        }
    }
}

fn parse_tree_line(line: &str) -> Option<TreeEntry> {
    let (meta, path) = line.split_once('\t')?;
    let mut fields = meta.split(' ');
    let mode = u32::from_str_radix(fields.next()?, 8).ok()?;
    (fields.next()? == "blob").then_some(())?;
    Some(TreeEntry {
        path: path.to_owned(),
        mode,
        object: fields.next()?.to_owned(),
    })
}

/// Splits `cat-file --batch` output: `<object> blob <size>\n<bytes>\n` for each.
fn split_batch(mut bytes: &[u8], count: usize) -> Option<Vec<Vec<u8>>> {
    let mut contents = Vec::with_capacity(count);
    for _ in 0..count {
        let end = bytes.iter().position(|b| *b == b'\n')?;
        let header = std::str::from_utf8(&bytes[..end]).ok()?;
        let size: usize = header.rsplit_once(' ')?.1.parse().ok()?;
        let from = end + 1;
        contents.push(bytes.get(from..from + size)?.to_vec());
        bytes = bytes.get(from + size + 1..)?;
    }
    Some(contents)
}

async fn run(
    folder: &Path,
    arguments: &[&str],
    input: Option<Vec<u8>>,
) -> Result<Vec<u8>, GitError> {
    let mut command = Command::new("git");
    command
        .args(["-c", "core.quotepath=off", "-c", "core.fsmonitor=false"])
        .args(arguments)
        .current_dir(folder)
        .env("GIT_OPTIONAL_LOCKS", "0")
        .env_remove("GIT_DIR")
        .env_remove("GIT_INDEX_FILE")
        .env_remove("GIT_WORK_TREE")
        .stdin(if input.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child = command.spawn().map_err(GitError::NoGit)?;
    let feed = child
        .stdin
        .take()
        .zip(input)
        .map(|(mut pipe, input)| async move {
            // A closed pipe shows in the exit status, which says more.
            let _ = pipe.write_all(&input).await;
        });
    let (output, ()) = tokio::join!(child.wait_with_output(), async {
        if let Some(feed) = feed {
            feed.await;
        }
    });
    let output = output.map_err(GitError::NoGit)?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(GitError::Failed {
        command: arguments.first().copied().unwrap_or_default().to_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A repository made for one test, with helpers to commit.
    pub(crate) struct Scratch(pub tempfile::TempDir);

    impl Scratch {
        pub(crate) fn new() -> Self {
            let scratch = Scratch(tempfile::tempdir().unwrap());
            scratch.git(&["init", "-q", "-b", "main"]);
            scratch
        }

        pub(crate) fn git(&self, arguments: &[&str]) -> String {
            let output = std::process::Command::new("git")
                .args(["-c", "user.name=t", "-c", "user.email=t@t"])
                .args(arguments)
                .current_dir(self.0.path())
                .output()
                .unwrap();
            assert!(
                output.status.success(),
                "git {arguments:?}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        }

        pub(crate) fn write(&self, path: &str, text: &str) {
            let path = self.0.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }

        pub(crate) fn commit(&self) -> String {
            self.git(&["add", "-A"]);
            self.git(&["commit", "-q", "-m", "change"]);
            self.git(&["rev-parse", "HEAD"])
        }
    }

    #[tokio::test]
    async fn reads_heads_trees_and_contents() {
        let scratch = Scratch::new();
        scratch.write("sub/a.txt", "one\n");
        scratch.write("sub/b b.txt", "");
        scratch.write(".gitignore", "*.csv\n");
        let first = scratch.commit();
        let repository = Repository::open(&scratch.0.path().join("sub"))
            .await
            .unwrap();
        assert_eq!(repository.prefix(), "sub/");
        assert_eq!(
            repository.branch_head("main").as_deref(),
            Some(first.as_str())
        );
        assert_eq!(repository.branch_head("other"), None);
        let tree = repository.tree(&first).await.unwrap();
        assert_eq!(
            tree.iter().map(|e| e.path.as_str()).collect::<Vec<_>>(),
            ["a.txt", "b b.txt"]
        );
        let objects: Vec<String> = tree.iter().map(|e| e.object.clone()).collect();
        assert_eq!(
            repository.contents(&objects).await.unwrap(),
            [b"one\n".to_vec(), Vec::new()]
        );
        assert_eq!(
            repository.file(&first, "a.txt").await.unwrap().as_deref(),
            Some(&b"one\n"[..])
        );
        assert_eq!(repository.file(&first, "none").await.unwrap(), None);

        assert!(!repository.is_dirty().await.unwrap());
        scratch.write("sub/new.txt", "x");
        scratch.write("sub/data.csv", "ignored");
        assert!(repository.is_dirty().await.unwrap());
        let mut files = repository.files().await.unwrap();
        files.sort();
        assert_eq!(files, ["a.txt", "b b.txt", "new.txt"]);

        let second = scratch.commit();
        scratch.git(&["pack-refs", "--all"]);
        assert_eq!(
            repository.branch_head("main").as_deref(),
            Some(second.as_str())
        );
        assert!(repository.is_ancestor(&first, &second).await.unwrap());
        assert!(!repository.is_ancestor(&second, &first).await.unwrap());
        assert!(matches!(
            repository.resolve("nope").await,
            Err(GitError::NoCommit(_))
        ));
    }

    #[tokio::test]
    async fn outside_a_repository_it_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let error = Repository::open(folder.path()).await.unwrap_err();
        assert!(error.to_string().contains("git init"), "{error}");
    }
}
