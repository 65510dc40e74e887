//! Where the store lives: the state directory and the store's address.

use std::fmt;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::error::{Error, Result};

/// The directory that holds everything of one server. Only its owner may enter it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateDir(PathBuf);

impl StateDir {
    /// Opens the directory, creating it (mode 0700) when it is not there.
    pub fn create(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&path)
            .map_err(Error::io("create directory", &path))?;
        Ok(Self(path))
    }

    /// The directory itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A file or directory inside it.
    #[must_use]
    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.join(name)
    }

    /// The SQLite file.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.0.join("store.db")
    }

    /// The directory of content-addressed bytes.
    #[must_use]
    pub fn blobs(&self) -> PathBuf {
        self.0.join("blobs")
    }

    /// The file whose lock says that a server uses this directory.
    #[must_use]
    pub fn lock(&self) -> PathBuf {
        self.0.join("server.lock")
    }
}

/// Which database holds the records.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum StoreUrl {
    /// SQLite, the file `store.db` of the state directory.
    #[default]
    Sqlite,
    /// Postgres, by its connection URL.
    Postgres(String),
}

impl FromStr for StoreUrl {
    type Err = Error;

    /// `sqlite` (or nothing) and `postgres://…` or `postgresql://…`.
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "" | "sqlite" => Ok(Self::Sqlite),
            url if url.starts_with("postgres://") || url.starts_with("postgresql://") => {
                Ok(Self::Postgres(url.to_owned()))
            }
            other => Err(Error::Invalid(format!(
                "`{other}` is not a store: use `sqlite` or postgres://user@host/database"
            ))),
        }
    }
}

impl fmt::Display for StoreUrl {
    /// The address without its password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite => f.write_str("sqlite"),
            Self::Postgres(url) => {
                let Some((head, host)) = url.rsplit_once('@') else {
                    return f.write_str(url);
                };
                let scheme = head.find("://").map_or(0, |at| at + 3);
                let user = head[scheme..].split(':').next().unwrap_or_default();
                write!(f, "{}{user}@{host}", &head[..scheme])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_hide_passwords() {
        let check = |text: &str, shown: &str| {
            assert_eq!(text.parse::<StoreUrl>().unwrap().to_string(), shown);
        };
        check("", "sqlite");
        check("sqlite", "sqlite");
        check("postgres://me:s3cr3t@db/x", "postgres://me@db/x");
        check("postgresql://db/x", "postgresql://db/x");
        assert!("mysql://db".parse::<StoreUrl>().is_err());
    }
}
