//! Topic `trees`: compiled ensembles of trees beside ONNX Runtime, one thread, in process, other rows with each call.
//!
//! The models are trained by tests/trees/bench.py, in a Python environment of its own under `target`. An example of the
//! engine measures, as a call is far shorter than a request.

use super::report::Figure;
use anyhow::{Context as _, ensure};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

const BENCH: &str = "trees";
/// At least so many times as fast as ONNX Runtime, by rows of a call.
const GOALS: [(&str, f64); 2] = [("b1", 8.0), ("b32", 3.0)];

/// Measures; takes half a minute once the models are there.
pub(super) fn measure() -> anyhow::Result<Vec<Figure>> {
    let printed = example(&[])?;
    let mut figures = Vec::new();
    for line in printed.lines() {
        figures.extend(read(line).with_context(|| format!("`{line}` is no figure"))?);
    }
    ensure!(!figures.is_empty(), "the example printed nothing");
    Ok(figures)
}

/// What the engine's example prints.
fn example(words: &[&str]) -> anyhow::Result<String> {
    let mut example = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    example
        .args(["run", "--quiet", "--release", "--locked", "-p", "engine"])
        .args(["--example", "trees", "--"])
        .arg(models()?)
        .args(words)
        .current_dir(crate::tree::root());
    output(&mut example)
}

/// What one core does in process, without any server, with 32 rows at a time: ONNX Runtime's calls a second on the gradient
/// boosting.
pub(super) fn limit() -> anyhow::Result<f64> {
    let printed = example(&["gbt"])?;
    let mut lines = printed
        .lines()
        .map(|line| line.split(' ').collect::<Vec<_>>());
    let micros = lines.find_map(|words| match words.as_slice() {
        ["gbt", "b32", "trees", _, "onnxruntime", theirs, ..] => theirs.parse::<f64>().ok(),
        _ => None,
    });
    Ok(1e6 / micros.context("the example does not know the model")?)
}

/// Milliseconds that loading the gradient boosting takes in process, the library included.
pub(super) fn loading() -> anyhow::Result<f64> {
    let printed = example(&["loading"])?;
    printed
        .trim()
        .parse()
        .context("the example printed no time")
}

/// ONNX Runtime's library.
pub(super) fn library() -> anyhow::Result<PathBuf> {
    let path = example(&["library"])?;
    Ok(PathBuf::from(path.trim()))
}

/// Reads `gbt b1 trees 0.5 onnxruntime 4.5 ratio 9.0`.
fn read(line: &str) -> Option<[Figure; 3]> {
    let words: Vec<&str> = line.split(' ').collect();
    let [
        model,
        batch,
        "trees",
        ours,
        "onnxruntime",
        theirs,
        "ratio",
        ratio,
    ] = words.as_slice()
    else {
        return None;
    };
    let name = |what: &str| format!("{model}_{batch}{what}");
    let (_, goal) = GOALS.iter().find(|(name, _)| name == batch)?;
    Some([
        Figure::told(BENCH, name(""), ours.parse().ok()?, "us"),
        Figure::told(BENCH, name("_onnxruntime"), theirs.parse().ok()?, "us"),
        Figure::at_least(BENCH, name("_ratio"), ratio.parse().ok()?, "x", *goal),
    ])
}

/// The folder with the models; they are trained the first time.
pub(super) fn models() -> anyhow::Result<PathBuf> {
    let root = crate::tree::root();
    let folder = root.join("target/trees-models");
    if folder.join("rows.f32").is_file() {
        return Ok(folder);
    }
    let scripts = root.join("tests/trees");
    let python = python(&root.join("target/trees-python"), &scripts)?;
    let training = folder.with_extension("training");
    output(
        Command::new(python)
            .arg(scripts.join("bench.py"))
            .arg(&training),
    )?;
    fs::rename(&training, &folder)?;
    Ok(folder)
}

/// A Python with what tests/trees/requirements.txt names.
fn python(home: &Path, scripts: &Path) -> anyhow::Result<PathBuf> {
    let (python, ready) = (home.join("bin/python"), home.join("ready"));
    if !ready.is_file() {
        output(Command::new("python3").args(["-m", "venv"]).arg(home))?;
        output(
            Command::new(&python)
                .args(["-m", "pip", "install", "--quiet", "--requirement"])
                .arg(scripts.join("requirements.txt")),
        )?;
        fs::write(ready, "")?;
    }
    Ok(python)
}

/// What a command prints, if it succeeds.
fn output(command: &mut Command) -> anyhow::Result<String> {
    let name = command.get_program().display().to_string();
    let done = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot run `{name}`"))?;
    ensure!(done.status.success(), "`{name}` failed: {}", done.status);
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_figures() {
        let line = |batch, ratio| format!("gbt {batch} trees 0.5 onnxruntime 4 ratio {ratio}");
        for (line, holds) in [
            (line("b1", 7.9), Some(false)),
            (line("b1", 8.0), Some(true)),
            (line("b32", 3.0), Some(true)),
            (line("b2", 3.0), None),
            ("something else".to_owned(), None),
        ] {
            let last = read(&line).map(|[_, _, ratio]| ratio.holds());
            assert_eq!(last, holds, "{line}");
        }
    }
}
