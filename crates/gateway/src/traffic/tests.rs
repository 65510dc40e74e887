//! Checks that the traffic log says what passed, and drops and counts rather than waits.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use parquet::file::reader::{FileReader as _, SerializedFileReader};

use super::*;
use crate::evidence::{Counters, VersionEvidence};
use crate::table::{Limits, Route};

fn row(number: u16, body: &'static str, counters: &Arc<Counters>) -> Row {
    let route = Route {
        project: "flights".into(),
        environment: "prod".into(),
        service: "delay".into(),
        root: false,
        sticky: None,
        join: None,
        time: None,
        salt: String::new(),
        arms: vec![],
        limits: Limits::default(),
        speaks: Default::default(),
    };
    Row {
        time: 1_700_000_000_000_000 + i64::from(number),
        route: Arc::new(route),
        version: 3,
        request_id: format!("req-{number}"),
        status: if number.is_multiple_of(2) { 200 } else { 500 },
        latency_micros: 250,
        body: Bytes::from_static(body.as_bytes()),
        prediction: if number.is_multiple_of(2) {
            1.5
        } else {
            f64::NAN
        },
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
    std::fs::write(folder.path().join("traffic-1.parquet.tmp"), b"PAR1").unwrap();
    let options = TrafficOptions {
        max_body: 8,
        ..TrafficOptions::usual()
    };
    let tap = Arc::new(Tap::new(options.max_body, usize::MAX));
    let counters = Arc::new(Counters::new());
    let (running, thread) = start(folder.path(), options, vec![Arc::clone(&tap)]).unwrap();
    assert!(files(folder.path(), "tmp").is_empty());
    for number in 0..10 {
        tap.push(row(number, "{\"dep_delay\":5.0}", &counters));
    }
    drop(running);
    thread.join().unwrap();

    assert!(files(folder.path(), "tmp").is_empty());
    let [path] = &files(folder.path(), "parquet")[..] else {
        panic!("one file expected");
    };
    let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
    let names: Vec<_> = reader
        .metadata()
        .file_metadata()
        .schema_descr()
        .columns()
        .iter()
        .map(|column| column.name().to_owned())
        .collect();
    let expect =
        "time project environment service version request_id status latency_micros body prediction";
    assert_eq!(names.join(" "), expect);
    let rows: Vec<String> = reader
        .into_iter()
        .map(|row| row.unwrap().to_string())
        .collect();
    assert_eq!(rows.len(), 10);
    for part in [
        "project: \"flights\"",
        "version: 3",
        "request_id: \"req-0\"",
        "status: 200",
        "prediction: 1.5",
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
        tap.push(row(number, "{}", &counters));
    }
    let kept = tap.take().len() as u64;
    assert!(kept > 0);
    assert!(dropped(&counters) > 0);
    assert_eq!(kept + dropped(&counters), 5000);
}

#[test]
fn the_oldest_files_go_first() {
    let folder = tempfile::tempdir().unwrap();
    for age in 1..=3 {
        std::fs::write(
            folder.path().join(format!("traffic-{age:020}.parquet")),
            [0; 100],
        )
        .unwrap();
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
        tap.push(row(0, "{}", &counters));
        let (running, thread) = start(folder.path(), options, vec![Arc::clone(&tap)]).unwrap();
        drop(running);
        thread.join().unwrap();
    };
    let len = |path: &PathBuf| std::fs::metadata(path).unwrap().len();
    write(1 << 20);
    assert_eq!(files(folder.path(), "parquet").len(), 4);
    let sum: u64 = files(folder.path(), "parquet").iter().map(len).sum();
    write(sum - 150 + (sum - 300));
    let mut left = files(folder.path(), "parquet");
    left.sort();
    let oldest = left[0].file_name().unwrap().to_str().unwrap();
    assert_eq!(
        (left.len(), oldest),
        (3, "traffic-00000000000000000003.parquet")
    );
}

#[test]
fn old_files_go_however_small() {
    let folder = tempfile::tempdir().unwrap();
    let day = 24 * 3600 * 1_000_000;
    for n in 1..=4 {
        let name = writer::file_name(n * day);
        std::fs::write(folder.path().join(name), "x").unwrap();
    }
    let options = TrafficOptions {
        keep_age: Duration::from_secs(2 * 24 * 3600),
        ..TrafficOptions::usual()
    };
    for (now, left) in [(day, 4), (4 * day, 3), (5 * day, 2), (90 * day, 0)] {
        writer::forget_oldest(folder.path(), &options, now).unwrap();
        assert_eq!(files(folder.path(), "parquet").len(), left, "{now}");
    }
}

#[test]
fn more_than_the_budget_is_sampled_and_counted() {
    let counters = Arc::new(Counters::new());
    let tap = Tap::new(1 << 20, 10_000);
    let offer = |count: usize| (0..count).filter(|_| tap.admits(100, &counters)).count();
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
