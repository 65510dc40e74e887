//! Topics `mlflow` and `growth`: what MLflow's clients get from us, beside a real `mlflow server` in the same run, and
//! with far more runs than anybody has today.
//!
//! What is compared is the CPU time of all processes of a server per call, and the time to an answer. Both servers are
//! asked in turn, some times over, so that what else the machine does falls on both.

mod auth;
mod calls;
mod cost;
mod files;
pub(super) mod growth;
mod load;
mod peer;
mod searches;

use super::{
    product::{Product, pause},
    report::{Figure, median},
};
use anyhow::ensure;
use peer::Peer;
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

const BENCH: &str = "mlflow";
/// How often starting is measured.
const STARTS: usize = 7;
const IDLE: Duration = Duration::from_secs(5);

/// Measures everything; takes about ten minutes.
pub(super) fn measure(binary: &Path) -> anyhow::Result<Vec<Figure>> {
    let python = python()?;
    let (ours, theirs) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let product = Product::new(binary, ours.path())?;
    let mut figures = start(&product)?;
    let pair = Pair {
        ours: Peer::ours(&product)?,
        theirs: Peer::theirs(&python, theirs.path(), true)?,
    };
    figures.extend(calls::measure(&pair, true)?);
    figures.extend(searches::measure(&pair, &python, theirs.path())?);
    figures.extend(files::measure(&pair)?);
    figures.extend(load::measure(&pair.ours)?);
    figures.extend(auth::measure(&product, ours.path(), &pair.ours)?);
    let Pair { ours, theirs: fair } = pair;
    drop(fair);
    let default = tempfile::tempdir()?;
    let pair = Pair {
        ours,
        theirs: Peer::theirs(&python, default.path(), false)?,
    };
    figures.extend(calls::measure(&pair, false)?);
    Ok(figures)
}

/// The two servers.
struct Pair {
    ours: Peer,
    theirs: Peer,
}

/// From exec to the first answer, and memory with nothing to do.
fn start(product: &Product) -> anyhow::Result<Vec<Figure>> {
    let (mut ready, mut resident) = (Vec::new(), f64::NAN);
    for start in 1..=STARTS {
        let server = product.server()?;
        ready.push(server.ready.as_secs_f64());
        if start == STARTS {
            pause(IDLE);
            resident = super::process::memory(server.pid())?.resident;
        }
    }
    Ok(vec![
        Figure::at_most(BENCH, "server_ready", median(ready), "s", 0.2),
        Figure::at_most(BENCH, "idle_resident", resident, "MB", 60.0),
    ])
}

fn python() -> anyhow::Result<PathBuf> {
    let python = crate::tree::root().join("target/test-python/bin/python");
    ensure!(
        python.is_file(),
        "there is no `{}` with mlflow in it: run `make test-tools` first",
        python.display()
    );
    Ok(python)
}
