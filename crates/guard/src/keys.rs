//! Files that hold secrets of this server: the master key (outside the state directory) and the owner's token.
//!
//! Both are made at the first start with mode 0600 and refused when others can read them.

use crate::token;
use rand::RngExt as _;
use std::{
    fs, io,
    io::Write as _,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

/// The key that signs units' tokens. Never printed.
#[derive(Clone)]
pub struct MasterKey([u8; 32]);

impl MasterKey {
    /// A key of given bytes, for tests and for keys kept elsewhere.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        MasterKey(bytes)
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

/// A secret file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Reading or writing failed.
    #[error("cannot use `{}`", .0.display())]
    Io(PathBuf, #[source] io::Error),
    /// Others may read it.
    #[error("`{}` can be read by others (mode {mode:o}): run `chmod 600 {}`", .path.display(), .path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Its content is not what was written.
    #[error("`{}` is damaged: restore it from your backup of the key, or remove it to make a new one (running steps lose their tokens)", .0.display())]
    Damaged(PathBuf),
}

/// Reads the master key, or makes it when the file does not exist.
///
/// # Errors
/// See [`KeyError`].
pub fn master_key(path: &Path) -> Result<MasterKey, KeyError> {
    let text = read_or_make(path, || hex(&rand::rng().random::<[u8; 32]>()))?;
    unhex(text.trim())
        .map(MasterKey)
        .ok_or_else(|| KeyError::Damaged(path.to_owned()))
}

/// Reads the owner's token, or makes it when the file does not exist.
///
/// # Errors
/// See [`KeyError`].
pub fn owner_token(path: &Path) -> Result<String, KeyError> {
    let text = read_or_make(path, || format!("mso_{}", token::random_secret()))?;
    let text = text.trim();
    if text.starts_with("mso_") && text.len() >= 40 {
        Ok(text.to_owned())
    } else {
        Err(KeyError::Damaged(path.to_owned()))
    }
}

fn read_or_make(path: &Path, make: impl FnOnce() -> String) -> Result<String, KeyError> {
    let failed = |e| KeyError::Io(path.to_owned(), e);
    match fs::metadata(path) {
        Ok(meta) if meta.mode() & 0o077 != 0 => Err(KeyError::Exposed {
            path: path.to_owned(),
            mode: meta.mode() & 0o777,
        }),
        Ok(_) => fs::read_to_string(path).map_err(failed),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            write_new(path, &make()).map_err(failed)?;
            fs::read_to_string(path).map_err(failed)
        }
        Err(e) => Err(failed(e)),
    }
}

/// Writes a temporary file and links it into place, so that of two starters one wins and both read the same.
fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let temporary = path.with_extension(format!("tmp{}", std::process::id()));
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    let linked = match fs::hard_link(&temporary, path) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    };
    fs::remove_file(&temporary)?;
    linked?;
    fs::File::open(folder)?.sync_all()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut out = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (i, byte) in out.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).ok()?;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn made_once_kept_private_and_refused_when_exposed_or_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys/master.key");
        let first = master_key(&path).unwrap();
        assert_eq!(first.bytes(), master_key(&path).unwrap().bytes());
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(
            master_key(&path),
            Err(KeyError::Exposed { mode: 0o644, .. })
        ));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "xyz").unwrap();
        assert!(matches!(master_key(&path), Err(KeyError::Damaged(_))));
        let owner = folder.path().join("control.token");
        assert_eq!(owner_token(&owner).unwrap(), owner_token(&owner).unwrap());
    }
}
