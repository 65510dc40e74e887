//! A full disk, played by SQLite's own limit on pages: a clear error, nothing half written,
//! and everything works again when there is room.

use super::{event, fresh};
use crate::{Error, Events as _, Priority, Tx};

fn limit_pages(tx: &mut Tx<'_>, pages: u32) -> crate::Result<()> {
    tx.rows(&format!("PRAGMA max_page_count = {pages}"), &[], |_| Ok(()))
        .map(drop)
}

#[tokio::test]
async fn a_full_disk_is_told_and_survived() {
    let (store, _dir) = fresh();
    store
        .write(Priority::Normal, |tx| limit_pages(tx, 1))
        .await
        .unwrap();
    let big = move |n: i64| {
        store.write(Priority::Normal, move |tx| {
            let mut one = event("big", n);
            one.reason = "x".repeat(1_000_000);
            tx.append_event(&one)
        })
    };
    let mut full = None;
    for n in 0..50 {
        match big(n).await {
            Ok(_) => {}
            Err(error) => {
                full = Some(error);
                break;
            }
        }
    }
    let full = full.expect("the limit was never reached");
    assert!(matches!(full, Error::Full(_)), "{full:?}");
    assert!(full.to_string().contains("free some space"), "{full}");
}
