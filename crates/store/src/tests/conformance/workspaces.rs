//! Projects as workspaces.

use super::{experiment, read, tracked, write};
use crate::tests::at;
use crate::*;

fn said(project: &str, description: Option<&str>, second: i64) -> Workspace {
    Workspace {
        project: project.into(),
        description: description.map(str::to_owned),
        created_at: at(0),
        updated_at: at(second),
    }
}

async fn known(store: &Store) -> Vec<String> {
    let all = read(store, |tx| tx.known_projects()).await;
    all.into_iter()
        .filter(|name| name.starts_with("ws-"))
        .collect()
}

async fn contents(store: &Store, project: &'static str) -> Vec<(&'static str, u64)> {
    read(store, move |tx| tx.contents(project)).await
}

pub(super) async fn check(store: &Store) {
    for one in [
        said("ws-a", None, 0),
        said("ws-b", Some(""), 0),
        said("ws-a", Some("of a"), 1),
    ] {
        write(store, move |tx| tx.put_workspace(&one)).await;
    }
    assert_eq!(
        read(store, |tx| tx.workspace("ws-a")).await,
        Some(said("ws-a", Some("of a"), 1))
    );
    assert_eq!(read(store, |tx| tx.workspace("ws-c")).await, None);
    let all = read(store, |tx| tx.workspaces()).await;
    let all: Vec<_> = all.iter().map(|one| one.project.as_str()).collect();
    assert_eq!(all, ["ws-a", "ws-b"]);

    // One is there by what is in it, too.
    let made = NewExperiment {
        project: "ws-c".into(),
        ..experiment("Default")
    };
    let made = write(store, move |tx| tx.create_experiment(&made)).await;
    assert_eq!(known(store).await, ["ws-a", "ws-b", "ws-c"]);
    assert_eq!(contents(store, "ws-c").await, [], "it makes itself");
    let run = TrackedRun {
        project: "ws-c".into(),
        ..tracked("ws-run", &made)
    };
    let other = NewExperiment {
        project: "ws-c".into(),
        ..experiment("other")
    };
    write(store, move |tx| {
        tx.create_tracked_run(&run)?;
        tx.create_experiment(&other)
    })
    .await;
    assert_eq!(
        contents(store, "ws-c").await,
        [("experiments", 1), ("runs", 1)]
    );
    for project in ["ws-a", "ws-b", "ws-c"] {
        write(store, move |tx| tx.delete_project(project)).await;
        assert_eq!(contents(store, project).await, []);
    }
    assert_eq!(known(store).await, [""; 0]);
    assert_eq!(read(store, |tx| tx.workspace("ws-a")).await, None);
}
