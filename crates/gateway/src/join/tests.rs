//! Checks that labels on disk are whole and that segments follow each other without a gap.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};

use super::segments::Segments;
use super::*;
use crate::evidence::{Counters, VersionEvidence};

fn prediction(id: &str) -> Prediction<'_> {
    Prediction {
        route: "flights/prod/delay",
        version: 3,
        id,
        y: 12.5,
        t: 1_364_774_400_000_000,
        a: 1_700_000_000_000_000,
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn lines(folder: &Path) -> Vec<Value> {
    let mut all = Vec::new();
    for path in files(folder) {
        let text = std::fs::read_to_string(path).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'), "{text:?}");
        all.extend(
            text.lines()
                .map(|line| serde_json::from_str::<Value>(line).unwrap()),
        );
    }
    all
}

#[test]
fn records_are_one_line_of_json_each() {
    let mut out = Vec::new();
    prediction("a\"b\n").append(&mut out);
    let nan = Prediction {
        y: f64::NAN,
        ..prediction("n")
    };
    nan.append(&mut out);
    let label = Label {
        route: "flights/prod/delay",
        id: "a",
        y: 0.1,
        t: None,
        a: 5,
    };
    label.append(&mut out);
    Label {
        t: Some(4),
        ..label
    }
    .append(&mut out);
    let text = String::from_utf8(out).unwrap();
    let (r, a, t) = (
        "flights/prod/delay",
        1_700_000_000_000_000_i64,
        1_364_774_400_000_000_i64,
    );
    let expect = [
        json!({"k":"p","r":r,"v":3,"id":"a\"b\n","y":12.5,"t":t,"a":a}),
        json!({"k":"p","r":r,"v":3,"id":"n","y":null,"t":t,"a":a}),
        json!({"k":"l","r":r,"id":"a","y":0.1,"a":5}),
        json!({"k":"l","r":r,"id":"a","y":0.1,"t":4,"a":5}),
    ];
    let got: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(got, expect);
}

#[test]
fn no_line_is_longer_than_promised() {
    for id in ["", "\u{1}\u{1}\u{1}", "\"\"", "\u{e9}\u{1F600}"] {
        let longest = Prediction {
            version: u32::MAX,
            y: -1.234_567_890_123_456_7e-300,
            t: i64::MIN,
            a: i64::MIN,
            ..prediction(id)
        };
        let mut out = Vec::new();
        longest.append(&mut out);
        assert!(
            out.len() <= longest.max_len(),
            "{} > {}",
            out.len(),
            longest.max_len()
        );
    }
}

#[test]
fn files_are_named_by_their_first_record_and_a_torn_line_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let line = b"{\"k\":\"l\"}\n";
    let mut log = Segments::open(path, 25).unwrap();
    for _ in 0..7 {
        log.append(line, 1).unwrap();
    }
    drop(log);
    let names: Vec<_> = files(path)
        .iter()
        .map(|p| p.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    let name = |first| format!("join-{first:020}.log");
    assert_eq!(names, [name(0), name(3), name(6)]);

    // A crash in the middle of a line.
    let last = path.join(name(6));
    let mut torn = std::fs::read(&last).unwrap();
    torn.extend_from_slice(b"{\"k\":\"p\",\"r\":\"fli");
    std::fs::write(&last, torn).unwrap();
    let mut log = Segments::open(path, 25).unwrap();
    assert_eq!(std::fs::read(&last).unwrap(), line);
    for _ in 0..3 {
        log.append(line, 1).unwrap();
    }
    assert_eq!(lines(path).len(), 10);
    assert!(path.join(name(9)).exists());

    // Wherever the crash cuts, whole lines stay and half ones go.
    let whole = std::fs::read(path.join(name(6))).unwrap();
    for cut in 0..=whole.len() {
        let other = tempfile::tempdir().unwrap();
        let file = other.path().join(name(6));
        std::fs::write(&file, &whole[..cut]).unwrap();
        let mut log = Segments::open(other.path(), 1 << 20).unwrap();
        log.append(line, 1).unwrap();
        let lines_left = cut / line.len();
        assert_eq!(lines(other.path()).len(), lines_left + 1, "cut at {cut}");
    }

    // A file that holds nothing but a torn line.
    std::fs::write(path.join(name(9)), b"{").unwrap();
    let mut log = Segments::open(path, 25).unwrap();
    log.append(line, 1).unwrap();
    assert_eq!(lines(path).len(), 10);
}

#[tokio::test]
async fn labels_are_on_disk_when_acknowledged_and_after_their_predictions() {
    let folder = tempfile::tempdir().unwrap();
    let lane = Arc::new(Lane::default());
    let counters = Arc::new(Counters::new());
    let (log, thread) = JoinLog::start(folder.path(), 1 << 20, vec![Arc::clone(&lane)]).unwrap();
    for round in 0..5 {
        let id = format!("req-{round}");
        lane.push(&prediction(&id), &counters);
        let mut line = Vec::new();
        let label = Label {
            route: "flights/prod/delay",
            id: &id,
            y: 1.0,
            t: None,
            a: 9,
        };
        label.append(&mut line);
        log.keep(line, 1).await.unwrap();
        let all = lines(folder.path());
        let last: Vec<_> = all
            .iter()
            .rev()
            .take(2)
            .map(|l| (&l["k"], &l["id"]))
            .collect();
        assert_eq!(last, [(&json!("l"), &json!(id)), (&json!("p"), &json!(id))]);
    }
    lane.push(&prediction("last"), &counters);
    drop(log);
    thread.join().unwrap();
    assert_eq!(lines(folder.path()).len(), 11);
}

#[test]
fn what_a_lane_cannot_take_is_counted() {
    let lane = Lane::default();
    let counters = Arc::new(Counters::new());
    let long = "x".repeat(MAX_ID);
    for _ in 0..2000 {
        lane.push(&prediction(&long), &counters);
    }
    lane.push(&prediction(&"x".repeat(MAX_ID + 1)), &counters);
    let mut buffer = lane::Buffer::default();
    lane.swap(&mut buffer);
    let mut sum = VersionEvidence::default();
    counters.add_to(&mut sum);
    assert!(sum.unlogged > 0 && buffer.records() > 0, "{sum:?}");
    assert_eq!(sum.unlogged + buffer.records(), 2001);
    assert_eq!(
        buffer.bytes.iter().filter(|b| **b == b'\n').count() as u64,
        buffer.records()
    );
}
