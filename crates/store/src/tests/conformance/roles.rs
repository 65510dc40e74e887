//! Roles, what they permit and who holds them.

use super::{read, refused, write};
use crate::tests::at;
use crate::*;

fn role(project: &str, name: &str) -> Role {
    Role {
        id: 0,
        project: project.into(),
        name: name.into(),
        description: None,
    }
}

fn permission(role: i64, pattern: &str, permission: &str) -> RolePermission {
    RolePermission {
        id: 0,
        role,
        resource_type: "registered_model".into(),
        resource_pattern: pattern.into(),
        permission: permission.into(),
    }
}

async fn made(store: &Store, new: Role) -> Role {
    write(store, move |tx| tx.insert_role(&new)).await
}

async fn permitted(store: &Store, new: RolePermission) -> Option<RolePermission> {
    write(store, move |tx| tx.insert_role_permission(&new)).await
}

async fn user(store: &Store, name: &'static str) -> i64 {
    let user = User {
        id: 0,
        name: name.into(),
        hash: "hash".into(),
        role: "viewer".into(),
        project: Some("roles".into()),
        admin: false,
        created_at: at(1),
    };
    write(store, move |tx| tx.insert_user(&user)).await.id
}

/// Pattern and permission of what a user is granted.
async fn granted(store: &Store, user: i64) -> Vec<(String, String)> {
    let grants = read(store, move |tx| tx.grants(user)).await;
    assert!(grants.iter().all(|one| one.project == "roles"));
    let pair = |one: Grant| (one.resource_pattern, one.permission);
    grants.into_iter().map(pair).collect()
}

fn pairs(expect: &[(&str, &str)]) -> Vec<(String, String)> {
    let own = |(a, b): &(&str, &str)| ((*a).to_owned(), (*b).to_owned());
    expect.iter().map(own).collect()
}

pub(super) async fn check(store: &Store) {
    let (ann, ben) = (
        user(store, "ann of roles").await,
        user(store, "ben of roles").await,
    );
    let readers = made(store, role("roles", "readers")).await;
    let elsewhere = made(store, role("roles 2", "readers")).await;
    assert!(elsewhere.id > readers.id);
    let twice = refused(store, |tx| tx.insert_role(&role("roles", "readers"))).await;
    assert!(twice.contains("readers"), "{twice}");
    let id = readers.id;
    assert_eq!(
        read(store, move |tx| tx.role(id)).await,
        Some(readers.clone())
    );
    let renamed = Role {
        name: "lookers".into(),
        description: Some("who look".into()),
        ..readers
    };
    let change = renamed.clone();
    write(store, move |tx| tx.update_role(&change)).await;
    let taken = made(store, role("roles", "taken")).await;
    refused(store, move |tx| {
        tx.update_role(&Role {
            name: "lookers".into(),
            ..taken.clone()
        })
    })
    .await;
    let all = read(store, |tx| tx.roles()).await;
    assert_eq!(all[0], renamed);
    assert_eq!(all.len(), 3);
    permissions(store, id, ann).await;
    follow(store, id, ann).await;
    ends(store, id, ann, ben).await;
}

async fn permissions(store: &Store, role: i64, ann: i64) {
    let one = permitted(store, permission(role, "m", "READ"))
        .await
        .unwrap();
    assert_eq!(permitted(store, permission(role, "m", "EDIT")).await, None);
    let id = one.id;
    write(store, move |tx| tx.set_role_permission(id, "USE")).await;
    let found = read(store, move |tx| tx.role_permission(id)).await.unwrap();
    assert_eq!(found.permission, "USE");
    assert_eq!(
        read(store, move |tx| tx.role_permissions(role)).await,
        [found]
    );
    refused(store, |tx| tx.set_role_permission(i64::MAX, "USE")).await;
    assert!(!write(store, |tx| tx.delete_role_permission(i64::MAX)).await);
    let held = write(store, move |tx| tx.assign_role(ann, role))
        .await
        .unwrap();
    assert_eq!((held.user, held.role), (ann, role));
    assert_eq!(
        write(store, move |tx| tx.assign_role(ann, role)).await,
        None
    );
    assert_eq!(read(store, move |tx| tx.role_users(role)).await, [held]);
    assert_eq!(granted(store, ann).await, pairs(&[("m", "USE")]));
}

/// What a direct grant and a role say of a model that is renamed and removed.
async fn follow(store: &Store, role_id: i64, ann: i64) {
    let own = made(store, role("roles", &own_role(ann))).await.id;
    write(store, move |tx| tx.assign_role(ann, own)).await;
    permitted(store, permission(own, "m", "DENY")).await;
    permitted(store, permission(own, "n", "READ")).await;
    let rename = |from: &'static str, to: &'static str| {
        write(store, move |tx| {
            tx.rename_grants("roles", "registered_model", from, to)
        })
    };
    rename("m", "n").await;
    assert_eq!(
        granted(store, ann).await,
        pairs(&[("n", "USE"), ("n", "DENY")]),
        "what was said of the model goes with it"
    );
    permitted(store, permission(own, "o", "READ")).await;
    rename("o", "n").await;
    assert_eq!(
        granted(store, ann).await,
        pairs(&[("n", "USE"), ("n", "DENY"), ("o", "READ")]),
        "a denial is never overwritten"
    );
    for (project, gone) in [("roles 2", 0), ("roles", 1)] {
        let forgotten = write(store, move |tx| {
            tx.forget_grants(project, "registered_model", "n")
        });
        assert_eq!(forgotten.await, gone, "{project}");
    }
    assert_eq!(
        granted(store, ann).await,
        pairs(&[("n", "USE"), ("o", "READ")]),
        "roles that people made stay"
    );
    let names = read(store, move |tx| tx.user_roles(ann)).await;
    assert_eq!(
        names.iter().map(|one| one.id).collect::<Vec<_>>(),
        [role_id, own]
    );
}

async fn ends(store: &Store, role: i64, ann: i64, ben: i64) {
    write(store, move |tx| tx.assign_role(ben, role)).await;
    assert!(write(store, |tx| tx.delete_user("ann of roles")).await);
    assert_eq!(granted(store, ann).await, []);
    let all = read(store, |tx| tx.roles()).await;
    assert!(all.iter().all(|one| !one.name.starts_with(OWN_ROLE)));
    let held = read(store, move |tx| tx.role_users(role)).await;
    assert_eq!(held.iter().map(|one| one.user).collect::<Vec<_>>(), [ben]);
    assert_eq!(granted(store, ben).await, pairs(&[("n", "USE")]));
    assert!(write(store, move |tx| tx.unassign_role(ben, role)).await);
    assert!(!write(store, move |tx| tx.unassign_role(ben, role)).await);
    write(store, move |tx| tx.assign_role(ben, role)).await;
    assert!(write(store, move |tx| tx.delete_role(role)).await);
    assert!(!write(store, move |tx| tx.delete_role(role)).await);
    assert_eq!(granted(store, ben).await, []);
    assert_eq!(read(store, move |tx| tx.user_roles(ben)).await, []);
}
