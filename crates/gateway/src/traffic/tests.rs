//! Checks that the traffic log says what passed, and drops and counts rather than waits.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use parquet::file::reader::{FileReader as _, SerializedFileReader};

use super::*;
use crate::evidence::{Counters, VersionEvidence};
use crate::table::{LogRules, Route};

fn row(number: u16, body: &'static str, counters: &Arc<Counters>) -> Row {
    let route = Route {
        project: "flights".into(),
        environment: "prod".into(),
        service: "delay".into(),
        ..Route::default()
    };
    Row {
        time: 1_700_000_000_000_000 + i64::from(number),
        route: Arc::new(route),
        version: 3,
        request_id: format!("req-{number}").into(),
        status: if number.is_multiple_of(2) { 200 } else { 500 },
        latency_micros: 250,
        protocol: Protocol::Rows,
        body: Payload::body(&Bytes::from_static(body.as_bytes()), 0),
        answer: Payload::answer(&Bytes::from_static(b"{\"prediction\":1.5}"), 0),
        instances: vec![Instance {
            id: format!("req-{number}").into(),
            prediction: if number.is_multiple_of(2) {
                1.5
            } else {
                f64::NAN
            },
        }],
        counters: Arc::clone(counters),
    }
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|e| e == extension))
        .collect()
}

fn dropped(counters: &Counters) -> u64 {
    let mut sum = VersionEvidence::default();
    counters.add_to(&mut sum);
    sum.traffic_dropped
}

#[test]
fn a_finished_file_has_every_row_in_its_columns() {
    let folder = tempfile::tempdir().unwrap();
    let log = &folder.path().join("log");
    std::fs::create_dir(log).unwrap();
    std::fs::write(log.join("traffic-1.parquet.tmp"), b"PAR1").unwrap();
    let options = TrafficOptions {
        max_body: 8,
        ..TrafficOptions::usual()
    };
    let tap = Arc::new(Tap::new(options.max_body, usize::MAX));
    let counters = Arc::new(Counters::new());
    let (running, thread) = start(folder.path(), options, vec![Arc::clone(&tap)]).unwrap();
    assert!(files(log, "tmp").is_empty());
    // More than are written of a column without a rest.
    let count = 300;
    for number in 0..count {
        tap.push(|_| row(number, "{\"dep_delay\":5.0}", &counters));
    }
    drop(running);
    thread.join().unwrap();

    assert!(files(log, "tmp").is_empty());
    let [path] = &files(log, "parquet")[..] else {
        panic!("one file expected");
    };
    let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
    let names: Vec<_> = reader
        .metadata()
        .file_metadata()
        .schema_descr()
        .columns()
        .iter()
        .map(|column| column.path().string())
        .collect();
    let expect = "time project environment service version request_id status latency_micros body prediction \
                  protocol body_bytes body_json_bytes answer answer_bytes answer_json_bytes \
                  row_ids.list.element predictions.list.element";
    assert_eq!(names.join(" "), expect);
    let rows: Vec<String> = reader
        .into_iter()
        .map(|row| row.unwrap().to_string())
        .collect();
    assert_eq!(rows.len(), usize::from(count));
    for (number, row) in rows.iter().enumerate() {
        for part in [
            format!("request_id: \"req-{number}\""),
            format!("row_ids: [\"req-{number}\"]"),
        ] {
            assert!(row.contains(&part), "{row} lacks {part}");
        }
        let is_known = number.is_multiple_of(2);
        assert_eq!(row.contains("prediction: 1.5"), is_known, "{row}");
        assert_eq!(row.contains("predictions: [1.5]"), is_known, "{row}");
    }
    for part in [
        "project: \"flights\"",
        "version: 3",
        "request_id: \"req-0\"",
        "status: 200",
        "prediction: 1.5",
        "protocol: \"rows\"",
        "body_bytes: 17",
        "answer_bytes: 18",
        "body_json_bytes: null",
        "row_ids: [\"req-0\"]",
        "predictions: [1.5]",
    ] {
        assert!(rows[0].contains(part), "{} lacks {part}", rows[0]);
    }
    assert!(rows[1].contains("prediction: null"), "{}", rows[1]);
    assert!(
        rows[0].contains(&format!("body: {:?}", b"{\"dep_de")),
        "{}",
        rows[0]
    );
    assert_eq!(dropped(&counters), 0);
}

#[test]
fn a_full_tap_drops_and_counts() {
    let tap = Tap::new(1 << 20, usize::MAX);
    let counters = Arc::new(Counters::new());
    for number in 0..5000 {
        tap.push(|_| row(number, "{}", &counters));
    }
    let kept = tap.take().len() as u64;
    assert!(kept > 0);
    assert!(dropped(&counters) > 0);
    assert_eq!(kept + dropped(&counters), 5000);
}

#[test]
fn the_oldest_files_go_first() {
    let folder = tempfile::tempdir().unwrap();
    let log = &folder.path().join("log");
    std::fs::create_dir(log).unwrap();
    for age in 1..=3 {
        std::fs::write(log.join(format!("traffic-{age:020}.parquet")), [0; 100]).unwrap();
    }
    let options = TrafficOptions {
        keep_bytes: 3000,
        keep_age: Duration::MAX,
        ..TrafficOptions::usual()
    };
    let tap = Arc::new(Tap::new(8, usize::MAX));
    let counters = Arc::new(Counters::new());
    let write = |keep_bytes| {
        let options = TrafficOptions {
            keep_bytes,
            ..options.clone()
        };
        tap.push(|_| row(0, "{}", &counters));
        let (running, thread) = start(folder.path(), options, vec![Arc::clone(&tap)]).unwrap();
        drop(running);
        thread.join().unwrap();
    };
    let len = |path: &PathBuf| std::fs::metadata(path).unwrap().len();
    write(1 << 20);
    assert_eq!(files(log, "parquet").len(), 4);
    let sum: u64 = files(log, "parquet").iter().map(len).sum();
    write(sum - 150 + (sum - 300));
    let mut left = files(log, "parquet");
    left.sort();
    let oldest = left[0].file_name().unwrap().to_str().unwrap();
    assert_eq!(
        (left.len(), oldest),
        (3, "traffic-00000000000000000003.parquet")
    );
}

#[test]
fn files_go_when_their_time_is_over_and_wait_to_be_copied() {
    let folder = tempfile::tempdir().unwrap();
    let day = 24 * 3600 * 1_000_000;
    let begin = |n: i64, keep: Option<u64>| {
        let name = names::name("traffic", n * day, keep);
        std::fs::write(folder.path().join(&name), "x").unwrap();
        name
    };
    for n in 1..=4 {
        begin(n, None);
    }
    let long = begin(1, Some(80 * 24 * 3600));
    let short = begin(4, Some(3600));
    let options = TrafficOptions {
        keep_age: Duration::from_secs(2 * 24 * 3600),
        ..TrafficOptions::usual()
    };
    let forget = |now: i64, options: &TrafficOptions| {
        retention::forget(folder.path(), options, now).unwrap();
        files(folder.path(), "parquet").len()
    };
    assert!(folder.path().join(&short).exists());
    for (now, left) in [
        (day, 6),
        (4 * day, 5),
        (5 * day, 3),
        (60 * day, 1),
        (90 * day, 0),
    ] {
        assert_eq!(forget(now, &options), left, "{now}");
        assert_eq!(folder.path().join(&long).exists(), now < 90 * day);
    }

    // With a server that copies them, only those that it has copied go, while there is room.
    let marks = folder.path().join("copied");
    std::fs::create_dir(&marks).unwrap();
    let names: Vec<_> = (1..=6).map(|n| begin(n, None)).collect();
    std::fs::write(marks.join(&names[1]), "").unwrap();
    assert_eq!(forget(60 * day, &options), 5);
    assert!(!marks.join(&names[1]).exists());
    let full = TrafficOptions {
        keep_bytes: 1,
        ..options
    };
    assert_eq!(forget(60 * day, &full), 4);
    assert!(!folder.path().join(&names[0]).exists());
}

#[test]
fn a_service_s_wishes_are_obeyed_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let counters = Arc::new(Counters::new());
    let tap = Arc::new(Tap::new(1 << 10, usize::MAX));
    let (running, thread) = start(
        folder.path(),
        TrafficOptions::usual(),
        vec![Arc::clone(&tap)],
    )
    .unwrap();
    let mut own = row(1, "{\"ssn\":\"078-05-1120\"}", &counters);
    let route = Route {
        log: LogRules {
            redact: vec!["ssn".into(), "prediction".into()],
            keep_seconds: Some(60),
            ..LogRules::default()
        },
        ..Route::clone(&own.route)
    };
    own.route = Arc::new(route);
    own.status = 200;
    own.instances[0].prediction = 1.5;
    tap.label(vec![LabelRow {
        time: 1,
        route: Arc::clone(&own.route),
        request_id: "req-1".into(),
        label: 2.0,
        event_time: None,
        counters: Arc::clone(&counters),
    }]);
    tap.push(|_| own);
    tap.push(|_| row(2, "{}", &counters));
    drop(running);
    thread.join().unwrap();
    let mut found = files(&folder.path().join("log"), "parquet");
    found.extend(files(&folder.path().join("labels"), "parquet"));
    let names: Vec<_> = found
        .iter()
        .map(|path| path.file_name().unwrap().to_str().unwrap())
        .collect();
    assert_eq!(
        names
            .iter()
            .filter(|name| name.ends_with("-60s.parquet"))
            .count(),
        2,
        "{names:?}"
    );
    assert_eq!(names.len(), 3, "{names:?}");
    let read = |path: &PathBuf| -> Vec<String> {
        let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
        reader
            .into_iter()
            .map(|row| row.unwrap().to_string())
            .collect()
    };
    let redacted = found[..2]
        .iter()
        .find(|path| path.to_str().unwrap().ends_with("-60s.parquet"));
    let rows = read(redacted.unwrap());
    assert!(
        rows[0].contains(&format!("body: {:?}", b"{\"ssn\":null}")),
        "{rows:?}"
    );
    assert!(
        rows[0].contains("prediction: null") && rows[0].contains("predictions: [NaN]"),
        "{rows:?}"
    );
    let labels = read(&found[2]);
    assert!(
        labels[0].contains("request_id: \"req-1\", label: 2.0"),
        "{labels:?}"
    );
}

#[test]
fn more_than_the_budget_is_sampled_and_counted() {
    let counters = Arc::new(Counters::new());
    let tap = Tap::new(1 << 20, 10_000);
    let half = Payload::body(&Bytes::from_static(&[0; 50]), 0);
    let offer = |count: usize| {
        let admits = |_: &usize| tap.admits([&half, &half], &counters);
        (0..count).filter(admits).count()
    };
    // Nothing is known before the first look.
    assert_eq!(offer(400), 400);
    tap.take();
    // 40,000 bytes came where 10,000 may: about a quarter is kept, evenly.
    for _ in 0..3 {
        let kept = offer(400);
        assert!((60..140).contains(&kept), "{kept} of 400");
        tap.take();
    }
    // Little traffic is kept whole again, from the next look on.
    offer(50);
    tap.take();
    assert_eq!(offer(50), 50);
}
