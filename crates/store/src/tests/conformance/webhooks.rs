//! Webhooks and what waits to be told.

use super::{read, write};
use crate::tests::at;
use crate::*;

fn webhook(id: &str, second: i64, events: &[&str]) -> Webhook {
    Webhook {
        id: id.into(),
        project: "wh".into(),
        name: "chat".into(),
        url: "https://chat.example/hook".into(),
        description: String::new(),
        events: events.iter().map(|one| (*one).to_owned()).collect(),
        secret: Some("sealed".into()),
        active: true,
        created_at: at(second),
        updated_at: at(second),
    }
}

fn happening(event: &str) -> Happening {
    Happening {
        project: "wh".into(),
        event: event.into(),
        data: serde_json::json!({ "name": "greet" }),
        at: at(0),
    }
}

fn delivery(id: &str, webhook: &str) -> Delivery {
    Delivery::new(id.into(), webhook.into(), &happening("prompt.created"))
}

pub(super) async fn check(store: &Store) {
    records(store).await;
    outbox(store).await;
    told(store).await;
    goes_with_its_project(store).await;
}

async fn records(store: &Store) {
    for (id, second) in [("a", 1), ("b", 2), ("c", 2)] {
        let one = webhook(id, second, &["prompt.created", "model_version.created"]);
        write(store, move |tx| tx.create_webhook(&one)).await;
    }
    let known = read(store, |tx| tx.webhook("wh", "a")).await.unwrap();
    assert_eq!(
        known,
        webhook("a", 1, &["model_version.created", "prompt.created"])
    );
    assert_eq!(read(store, |tx| tx.webhook("other", "a")).await, None);
    let page = |after| Search {
        after,
        limit: 2,
        ..Search::default()
    };
    let ids = |page: &Page<Webhook>| {
        page.items
            .iter()
            .map(|one| one.id.clone())
            .collect::<Vec<_>>()
    };
    let first = read(store, move |tx| tx.search_webhooks("wh", &page(None))).await;
    assert_eq!(ids(&first), ["c", "b"]);
    let second = read(store, move |tx| tx.search_webhooks("wh", &page(first.next))).await;
    assert_eq!((ids(&second), second.next), (vec!["a".to_owned()], None));
    let off = Webhook {
        active: false,
        secret: None,
        ..webhook("b", 2, &["prompt.created"])
    };
    write(store, move |tx| tx.update_webhook(&off)).await;
    let hear = async |event: &'static str| {
        let found = read(store, move |tx| tx.listeners("wh", event)).await;
        found.into_iter().map(|one| one.id).collect::<Vec<_>>()
    };
    assert_eq!(hear("prompt.created").await, ["a", "c"]);
    assert_eq!(hear("prompt_tag.set").await, [""; 0]);
    assert!(!write(store, |tx| tx.delete_webhook("other", "c")).await);
    assert!(write(store, |tx| tx.delete_webhook("wh", "c")).await);
    assert!(!write(store, |tx| tx.delete_webhook("wh", "c")).await);
}

async fn outbox(store: &Store) {
    let back = webhook("b", 2, &["prompt.created"]);
    write(store, move |tx| tx.update_webhook(&back)).await;
    for (id, to) in [("1", "b"), ("2", "a"), ("3", "b"), ("4", "a")] {
        assert!(write(store, move |tx| tx.enqueue(&delivery(id, to), 2)).await);
    }
    let left_out = !write(store, |tx| tx.enqueue(&delivery("5", "a"), 2)).await;
    assert!(left_out, "two wait for it already");
    let first = async || {
        let found = read(store, |tx| tx.first_deliveries()).await;
        let found = found.into_iter().filter(|(_, hook)| hook.project == "wh");
        found
            .map(|(one, hook)| (one.seq, one.id, one.attempts, one.not_before, hook.id))
            .collect::<Vec<_>>()
    };
    let heads = first().await;
    let named: Vec<_> = heads
        .iter()
        .map(|head| (head.1.as_str(), head.4.as_str()))
        .collect();
    assert_eq!(named, [("1", "b"), ("2", "a")], "in order, one of each");
    let seq = heads[0].0;
    write(store, move |tx| tx.put_off(seq, at(5), at(6))).await;
    let again = first().await;
    assert_eq!((again[0].2, again[0].3), (1, Some(at(6))), "it stays first");
    assert!(write(store, move |tx| tx.settle(seq)).await);
    assert!(!write(store, move |tx| tx.settle(seq)).await);
    assert_eq!(first().await[1].1, "3", "the next of that webhook");
    let off = Webhook {
        active: false,
        ..webhook("b", 2, &["prompt.created"])
    };
    write(store, move |tx| tx.update_webhook(&off)).await;
    write(store, |tx| tx.delete_webhook("wh", "a")).await;
    assert_eq!(first().await, [], "they go when nobody hears them");
    assert_eq!(read(store, |tx| tx.waiting_deliveries()).await, 0);
}

/// Those that want to hear of it, in their own project.
async fn told(store: &Store) {
    let mut foreign = webhook("d", 3, &["prompt.created"]);
    foreign.project = "wh-other".into();
    for one in [
        webhook("a", 1, &["prompt.created"]),
        webhook("c", 2, &["prompt_tag.set"]),
        foreign,
    ] {
        write(store, move |tx| tx.create_webhook(&one)).await;
    }
    write(store, |tx| tx.tell(&happening("prompt.created"))).await;
    write(store, |tx| tx.tell(&happening("prompt.deleted"))).await;
    let waiting = read(store, |tx| tx.first_deliveries()).await;
    let [(one, to)] = waiting.as_slice() else {
        panic!("{waiting:?}");
    };
    assert_eq!(
        (one.event.as_str(), to.id.as_str()),
        ("prompt.created", "a")
    );
    assert_eq!((&one.data, one.created_at), (&happening("").data, at(0)));
    write(store, |tx| tx.delete_project("wh-other")).await;
}

async fn goes_with_its_project(store: &Store) {
    write(store, |tx| tx.delete_project("wh")).await;
    assert_eq!(read(store, |tx| tx.webhook("wh", "b")).await, None);
}
