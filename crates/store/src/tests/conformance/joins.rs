//! Predictions and labels in every order in which they can come.

use jiff::SignedDuration;
use serde_json::json;

use super::{read, write};
use crate::tests::at;
use crate::*;

const ROUTE: &str = "flights/prod/delay";

fn prediction(id: &str, second: i64) -> Prediction {
    Prediction {
        request_id: id.into(),
        version: 3,
        y: 12.5,
        event_at: at(second - 1),
        arrived_at: at(second),
    }
}

fn label(id: &str, truth: f64, second: i64) -> Label {
    Label {
        request_id: id.into(),
        label: truth,
        event_at: None,
        arrived_at: at(second),
    }
}

pub(super) async fn check(store: &Store) {
    let within = SignedDuration::from_secs(100);
    let predict =
        async |all: Vec<Prediction>| write(store, move |tx| tx.add_predictions(ROUTE, &all)).await;
    let tell =
        async |all: Vec<Label>| write(store, move |tx| tx.add_labels(ROUTE, &all, within)).await;
    let done = |joined, waiting, repeated, late| Joined {
        joined,
        waiting,
        repeated,
        late,
    };

    let some = ["a", "b", "c"].map(|id| prediction(id, 10)).to_vec();
    assert_eq!(predict(some.clone()).await, done(0, 3, 0, 0));
    assert_eq!(predict(some[..1].to_vec()).await, done(0, 0, 1, 0));
    // a joins, then comes again; b comes too late; early waits for its prediction, then again.
    let labels = vec![
        label("a", 1.0, 20),
        label("a", 2.0, 21),
        label("b", 3.0, 111),
        label("early", 4.0, 30),
        label("early", 5.0, 31),
    ];
    assert_eq!(tell(labels).await, done(1, 1, 2, 1));
    assert_eq!(
        predict(vec![prediction("early", 29)]).await,
        done(1, 0, 0, 0)
    );
    assert_eq!(tell(vec![label("early", 6.0, 40)]).await, done(0, 0, 1, 0));
    let mut timed = label("c", f64::NAN, 50);
    timed.event_at = Some(at(5));
    assert_eq!(tell(vec![timed]).await, done(1, 0, 0, 0));

    let losses = read(store, |tx| tx.losses(ROUTE, &LossFilter::default())).await;
    let seen: Vec<_> = losses
        .iter()
        .map(|l| (l.request_id.as_str(), l.event_at, l.labelled_at))
        .collect();
    assert_eq!(
        seen,
        [
            ("a", at(9), at(20)),
            ("early", at(28), at(30)),
            ("c", at(5), at(50))
        ]
    );
    assert_eq!(
        (losses[0].prediction, losses[0].label, losses[0].version),
        (12.5, 1.0, 3)
    );
    assert!(losses[2].label.is_nan());
    let newest = async |version, limit| {
        let found = read(store, move |tx| tx.newest_losses(ROUTE, version, limit)).await;
        let ids = found.iter().map(|l| l.request_id.clone());
        ids.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(newest(None, 0).await, "c early a");
    assert_eq!(newest(Some(3), 2).await, "c early");
    assert_eq!(newest(Some(4), 2).await, "");
    let check = async |filter: LossFilter, expect: &[&str]| {
        let found = read(store, move |tx| tx.losses(ROUTE, &filter)).await;
        assert_eq!(
            found
                .iter()
                .map(|l| l.request_id.as_str())
                .collect::<Vec<_>>(),
            expect
        );
    };
    check(
        LossFilter {
            after: losses[0].seq,
            ..LossFilter::default()
        },
        &["early", "c"],
    )
    .await;
    check(
        LossFilter {
            version: Some(4),
            ..LossFilter::default()
        },
        &[],
    )
    .await;
    check(
        LossFilter {
            since: Some(at(9)),
            ..LossFilter::default()
        },
        &["a", "early"],
    )
    .await;
    check(
        LossFilter {
            predicted_since: Some(at(11)),
            limit: 5,
            ..LossFilter::default()
        },
        &["early"],
    )
    .await;

    let counts = JoinCounts {
        waiting_predictions: 1,
        waiting_labels: 0,
        losses: 3,
        repeated: 3,
        late: 1,
    };
    assert_eq!(read(store, |tx| tx.join_counts(ROUTE)).await, counts);
    assert_eq!(
        write(store, |tx| tx.expire_joins(ROUTE, at(11), None)).await,
        3
    );
    assert_eq!(
        write(store, |tx| tx.expire_joins(ROUTE, at(11), Some(at(31)))).await,
        2
    );
    check(LossFilter::default(), &["c"]).await;
    assert_eq!(read(store, |tx| tx.join_routes()).await, [ROUTE]);
    assert_eq!(
        read(store, |tx| tx
            .losses("no/such/route", &LossFilter::default()))
        .await,
        []
    );

    assert_eq!(read(store, |tx| tx.offset("joiner")).await, None);
    for n in [1, 2] {
        write(store, move |tx| {
            tx.set_offset("joiner", &json!(["join-1.log", n]))
        })
        .await;
    }
    assert_eq!(
        read(store, |tx| tx.offset("joiner")).await,
        Some(json!(["join-1.log", 2]))
    );
}
