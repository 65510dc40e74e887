//! Users with a password.

use super::{read, refused, write};
use crate::tests::at;
use crate::*;

fn user(name: &str, project: Option<&str>) -> User {
    User {
        id: 0,
        name: name.into(),
        hash: "hash".into(),
        role: "developer".into(),
        project: project.map(Into::into),
        admin: false,
        created_at: at(7),
    }
}

async fn made(store: &Store, user: User) -> User {
    write(store, move |tx| tx.insert_user(&user)).await
}

pub(super) async fn check(store: &Store) {
    let ann = made(store, user("ann", None)).await;
    let ben = made(store, user("Ann", Some("flights"))).await;
    assert!(ann.id < ben.id && ann.id > 0);
    assert_eq!(
        User {
            id: 0,
            ..ben.clone()
        },
        user("Ann", Some("flights"))
    );
    assert!(
        refused(store, |tx| tx.insert_user(&user("ann", None)))
            .await
            .contains("ann")
    );
    assert_eq!(read(store, |tx| tx.user("ann")).await, Some(ann.clone()));
    assert_eq!(read(store, |tx| tx.user("an%")).await, None);
    write(store, |tx| tx.set_user_hash("ann", "new")).await;
    write(store, |tx| tx.set_user_admin("ann", true)).await;
    let expect = User {
        hash: "new".into(),
        admin: true,
        ..ann.clone()
    };
    assert_eq!(read(store, |tx| tx.users()).await, [expect, ben]);
    refused(store, |tx| tx.set_user_hash("none", "x")).await;
    refused(store, |tx| tx.set_user_admin("none", true)).await;
    assert!(write(store, |tx| tx.delete_user("ann")).await);
    assert!(!write(store, |tx| tx.delete_user("ann")).await);
    let again = made(store, user("ann", None)).await;
    assert!(again.id > ann.id, "no number is used twice");
}
