//! Histories of metrics in pages: every point once and in order, however many series it is spread over, and whatever comes
//! while somebody walks.

use jiff::SignedDuration;

use super::{experiment, point, read, tracked, write};
use crate::{
    Experiments as _, MetricPoint, NewExperiment, Page, Store, TrackedRun, Tracking as _,
    TrackingRead as _,
};
use crate::{search::Cursor, tests::at};

pub(super) async fn check(store: &Store) {
    let home = NewExperiment {
        project: "histories".into(),
        ..experiment("histories")
    };
    let home = write(store, move |tx| tx.create_experiment(&home)).await;
    for run in ["run-walked", "run-growing", "run-spread"] {
        let run = TrackedRun {
            project: "histories".into(),
            ..tracked(run, &home)
        };
        write(store, move |tx| tx.create_tracked_run(&run)).await;
    }
    ties(store).await;
    growing(store).await;
    spread(store).await;
}

async fn page(
    store: &Store,
    run: &'static str,
    after: Option<Cursor>,
    limit: u32,
) -> Page<MetricPoint> {
    read(store, move |tx| {
        tx.metric_history(run, "m", after.as_ref(), limit)
    })
    .await
}

async fn walked(store: &Store, run: &'static str, limit: u32) -> Vec<MetricPoint> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = page(store, run, after, limit).await;
        assert!(page.items.len() <= limit as usize);
        all.extend(page.items);
        match page.next {
            Some(next) => after = Some(next),
            None => return all,
        }
    }
}

/// A point `second` seconds after the others.
fn later(value: f64, second: i64, step: i64) -> MetricPoint {
    MetricPoint {
        at: at(0) + SignedDuration::from_secs(second),
        ..point("m", value, step)
    }
}

/// By time, then step, then value; NaN stands where 0 does.
async fn ties(store: &Store) {
    let inf = f64::INFINITY;
    let sorted = [
        later(5.0, -3, 9),
        later(-inf, 0, -1),
        later(-1.0, 0, 1),
        later(0.0, 0, 1),
        later(f64::NAN, 0, 1),
        later(5e-324, 0, 1),
        later(inf, 0, 1),
        later(-7.0, 0, 2),
        later(0.0, 1, -5),
    ];
    let shuffled: Vec<_> = (0..9).map(|n| sorted[n * 4 % 9].clone()).collect();
    write(store, move |tx| tx.log_metrics("run-walked", &shuffled)).await;
    let bits = |points: &[MetricPoint]| -> Vec<_> {
        let one = |point: &MetricPoint| (point.at, point.step, point.value.to_bits());
        points.iter().map(one).collect()
    };
    for limit in [1, 2, 8, 9, 10] {
        let all = walked(store, "run-walked", limit).await;
        assert_eq!(bits(&all), bits(&sorted), "in pages of {limit}");
    }
    assert_eq!(page(store, "run-walked", None, 9).await.next, None);
    assert!(page(store, "run-walked", None, 0).await.items.is_empty());
    // A cursor of this metric is none of another one, nor of another run, nor is any text one.
    let next = page(store, "run-walked", None, 1).await.next.unwrap();
    for (run, key, cursor) in [
        ("run-walked", "n", next.clone()),
        ("run-growing", "m", next),
        ("run-walked", "m", Cursor("7".into())),
    ] {
        let refused = store
            .read(move |tx| tx.metric_history(run, key, Some(&cursor), 5))
            .await;
        let said = refused.unwrap_err().to_string();
        assert!(said.contains("another search"), "{said}");
    }
}

/// Points that come while somebody walks move none of those that were there.
async fn growing(store: &Store) {
    let before: Vec<_> = (0..200).map(|n| later(1.0, 10 * n, n)).collect();
    let first = before.clone();
    write(store, move |tx| tx.log_metrics("run-growing", &first)).await;
    let (mut seen, mut after) = (Vec::new(), None);
    for turn in 0.. {
        let found = page(store, "run-growing", after, 7).await;
        seen.extend(found.items);
        let Some(next) = found.next else { break };
        after = Some(next);
        // Behind where the walk is, before it, right beside it, and at both ends.
        let here = seen.last().map(|last| last.step).unwrap();
        let more = [
            later(0.5, 10 * here, here),
            later(2.0, 10 * here, here),
            later(3.0, 10 * here - 35, 1000 + turn),
            later(3.0, 10 * here + 35, 1000 + turn),
            later(4.0, -1 - turn, turn),
            later(4.0, 5000 + turn, turn),
        ];
        write(store, move |tx| tx.log_metrics("run-growing", &more)).await;
        assert!(turn < 500, "the walk does not end");
    }
    let old = |point: &&MetricPoint| point.value == 1.0;
    let kept: Vec<_> = seen.iter().filter(old).cloned().collect();
    assert_eq!(kept, before);
    let place = |point: &MetricPoint| (point.at, point.step, point.value);
    assert!(seen.iter().map(place).is_sorted_by(|a, b| a < b));
}

/// The same point measured on several models is one, with more series than one statement reads.
async fn spread(store: &Store) {
    let on = |model: i64, n: i64| MetricPoint {
        model_id: Some(format!("m-{model}")),
        ..later(1.0, n, n)
    };
    let mut points: Vec<_> = (0..130).map(|model| on(model, model * 7 % 130)).collect();
    points.extend((0..130).map(|model| on(model, 50)));
    write(store, move |tx| tx.log_metrics("run-spread", &points)).await;
    for limit in [1, 3, 129, 130, 1000] {
        let all = walked(store, "run-spread", limit).await;
        let steps: Vec<_> = all.iter().map(|point| point.step).collect();
        assert_eq!(steps, (0..130).collect::<Vec<_>>(), "in pages of {limit}");
    }
}
