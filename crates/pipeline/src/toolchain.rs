//! Toolchains: Python environments prepared once per lock and shared by every step that names it.
//!
//! One folder per digest of (lock, interpreter); it is good once its `ready` file is there, which is written last.
//! A half-made folder is removed and made anew. Uses `uv` when it is on the PATH, else venv and pip; either way every
//! requirement must carry hashes.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    io,
    path::{Path, PathBuf},
    process::Stdio,
    time::SystemTime,
};
use store::Digest;
use tokio::{process::Command, sync::Mutex};

/// A toolchain that cannot be prepared.
#[derive(Debug, thiserror::Error)]
pub enum ToolchainError {
    /// A requirement without a hash.
    #[error(
        "{lock}:{line}: `{requirement}` has no hash: write the lock with `uv pip compile --generate-hashes` or `pip-compile --generate-hashes`"
    )]
    NoHash {
        /// The lock's name.
        lock: String,
        /// Counted from 1.
        line: usize,
        /// The requirement.
        requirement: String,
    },
    /// Something a lock must not contain.
    #[error(
        "{lock}:{line}: `{text}` is not allowed in a lock: name packages with versions and hashes only"
    )]
    NotALock {
        /// The lock's name.
        lock: String,
        /// Counted from 1.
        line: usize,
        /// What is there.
        text: String,
    },
    /// No interpreter fits.
    #[error(
        "no Python {wanted} found on the PATH (looked at {looked}): install one, or widen `python.version`"
    )]
    NoPython {
        /// The constraint.
        wanted: String,
        /// What was there.
        looked: String,
    },
    /// The installer failed.
    #[error("{command} failed:\n{tail}")]
    Failed {
        /// Which.
        command: String,
        /// The end of what it said.
        tail: String,
    },
    /// A file operation failed.
    #[error("cannot prepare the toolchain in `{}`", .0.display())]
    Io(PathBuf, #[source] io::Error),
}

/// The label of a unit that names the folder of its toolchain, which stays for as long as the unit runs.
pub const TOOLCHAIN: &str = "toolchain";

/// A prepared environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toolchain {
    /// Digest of lock and interpreter: part of every cache key.
    pub digest: Digest,
    /// Its folder; `bin/` holds `python`.
    pub path: PathBuf,
}

/// Prepares toolchains under one folder, one at a time.
#[derive(Debug)]
pub struct Toolchains {
    folder: PathBuf,
    environment: BTreeMap<String, String>,
    one_at_a_time: Mutex<()>,
}

/// What an installer may see of the server's environment: where tools and caches are, how the net is reached.
const PASSED_ON: &[&str] = &[
    "PATH",
    "HOME",
    "LANG",
    "TMPDIR",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "XDG_CACHE_HOME",
];
const PASSED_ON_PREFIXES: &[&str] = &["PIP_", "UV_", "SSL_CERT_", "REQUESTS_CA_", "CURL_CA_"];

impl Toolchains {
    /// Keeps toolchains in `folder`; of `environment`, only what installers need is used.
    pub fn new(folder: PathBuf, environment: impl IntoIterator<Item = (String, String)>) -> Self {
        let environment = environment
            .into_iter()
            .filter(|(name, _)| {
                PASSED_ON.contains(&name.as_str())
                    || PASSED_ON_PREFIXES.iter().any(|p| name.starts_with(p))
            })
            .collect();
        Toolchains {
            folder,
            environment,
            one_at_a_time: Mutex::new(()),
        }
    }

    /// Returns the toolchain for a lock, making it first when it is not there.
    ///
    /// `version` is a constraint such as `>=3.10` or `==3.11`; `say` gets a line when something slow begins.
    ///
    /// # Errors
    /// See [`ToolchainError`].
    pub async fn prepare(
        &self,
        lock_name: &str,
        lock: &str,
        version: &str,
        say: &(dyn Fn(&str) + Sync),
    ) -> Result<Toolchain, ToolchainError> {
        check_lock(lock_name, lock)?;
        let _turn = self.one_at_a_time.lock().await;
        let python = self.find_python(version).await?;
        let digest =
            Digest::of(format!("{}\0{}\0{lock}", python.version, python.path.display()).as_bytes());
        let path = self.folder.join(digest.hex());
        let ready = path.join("ready");
        let io = |e| ToolchainError::Io(path.clone(), e);
        let made = !ready.exists();
        if made {
            if path.exists() {
                std::fs::remove_dir_all(&path).map_err(io)?;
            }
            std::fs::create_dir_all(&path).map_err(io)?;
            let file = path.join("requirements.lock");
            std::fs::write(&file, lock).map_err(io)?;
            self.install(&python, &path, &file, say).await?;
        }
        // Made anew each time, so that it says when the toolchain was last asked for.
        let marker = std::fs::File::create(&ready).map_err(io)?;
        if made {
            marker.sync_all().map_err(io)?;
        }
        Ok(Toolchain { digest, path })
    }

    /// Removes toolchains that nobody has asked for since that time, but for those in `used`.
    ///
    /// # Errors
    /// When one cannot be removed.
    pub async fn forget(&self, since: SystemTime, used: &BTreeSet<PathBuf>) -> io::Result<()> {
        let _turn = self.one_at_a_time.lock().await;
        let (folder, used) = (self.folder.clone(), used.clone());
        let forget = move || {
            let entries = match std::fs::read_dir(&folder) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                other => other?,
            };
            for entry in entries {
                let path = entry?.path();
                let ready = std::fs::metadata(path.join("ready"));
                if !used.contains(&path)
                    && ready.is_ok_and(|r| r.modified().is_ok_and(|at| at < since))
                {
                    // First of all it stops being one, in case this is cut off.
                    std::fs::remove_file(path.join("ready"))?;
                    std::fs::remove_dir_all(&path)?;
                }
            }
            Ok(())
        };
        let done = tokio::task::spawn_blocking(forget).await;
        done.unwrap_or_else(|error| Err(io::Error::other(error)))
    }

    async fn install(
        &self,
        python: &Python,
        path: &Path,
        lock: &Path,
        say: &(dyn Fn(&str) + Sync),
    ) -> Result<(), ToolchainError> {
        let uv = self.which("uv");
        say(&format!(
            "preparing Python {} with {}",
            python.version,
            if uv.is_some() { "uv" } else { "pip" }
        ));
        let s = OsStr::new;
        if let Some(uv) = uv {
            let make = [
                s("venv"),
                s("--quiet"),
                s("--clear"),
                s("--python"),
                python.path.as_os_str(),
                path.as_os_str(),
            ];
            // uv makes an environment in an empty folder only, so the lock steps aside.
            let io = |e| ToolchainError::Io(lock.to_owned(), e);
            let text = std::fs::read(lock).map_err(io)?;
            std::fs::remove_file(lock).map_err(io)?;
            self.run(&uv, &make).await?;
            std::fs::write(lock, text).map_err(io)?;
            let inside = path.join("bin/python");
            let install = [
                s("pip"),
                s("install"),
                s("--quiet"),
                s("--require-hashes"),
                s("--no-deps"),
                s("--python"),
                inside.as_os_str(),
                s("-r"),
                lock.as_os_str(),
            ];
            self.run(&uv, &install).await
        } else {
            self.run(&python.path, &[s("-m"), s("venv"), path.as_os_str()])
                .await?;
            let inside = path.join("bin/python");
            let install = [
                s("-m"),
                s("pip"),
                s("install"),
                s("--quiet"),
                s("--require-hashes"),
                s("--no-deps"),
                s("-r"),
                lock.as_os_str(),
            ];
            self.run(&inside, &install).await
        }
    }

    async fn run(&self, program: &Path, arguments: &[&OsStr]) -> Result<(), ToolchainError> {
        let output = self
            .command(program)
            .args(arguments)
            .output()
            .await
            .map_err(|e| ToolchainError::Io(program.to_owned(), e))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<&str> = said.lines().collect();
        let tail = lines[lines.len().saturating_sub(15)..].join("\n");
        let shown = arguments
            .iter()
            .take(3)
            .map(|a| a.to_string_lossy())
            .collect::<Vec<_>>()
            .join(" ");
        Err(ToolchainError::Failed {
            command: format!("{} {shown}", program.display()),
            tail,
        })
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .envs(&self.environment)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    fn which(&self, name: &str) -> Option<PathBuf> {
        let path = self.environment.get("PATH")?;
        std::env::split_paths(path)
            .map(|folder| folder.join(name))
            .find(|p| p.is_file())
    }

    async fn find_python(&self, wanted: &str) -> Result<Python, ToolchainError> {
        let mut looked = Vec::new();
        let names = [
            "python3",
            "python3.14",
            "python3.13",
            "python3.12",
            "python3.11",
            "python3.10",
            "python",
        ];
        for path in names.iter().filter_map(|name| self.which(name)) {
            let mut command = self.command(&path);
            command.args([
                "-c",
                "import platform, sys; print(platform.python_version(), sys.executable)",
            ]);
            let Ok(output) = command.output().await else {
                continue;
            };
            let text = String::from_utf8_lossy(&output.stdout);
            let Some((version, executable)) = text.trim().split_once(' ') else {
                continue;
            };
            if satisfies(version, wanted) {
                return Ok(Python {
                    path: PathBuf::from(executable),
                    version: version.to_owned(),
                });
            }
            looked.push(version.to_owned());
        }
        let looked = if looked.is_empty() {
            "none".to_owned()
        } else {
            looked.join(", ")
        };
        Err(ToolchainError::NoPython {
            wanted: wanted.to_owned(),
            looked,
        })
    }
}

struct Python {
    path: PathBuf,
    version: String,
}

/// Whether `version` meets every comma-separated clause of `wanted` (`>=3.10,<3.13`, `==3.11`, `3.11`).
fn satisfies(version: &str, wanted: &str) -> bool {
    let have = numbers(version);
    wanted
        .split(',')
        .map(str::trim)
        .filter(|clause| !clause.is_empty())
        .all(|clause| {
            let digits = clause
                .find(|c: char| c.is_ascii_digit())
                .unwrap_or(clause.len());
            let (operator, bound) = clause.split_at(digits);
            let bound = numbers(bound.trim_end_matches(".*"));
            let common = &have[..have.len().min(bound.len())];
            match operator.trim() {
                "" | "==" => common == bound,
                "!=" => common != bound,
                "~=" => have >= bound && have.first() == bound.first(),
                ">=" => have >= bound,
                ">" => have > bound && common != bound,
                "<=" => common <= bound.as_slice(),
                "<" => have < bound,
                _ => false,
            }
        })
}

fn numbers(version: &str) -> Vec<u32> {
    version
        .split('.')
        .map_while(|part| part.parse().ok())
        .collect()
}

/// Checks that a lock names packages with hashes and nothing else.
///
/// # Errors
/// [`ToolchainError::NoHash`], [`ToolchainError::NotALock`].
pub fn check_lock(name: &str, text: &str) -> Result<(), ToolchainError> {
    let mut lines = text.lines().enumerate();
    while let Some((number, first)) = lines.next() {
        let mut logical = first.trim().to_owned();
        while logical.ends_with('\\') {
            logical.pop();
            let Some((_, next)) = lines.next() else { break };
            logical.push_str(next.trim());
        }
        let requirement = logical.split(" #").next().unwrap_or_default().trim();
        if requirement.is_empty() || requirement.starts_with('#') {
            continue;
        }
        let line = number + 1;
        let named = requirement.split([' ', ';']).next().unwrap_or_default();
        if requirement.starts_with('-')
            || named.contains("://")
            || named.contains('/')
            || requirement.contains(" @ ")
        {
            return Err(ToolchainError::NotALock {
                lock: name.to_owned(),
                line,
                text: named.to_owned(),
            });
        }
        if !requirement.contains("--hash=sha256:") {
            return Err(ToolchainError::NoHash {
                lock: name.to_owned(),
                line,
                requirement: named.to_owned(),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constraints() {
        for (version, wanted, ok) in [
            ("3.11.7", ">=3.10", true),
            ("3.9.1", ">=3.10", false),
            ("3.11.7", ">=3.10,<3.11", false),
            ("3.11.7", "==3.11", true),
            ("3.11.7", "3.11.*", true),
            ("3.12.0", "~=3.11", true),
            ("3.11.7", "!=3.11", false),
            ("3.11.7", "<=3.11", true),
            ("3.11.7", ">3.11", false),
            ("3.11.7", "", true),
            ("3.11.7", "like 3", false),
        ] {
            assert_eq!(satisfies(version, wanted), ok, "{version} {wanted}");
        }
    }

    #[test]
    fn locks() {
        let good = "# made by uv\nsix==1.16.0 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n    # via x\n";
        assert!(check_lock("l", good).is_ok());
        for (text, expect) in [
            ("six==1.16.0\n", "l:1: `six==1.16.0` has no hash"),
            (
                "a==1 --hash=sha256:aa\n\nb>=2 ; python_version > '3'\n",
                "l:3: `b>=2` has no hash",
            ),
            ("-e .\n", "l:1: `-e` is not allowed"),
            ("x @ https://h/x.whl --hash=sha256:aa\n", "not allowed"),
            ("--index-url https://h\n", "not allowed"),
        ] {
            let error = check_lock("l", text).unwrap_err().to_string();
            assert!(error.contains(expect), "{error}");
        }
    }

    #[tokio::test]
    async fn a_half_made_toolchain_is_made_anew_and_a_whole_one_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let toolchains = Toolchains::new(folder.path().to_owned(), std::env::vars());
        let said = std::sync::Mutex::new(Vec::new());
        let say = |line: &str| said.lock().unwrap().push(line.to_owned());
        let first = toolchains.prepare("l", "", ">=3.8", &say).await.unwrap();
        assert!(first.path.join("bin/python").exists());
        let again = toolchains.prepare("l", "", ">=3.8", &say).await.unwrap();
        assert_eq!(first, again);
        assert_eq!(
            said.lock().unwrap().len(),
            1,
            "the second time nothing is made"
        );
        // It goes when nobody has asked for it for a while, but not under somebody who uses it.
        let (past, future) = (
            SystemTime::UNIX_EPOCH,
            SystemTime::now() + std::time::Duration::from_secs(60),
        );
        for (since, used, there) in [
            (past, BTreeSet::new(), true),
            (future, [first.path.clone()].into(), true),
            (future, BTreeSet::new(), false),
        ] {
            toolchains.forget(since, &used).await.unwrap();
            assert_eq!(first.path.exists(), there, "{since:?} {used:?}");
        }
        toolchains.prepare("l", "", ">=3.8", &say).await.unwrap();
        std::fs::remove_file(first.path.join("ready")).unwrap();
        std::fs::write(first.path.join("left-over"), "x").unwrap();
        toolchains.prepare("l", "", ">=3.8", &say).await.unwrap();
        assert!(!first.path.join("left-over").exists() && first.path.join("bin/python").exists());
        let error = toolchains
            .prepare("l", "", "==2.0", &say)
            .await
            .unwrap_err();
        assert!(error.to_string().contains("install one"), "{error}");
    }
}
