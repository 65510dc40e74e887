//! The lock that keeps two servers out of one state directory. The kernel gives it back when the
//! process dies, however it dies.

use std::fs::{File, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};

use crate::error::{Error, Result};
use crate::place::StateDir;

/// Holds the directory until dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

/// Takes the directory, or says who has it.
pub(crate) fn take(state: &StateDir) -> Result<Lock> {
    let path = state.lock();
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(Error::io("open", &path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // Who holds it is a courtesy; the refusal stands without it.
            let _ = file.read_to_string(&mut holder);
            let holder = Some(holder.trim().to_owned()).filter(|pid| !pid.is_empty());
            return Err(Error::InUse {
                path: state.path().to_owned(),
                holder,
            });
        }
        Err(TryLockError::Error(source)) => return Err(Error::io("lock", path)(source)),
    }
    let note = (|| {
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{}", std::process::id())
    })();
    note.map_err(Error::io("write", path))?;
    Ok(Lock { _file: file })
}
