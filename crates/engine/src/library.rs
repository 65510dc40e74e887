//! Where ONNX Runtime's shared library is, and how it gets there.
//!
//! One release is pinned, by the digests of the PyPI wheel and of the library in it. [`fetch`] puts
//! it into the state directory once; `mainspan up` and tests call it, a replica only ever
//! [`resolve`]s. The library is the same for every Python: one wheel serves all.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest as _, Sha256};

/// The pinned release.
pub const VERSION: &str = "1.32.0";
/// The variable that names another library.
pub const VARIABLE: &str = "ORT_DYLIB_PATH";

/// A wheel, and the library in it.
struct Pin {
    os: &'static str,
    arch: &'static str,
    platform: &'static str,
    wheel_sha256: &'static str,
    library_sha256: &'static str,
}

const PYTHON: &str = "3.12";
const PINS: &[Pin] = &[
    Pin {
        os: "linux",
        arch: "x86_64",
        platform: "manylinux_2_28_x86_64",
        wheel_sha256: "99e1074c4b2197accd5073052a465361be17b89c093b8ffb6e6bd8f986c52df8",
        library_sha256: "6c1585d1bbf45b0712ea4a21b705c5fcb4ba04ff2e30f1fbf81a49faf658638f",
    },
    Pin {
        os: "linux",
        arch: "aarch64",
        platform: "manylinux_2_28_aarch64",
        wheel_sha256: "e36c187006e7a7c8b8d6d57f1a209dd63f52430dca6c282b177718ad6b841054",
        library_sha256: "49852228a93995158b2a813d4df487d47a1b76b0eaa894507ef49e91b6d7954a",
    },
];

/// No library to run models with.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    /// Nobody said where it is.
    #[error(
        "no ONNX Runtime library is known; let `mainspan up` fetch it, or set {VARIABLE} to libonnxruntime.so"
    )]
    Unknown,
    /// It was named, but is not there.
    #[error("there is no ONNX Runtime library at {}; correct the path or remove the setting", .0.display())]
    Absent(PathBuf),
    /// No wheel is pinned for this machine.
    #[error(
        "no ONNX Runtime wheel is pinned for {0} on {1}; install one and set {VARIABLE} to its libonnxruntime.so"
    )]
    Unsupported(&'static str, &'static str),
    /// Python did not do what it was asked.
    #[error(
        "`{command}` failed ({why}); check that Python 3 with pip reaches the package index, or set {VARIABLE}"
    )]
    Python {
        /// The command.
        command: String,
        /// What it said last.
        why: String,
    },
    /// What came is not what was pinned.
    #[error("{} has SHA-256 {got}, not the pinned {expect}; nothing was installed, fetch again or set {VARIABLE}", .path.display())]
    Digest {
        /// The file.
        path: PathBuf,
        /// Its digest.
        got: String,
        /// The pinned one.
        expect: &'static str,
    },
    /// The state directory cannot be written.
    #[error("cannot install the ONNX Runtime library in {}: {source}", .path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The library to load: the one named by an option, else by `ORT_DYLIB_PATH`.
pub fn resolve(option: Option<&Path>, variable: Option<OsString>) -> Result<PathBuf, LibraryError> {
    let variable = variable
        .filter(|value| !value.is_empty())
        .map(PathBuf::from);
    let path = option
        .map(Path::to_path_buf)
        .or(variable)
        .ok_or(LibraryError::Unknown)?;
    if path.is_file() {
        Ok(path)
    } else {
        Err(LibraryError::Absent(path))
    }
}

/// Where [`fetch`] installs the library under a state directory.
#[must_use]
pub fn path(state_dir: &Path) -> PathBuf {
    let release = format!("onnxruntime-{VERSION}-{}", std::env::consts::ARCH);
    state_dir.join("runtime").join(release).join(file_name())
}

/// The library under a state directory, if it has been fetched.
#[must_use]
pub fn locate(state_dir: &Path) -> Option<PathBuf> {
    Some(path(state_dir)).filter(|path| path.is_file())
}

/// Whether a library's bytes are those of the pinned release.
pub fn verify(library: &Path) -> Result<(), LibraryError> {
    check(library, pin()?.library_sha256)
}

/// Fetches the pinned library into a state directory, through `python -m pip`, and gives its path.
/// Blocks, for a download of 28 MB unless it is there already. What is not as pinned is never
/// installed; two callers at once do no harm.
pub fn fetch(state_dir: &Path, python: &Path) -> Result<PathBuf, LibraryError> {
    if let Some(found) = locate(state_dir) {
        return Ok(found);
    }
    let pin = pin()?;
    let target = path(state_dir);
    let home = target.parent().unwrap_or(state_dir);
    let scratch = home.with_extension(format!("fetching-{}", std::process::id()));
    let made = fs::create_dir_all(&scratch).map_err(|source| io_error(&scratch, source));
    let done = made
        .and_then(|()| download(pin, python, &scratch))
        .and_then(|library| install(&library, &target));
    // A scratch directory that stays behind is only waste.
    let _ = fs::remove_dir_all(&scratch);
    done.map(|()| target)
}

fn file_name() -> String {
    format!("libonnxruntime.so.{VERSION}")
}

fn pin() -> Result<&'static Pin, LibraryError> {
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    PINS.iter()
        .find(|pin| pin.os == os && pin.arch == arch)
        .ok_or(LibraryError::Unsupported(os, arch))
}

/// Downloads the wheel into `scratch` and takes the library out of it, each checked.
fn download(pin: &Pin, python: &Path, scratch: &Path) -> Result<PathBuf, LibraryError> {
    let requirement = format!("onnxruntime=={VERSION}");
    let mut pip = Command::new(python);
    pip.args([
        "-m",
        "pip",
        "download",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
    ])
    .args([
        "--only-binary",
        ":all:",
        "--python-version",
        PYTHON,
        "--platform",
        pin.platform,
    ])
    .arg("--dest")
    .arg(scratch)
    .arg(requirement);
    python_says(&mut pip)?;
    let abi = PYTHON.replace('.', "");
    let wheel = scratch.join(format!(
        "onnxruntime-{VERSION}-cp{abi}-cp{abi}-{}.whl",
        pin.platform
    ));
    check(&wheel, pin.wheel_sha256)?;
    let library = scratch.join(file_name());
    let member = format!("onnxruntime/capi/{}", file_name());
    let mut unzip = Command::new(python);
    unzip
        .arg("-c")
        .arg("import shutil, sys, zipfile\nwith zipfile.ZipFile(sys.argv[1]).open(sys.argv[2]) as src, open(sys.argv[3], 'wb') as dst: shutil.copyfileobj(src, dst)")
        .arg(&wheel)
        .arg(member)
        .arg(&library);
    python_says(&mut unzip)?;
    check(&library, pin.library_sha256)?;
    Ok(library)
}

/// Moves the library to its place, durably.
fn install(library: &Path, target: &Path) -> Result<(), LibraryError> {
    let home = target.parent().unwrap_or(target);
    let place = || {
        fs::create_dir_all(home)?;
        File::open(library)?.sync_all()?;
        fs::rename(library, target)?;
        File::open(home)?.sync_all()
    };
    place().map_err(|source| io_error(target, source))
}

fn python_says(command: &mut Command) -> Result<(), LibraryError> {
    let failed = |command: &Command, why: String| LibraryError::Python {
        command: format!("{} {}", command.get_program().display(), arguments(command)),
        why,
    };
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|e| failed(command, e.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.trim().lines().next_back().unwrap_or("no message");
    Err(failed(command, format!("{}: {last}", output.status)))
}

/// The first arguments of a command, enough to know it.
fn arguments(command: &Command) -> String {
    let words: Vec<_> = command
        .get_args()
        .take(3)
        .map(|word| word.to_string_lossy())
        .collect();
    words.join(" ").replace('\n', " ")
}

fn check(path: &Path, expect: &'static str) -> Result<(), LibraryError> {
    let got = digest(path).map_err(|source| io_error(path, source))?;
    if got == expect {
        Ok(())
    } else {
        Err(LibraryError::Digest {
            path: path.to_path_buf(),
            got,
            expect,
        })
    }
}

fn digest(path: &Path) -> io::Result<String> {
    let mut hasher = Sha256::new();
    io::copy(&mut File::open(path)?, &mut HashWriter(&mut hasher))?;
    Ok(hasher
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

/// Feeds a hasher from [`io::copy`].
struct HashWriter<'a>(&'a mut Sha256);

impl io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn io_error(path: &Path, source: io::Error) -> LibraryError {
    LibraryError::Io {
        path: path.to_path_buf(),
        source,
    }
}

#[cfg(test)]
mod tests;
