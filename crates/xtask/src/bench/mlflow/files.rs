//! A file of 200 MB up and down, beside `cp` and SHA-256 of the same file, which is the least that keeping it takes.

use super::{BENCH, Pair, Peer, median};
use crate::bench::report::Figure;
use anyhow::{Context as _, ensure};
use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

const MEGABYTES: usize = 200;
const ROUNDS: usize = 5;

/// Measures all in turn.
pub(super) fn measure(pair: &Pair) -> anyhow::Result<Vec<Figure>> {
    let folder = tempfile::tempdir()?;
    let (mut plain, mut up, mut down) = (Vec::new(), Vec::new(), Vec::new());
    let (mut their_up, mut their_down) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let file = folder.path().join("file");
        write(&file, round)?;
        plain.push(timed(|| copy(folder.path()))?);
        up.push(timed(|| upload(&pair.ours, &file, round))?);
        down.push(timed(|| download(&pair.ours, round))?);
        their_up.push(timed(|| upload(&pair.theirs, &file, round))?);
        their_down.push(timed(|| download(&pair.theirs, round))?);
    }
    let plain = median(plain);
    let rate = |seconds: f64| MEGABYTES as f64 / seconds;
    let (up, down) = (median(up), median(down));
    Ok(vec![
        Figure::told(BENCH, "copy_and_sha256", rate(plain), "MB/s"),
        Figure::told(BENCH, "upload_200mb", rate(up), "MB/s"),
        Figure::told(BENCH, "download_200mb", rate(down), "MB/s"),
        Figure::at_least(BENCH, "upload_of_copy", 100.0 * plain / up, "%", 60.0),
        Figure::at_least(BENCH, "download_of_copy", 100.0 * plain / down, "%", 60.0),
        Figure::told(BENCH, "upload_wall_ratio", median(their_up) / up, "x"),
        Figure::told(BENCH, "download_wall_ratio", median(their_down) / down, "x"),
    ])
}

/// A file that no round has written before, so that it is really stored.
fn write(file: &Path, round: usize) -> anyhow::Result<()> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ round as u64;
    let mut bytes = vec![0; MEGABYTES * 1_000_000];
    for chunk in bytes.chunks_mut(8) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        chunk.copy_from_slice(&state.to_le_bytes()[..chunk.len()]);
    }
    let mut out = fs::File::create(file)?;
    out.write_all(&bytes)?;
    Ok(out.sync_all()?)
}

fn timed(work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let begun = Instant::now();
    work()?;
    Ok(begun.elapsed().as_secs_f64())
}

fn copy(folder: &Path) -> anyhow::Result<()> {
    let done = Command::new("sh")
        .args(["-c", "cp file copy && sync copy && sha256sum file"])
        .current_dir(folder)
        .stdout(Stdio::null())
        .status()?;
    ensure!(done.success(), "cp and sha256sum failed");
    Ok(())
}

fn address(peer: &Peer, round: usize) -> String {
    format!(
        "http://{}/api/2.0/mlflow-artifacts/artifacts/bench/{round}.bin",
        peer.address
    )
}

fn upload(peer: &Peer, file: &Path, round: usize) -> anyhow::Result<()> {
    curl(&[
        "-T",
        file.to_str().context("a path is not UTF-8")?,
        &address(peer, round),
    ])
}

fn download(peer: &Peer, round: usize) -> anyhow::Result<()> {
    curl(&["-o", "/dev/null", &address(peer, round)])
}

fn curl(words: &[&str]) -> anyhow::Result<()> {
    let done = Command::new("curl")
        .args(["-sS", "--fail"])
        .args(words)
        .stdout(Stdio::null())
        .status();
    ensure!(
        done.context("cannot run curl")?.success(),
        "curl failed: {words:?}"
    );
    Ok(())
}
