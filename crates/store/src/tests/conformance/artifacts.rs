//! Names of files.

use super::{read, write};
use crate::tests::at;
use crate::*;

fn artifact(project: &str, path: &str, bytes: &str) -> Artifact {
    Artifact {
        project: project.into(),
        path: path.into(),
        digest: Digest::of(bytes.as_bytes()),
        size: bytes.len() as u64,
        created_at: at(0),
    }
}

async fn below(store: &Store, folder: &'static str) -> Vec<String> {
    let found = read(store, move |tx| tx.artifacts("art", folder)).await;
    found.into_iter().map(|artifact| artifact.path).collect()
}

pub(super) async fn check(store: &Store) {
    for path in [
        "1/r/a.txt",
        "1/r/b/c.txt",
        "1/r/b/d",
        "1/r.x",
        "1/r0",
        "é/f",
    ] {
        let one = artifact("art", path, path);
        write(store, move |tx| tx.put_artifact(&one)).await;
    }
    let other = artifact("artful", "1/r/z", "z");
    write(store, move |tx| tx.put_artifact(&other)).await;
    assert_eq!(
        below(store, "1/r").await,
        ["1/r/a.txt", "1/r/b/c.txt", "1/r/b/d"]
    );
    assert_eq!(
        below(store, "1/r/a.txt").await,
        [""; 0],
        "a file is no folder"
    );
    assert_eq!(below(store, "").await.len(), 6);
    for (path, folder) in [
        ("1/r", true),
        ("1/r/b", true),
        ("1/r/a.txt", false),
        ("1/r/b/", false),
        ("2", false),
    ] {
        let is = read(store, move |tx| tx.is_artifact_folder("art", path)).await;
        assert_eq!(is, folder, "{path}");
    }
    let again = artifact("art", "1/r/a.txt", "new");
    let expect = again.clone();
    write(store, move |tx| tx.put_artifact(&again)).await;
    let found = read(store, |tx| tx.artifact("art", "1/r/a.txt")).await;
    assert_eq!(found, Some(expect), "the newer bytes");
    assert_eq!(
        write(store, |tx| tx.delete_artifacts("art", "1/r")).await,
        3
    );
    assert_eq!(below(store, "").await, ["1/r.x", "1/r0", "é/f"]);
    assert_eq!(
        write(store, |tx| tx.delete_artifacts("art", "1/r0")).await,
        1
    );
    assert_eq!(
        write(store, |tx| tx.delete_artifacts("art", "1/r0")).await,
        0
    );
    assert_eq!(read(store, |tx| tx.artifacts("artful", "1")).await.len(), 1);
    write(store, |tx| tx.delete_project("art")).await;
    assert_eq!(below(store, "").await, [""; 0]);
}
