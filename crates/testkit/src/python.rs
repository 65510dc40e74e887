//! A Python with the real clients in it, prepared by `tests/python/prepare.sh`.

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// An interpreter that has the packages of `tests/python/requirements.lock`.
pub struct Python {
    interpreter: PathBuf,
}

/// What a script left behind.
#[derive(Debug)]
pub struct Outcome {
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
    /// Whether it ended with 0.
    pub succeeded: bool,
}

impl Python {
    /// The interpreter named by `MAINSPAN_TEST_PYTHON`, or the prepared one of this checkout.
    ///
    /// # Panics
    /// When it is not there: tests of unmodified clients do not skip.
    pub fn find() -> Self {
        let prepared =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/test-python/bin/python");
        let interpreter = std::env::var_os("MAINSPAN_TEST_PYTHON").map_or(prepared, PathBuf::from);
        assert!(
            interpreter.exists(),
            "there is no {}: run `bash tests/python/prepare.sh`, or let MAINSPAN_TEST_PYTHON name a Python with the packages of tests/python/requirements.lock",
            interpreter.display()
        );
        Python { interpreter }
    }

    /// The program itself, for steps that need the packages.
    pub fn interpreter(&self) -> &Path {
        &self.interpreter
    }

    /// Starts a server written in Python and answers it with the first line that it prints. It ends when its standard
    /// input is closed, which dropping the child does.
    ///
    /// # Panics
    /// When it ends without a line.
    pub fn serve(&self, script: &Path) -> (Child, String) {
        let mut child = Command::new(&self.interpreter)
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let output = child.stdout.as_mut().unwrap();
        BufReader::new(output).read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "{} said nothing", script.display());
        (child, line.trim().to_owned())
    }

    /// Runs a script with nothing in its environment but `variables` and what Python itself needs. Blocks.
    pub fn run(&self, script: &Path, variables: &[(&str, &str)]) -> Outcome {
        self.run_with(script, &[], variables)
    }

    /// The same with words on its command line.
    pub fn run_with(&self, script: &Path, words: &[&str], variables: &[(&str, &str)]) -> Outcome {
        let home = tempfile::tempdir().unwrap();
        let output = Command::new(&self.interpreter)
            .arg(script)
            .args(words)
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", home.path())
            .env("TMPDIR", home.path())
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("MLFLOW_DISABLE_TELEMETRY", "true")
            .env("DO_NOT_TRACK", "true")
            .env("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
            .env("GIT_PYTHON_REFRESH", "quiet")
            .envs(variables.iter().copied())
            .current_dir(home.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        Outcome {
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            succeeded: output.status.success(),
        }
    }
}
