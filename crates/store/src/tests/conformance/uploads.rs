//! Uploads in parts.

use super::{read, refused, write};
use crate::tests::at;
use crate::*;

fn upload(id: &str, project: &str, begun: i64) -> Upload {
    Upload {
        id: id.into(),
        project: project.into(),
        path: "1/r/artifacts/big.bin".into(),
        parts: 2,
        created_at: at(begun),
        digest: None,
    }
}

fn part(number: u32, bytes: &str) -> UploadPart {
    UploadPart {
        upload: "u1".into(),
        number,
        digest: Digest::of(bytes.as_bytes()),
        size: bytes.len() as u64,
    }
}

pub(super) async fn check(store: &Store) {
    for one in [
        upload("u1", "up", 10),
        upload("u2", "up", 20),
        upload("u3", "down", 5),
    ] {
        write(store, move |tx| tx.insert_upload(&one)).await;
    }
    let again = upload("u1", "other", 1);
    assert!(
        refused(store, move |tx| tx.insert_upload(&again))
            .await
            .contains("u1")
    );
    assert_eq!(
        read(store, |tx| tx.upload("up", "u1")).await,
        Some(upload("u1", "up", 10))
    );
    assert_eq!(
        read(store, |tx| tx.upload("down", "u1")).await,
        None,
        "another project's"
    );
    for one in [part(2, "old"), part(1, "first"), part(2, "second")] {
        write(store, move |tx| tx.put_upload_part(&one)).await;
    }
    assert_eq!(
        read(store, |tx| tx.upload_parts("u1")).await,
        [part(1, "first"), part(2, "second")]
    );
    let whole = Digest::of(b"firstsecond");
    let became = whole.clone();
    write(store, move |tx| tx.complete_upload("u1", &became)).await;
    let found = read(store, |tx| tx.upload("up", "u1")).await;
    assert_eq!(found.and_then(|upload| upload.digest), Some(whole.clone()));
    refused(store, move |tx| tx.complete_upload("none", &whole)).await;
    assert_eq!(
        read(store, |tx| tx.uploads_before(at(20))).await,
        ["u3", "u1"]
    );
    assert!(write(store, |tx| tx.delete_upload("u1")).await);
    assert!(!write(store, |tx| tx.delete_upload("u1")).await);
    assert_eq!(read(store, |tx| tx.upload_parts("u1")).await, []);
    write(store, |tx| tx.delete_upload("u3")).await;
    write(store, |tx| tx.delete_upload("u2")).await;
    assert_eq!(read(store, |tx| tx.uploads_before(at(1000))).await, [""; 0]);
}
