//! Snapshots of real repositories.

use super::*;
use crate::git::{Repository, tests::Scratch};
use std::os::unix::fs::PermissionsExt as _;
use store::Blobs;

fn blobs(folder: &std::path::Path) -> Blobs {
    Blobs::local(&store::StateDir::create(folder).unwrap()).unwrap()
}

#[tokio::test]
async fn a_commit_and_a_clean_work_tree_are_the_same_snapshot() {
    let scratch = Scratch::new();
    scratch.write("fit.py", "print(1)\n");
    scratch.write("run.sh", "#!/bin/sh\n");
    std::fs::set_permissions(
        scratch.0.path().join("run.sh"),
        std::fs::Permissions::from_mode(0o755),
    )
    .unwrap();
    scratch.write(".gitignore", "data/\n");
    let commit = scratch.commit();
    scratch.write("data/big.csv", "ignored");
    let state = tempfile::tempdir().unwrap();
    let blobs = blobs(state.path());
    let repository = Repository::open(scratch.0.path()).await.unwrap();
    let committed = of_commit(&repository, &commit, &blobs).await.unwrap();
    let now = of_worktree(&repository, &blobs).await.unwrap();
    assert_eq!(committed, now);
    assert_eq!(
        committed
            .files()
            .iter()
            .map(|f| f.path.as_str())
            .collect::<Vec<_>>(),
        [".gitignore", "fit.py", "run.sh"]
    );

    scratch.write("fit.py", "print(2)\n");
    scratch.write("new.py", "");
    let dirty = of_worktree(&repository, &blobs).await.unwrap();
    assert_ne!(dirty.digest(), committed.digest());
    assert!(dirty.file("new.py").is_some() && committed.file("new.py").is_none());
    assert_eq!(
        of_commit(&repository, &commit, &blobs).await.unwrap(),
        committed,
        "edits change nothing"
    );

    let stored = blobs.get(&committed.digest()).await.unwrap();
    assert_eq!(Manifest::from_bytes(&stored).unwrap(), committed);
    for _ in 0..2 {
        let folder = checkout(&committed, &blobs, &state.path().join("snapshots"))
            .await
            .unwrap();
        assert_eq!(
            std::fs::read_to_string(folder.join("fit.py")).unwrap(),
            "print(1)\n"
        );
        assert_eq!(
            std::fs::metadata(folder.join("run.sh"))
                .unwrap()
                .permissions()
                .mode()
                & 0o777,
            0o755
        );
        assert!(!folder.join("data").exists());
    }
}

#[tokio::test]
async fn links_are_refused_and_a_removed_file_is_no_part() {
    let scratch = Scratch::new();
    scratch.write("a", "1");
    scratch.write("b", "2");
    scratch.commit();
    std::fs::remove_file(scratch.0.path().join("b")).unwrap();
    let state = tempfile::tempdir().unwrap();
    let blobs = blobs(state.path());
    let repository = Repository::open(scratch.0.path()).await.unwrap();
    assert_eq!(
        of_worktree(&repository, &blobs)
            .await
            .unwrap()
            .files()
            .len(),
        1
    );
    std::os::unix::fs::symlink("/etc/passwd", scratch.0.path().join("link")).unwrap();
    let error = of_worktree(&repository, &blobs).await.unwrap_err();
    assert!(matches!(error, SnapshotError::Symlink(_)), "{error}");
    let commit = scratch.commit();
    assert!(matches!(
        of_commit(&repository, &commit, &blobs).await,
        Err(SnapshotError::Symlink(_))
    ));
}

#[test]
fn patterns_narrow_what_a_step_sees() {
    let entry = |path: &str| Entry {
        path: path.into(),
        executable: false,
        digest: store::Digest::of(b""),
        size: 0,
    };
    let all = Manifest::new(
        ["a.py", "lib/x.py", "lib/deep/y.py", "data/z.csv"]
            .map(entry)
            .to_vec(),
    );
    for (patterns, expect) in [
        (vec!["*.py"], vec!["a.py"]),
        (vec!["**/*.py"], vec!["a.py", "lib/deep/y.py", "lib/x.py"]),
        (vec!["./lib/"], vec!["lib/deep/y.py", "lib/x.py"]),
        (vec!["lib/*.py", "data"], vec!["data/z.csv", "lib/x.py"]),
        (vec!["none"], vec![]),
    ] {
        let patterns: Vec<String> = patterns.into_iter().map(str::to_owned).collect();
        let seen = all.visible(Some(&patterns));
        assert_eq!(
            seen.files()
                .iter()
                .map(|f| f.path.as_str())
                .collect::<Vec<_>>(),
            expect,
            "{patterns:?}"
        );
    }
    assert_eq!(all.visible(None), all);
}
