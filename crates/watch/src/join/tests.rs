//! The joiner against files as the gateway writes them and a store of its own.

use std::io::Write as _;

use store::{JoinCounts, LossFilter, StateDir, StoreUrl};

use super::*;

const ROUTE: &str = "flights/prod/delay";

fn prediction(id: &str, version: u32, y: f64, t: i64) -> String {
    format!(
        "{{\"k\":\"p\",\"r\":\"{ROUTE}\",\"v\":{version},\"id\":\"{id}\",\"y\":{y},\"t\":{t},\"a\":1000}}\n"
    )
}

fn label(id: &str, y: f64, a: i64) -> String {
    format!("{{\"k\":\"l\",\"r\":\"{ROUTE}\",\"id\":\"{id}\",\"y\":{y},\"a\":{a}}}\n")
}

fn append(folder: &std::path::Path, segment: u64, text: &str) {
    std::fs::create_dir_all(folder).unwrap();
    let path = folder.join(format!("join-{segment:020}.log"));
    std::fs::File::options()
        .append(true)
        .create(true)
        .open(path)
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
}

struct World {
    dir: tempfile::TempDir,
    store: store::Store,
    windows: Windows,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::create(dir.path().join("state")).unwrap();
        let store = store::Store::open(&StoreUrl::Sqlite, &state).unwrap();
        Self {
            dir,
            store,
            windows: Windows::default(),
        }
    }

    fn folder(&self) -> std::path::PathBuf {
        self.dir.path().join("traffic/join")
    }

    /// Pumps to the end and returns the sums.
    async fn pump(&self) -> Pumped {
        let (tail, mut all) = (Tail::new(self.folder()), Pumped::default());
        loop {
            let one = pump(&self.store, &tail, &self.windows).await.unwrap();
            for (route, joined) in one.routes {
                let sum = all.routes.entry(route).or_default();
                sum.joined += joined.joined;
                sum.late += joined.late;
                sum.repeated += joined.repeated;
            }
            all.damaged += one.damaged;
            all.no_number += one.no_number;
            if one.at_end {
                return all;
            }
        }
    }

    async fn losses(&self) -> Vec<(String, u32, f64, f64, i64)> {
        use store::JoinLog as _;
        let losses = self
            .store
            .read(|tx| tx.losses(ROUTE, &LossFilter::default()))
            .await
            .unwrap();
        losses
            .into_iter()
            .map(|l| {
                (
                    l.request_id,
                    l.version,
                    l.prediction,
                    l.label,
                    l.event_at.as_microsecond(),
                )
            })
            .collect()
    }

    async fn counts(&self) -> JoinCounts {
        use store::JoinLog as _;
        self.store.read(|tx| tx.join_counts(ROUTE)).await.unwrap()
    }
}

/// Two machines that share a store have a log each, and take turns.
#[tokio::test]
async fn each_log_has_a_place_of_its_own() {
    let own = World::new();
    let line = |id: &str, y: i64| {
        format!(
            "{{\"k\":\"p\",\"r\":\"{ROUTE}\",\"v\":1,\"id\":\"{id}\",\"y\":{y},\"a\":1}}\n{{\"k\":\"l\",\"r\":\"{ROUTE}\",\"id\":\"{id}\",\"y\":0,\"a\":2}}\n"
        )
    };
    let logs = ["one", "two"].map(|name| {
        let folder = own.dir.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        (folder.clone(), Tail::new(folder).named(name))
    });
    let mut joined = Vec::new();
    for (turn, log) in [0, 1, 0, 1].into_iter().enumerate() {
        let (folder, tail) = &logs[log];
        let place = folder.join(format!("join-{:020}.log", 1));
        let mut text = std::fs::read_to_string(&place).unwrap_or_default();
        text += &line(&format!("r{turn}"), 1);
        std::fs::write(&place, text).unwrap();
        let one = pump(&own.store, tail, &own.windows).await.unwrap();
        joined.push(one.routes.values().map(|route| route.joined).sum::<u64>());
    }
    assert_eq!(joined, [1, 1, 1, 1]);
    assert_eq!(own.losses().await.len(), 4);
}

#[test]
fn a_line_is_read_or_refused_by_name() {
    let check = |line: &str, expected: &str| {
        let text = match Record::parse(line.as_bytes()) {
            Ok(Record::Prediction(route, p)) => {
                format!(
                    "p {route} {} v{} {} @{} a{}",
                    p.request_id,
                    p.version,
                    p.y,
                    p.event_at.as_microsecond(),
                    p.arrived_at.as_microsecond()
                )
            }
            Ok(Record::Label(route, l)) => {
                format!(
                    "l {route} {} {} @{:?} a{}",
                    l.request_id,
                    l.label,
                    l.event_at.map(jiff::Timestamp::as_microsecond),
                    l.arrived_at.as_microsecond()
                )
            }
            Ok(Record::NoNumber) => "no number".to_owned(),
            Err(error) => error.to_string(),
        };
        assert_eq!(text, expected, "{line}");
    };
    check(
        r#"{"k":"p","r":"a/b/c","v":3,"id":"x","y":1.5,"t":7,"a":9}"#,
        "p a/b/c x v3 1.5 @7 a9",
    );
    check(
        r#"{"k":"p","r":"a/b/c","v":3,"id":"x","y":1.5,"a":9}"#,
        "p a/b/c x v3 1.5 @9 a9",
    );
    check(
        r#"{"k":"p","r":"a/b/c","v":3,"id":"x","y":1.5,"t":9223372036854775807,"a":9}"#,
        "p a/b/c x v3 1.5 @9 a9",
    );
    check(
        r#"{"k":"p","r":"a/b/c","v":3,"id":"x","y":null,"t":7,"a":9}"#,
        "no number",
    );
    check(
        r#"{"k":"l","r":"a/b/c","id":"x\ny","y":-2,"a":9,"new":[1]}"#,
        "l a/b/c x\ny -2 @None a9",
    );
    check(
        r#"{"k":"l","r":"a/b/c","id":"x","y":2,"t":5,"a":9}"#,
        "l a/b/c x 2 @Some(5) a9",
    );
    check(
        r#"{"k":"z","r":"a/b/c","id":"x","y":2,"a":9}"#,
        "records of kind `z` are unknown; a newer gateway wrote them",
    );
    check(
        r#"{"k":"p","r":"a/b/c","id":"x","y":2,"a":9}"#,
        "the record has no usable `v`",
    );
    check(
        r#"{"k":"l","r":"a/b/c","id":"x","y":2,"a":9223372036854775807}"#,
        "the record has no usable `a`",
    );
    check(
        r#"{"k":"l","r":"a/b/c","id":"x\u0000","y":2,"a":9}"#,
        "the record has no usable `id`",
    );
    check("{\"k\":\"l\"", "not a record of the join log");
}

#[test]
fn the_tail_takes_whole_lines_across_segments_and_survives_cuts() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, tail) = (dir.path().to_owned(), Tail::new(dir.path()));
    let read = |at: Position, limit: usize| {
        let chunk = tail.read(at, limit).unwrap();
        (String::from_utf8(chunk.lines).unwrap(), chunk.next)
    };
    let at = |segment, offset| Position { segment, offset };
    assert_eq!(
        Tail::new(folder.join("missing")).read(at(0, 0), 9).unwrap(),
        Chunk::default()
    );
    append(&folder, 0, "one\ntwo\nthr");
    assert_eq!(read(at(0, 0), 100), ("one\ntwo\n".into(), at(0, 8)));
    assert_eq!(read(at(0, 0), 5), ("one\n".into(), at(0, 4)));
    assert_eq!(
        read(at(0, 0), 2),
        ("one\n".into(), at(0, 4)),
        "a line longer than the limit"
    );
    assert_eq!(
        read(at(0, 8), 100),
        (String::new(), at(0, 8)),
        "a torn line waits"
    );
    append(&folder, 0, "ee\n");
    assert_eq!(read(at(0, 8), 100), ("three\n".into(), at(0, 14)));
    append(&folder, 3, "four\n");
    append(&folder, 4, "");
    assert_eq!(read(at(0, 14), 100), ("four\n".into(), at(3, 5)));
    assert_eq!(read(at(3, 5), 100), (String::new(), at(4, 0)));
    append(&folder, 4, "five\n");
    assert_eq!(
        read(at(4, 40), 100),
        (String::new(), at(4, 5)),
        "the gateway cut the file"
    );
    std::fs::write(folder.join("join-1.log"), "no segment\n").unwrap();
    tail.forget(at(4, 0)).unwrap();
    let mut left: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, ["join-00000000000000000004.log", "join-1.log"]);
}

#[tokio::test]
async fn the_first_label_wins_and_late_or_repeated_ones_are_counted() {
    let mut world = World::new();
    world
        .windows
        .by_route
        .insert(ROUTE.to_owned(), jiff::SignedDuration::from_micros(500));
    let text = [
        prediction("a", 1, 10.0, 7),
        prediction("b", 2, 20.0, 8),
        label("a", 12.0, 1200),
        label("a", 99.0, 1300),
        label("c", 5.0, 1100),
        label("b", 1.0, 5000),
        "nonsense\n".to_owned(),
        format!(
            "{{\"k\":\"p\",\"r\":\"{ROUTE}\",\"v\":2,\"id\":\"n\",\"y\":null,\"t\":1,\"a\":1}}\n"
        ),
    ];
    append(&world.folder(), 0, &text.concat());
    let pumped = world.pump().await;
    assert_eq!((pumped.damaged, pumped.no_number), (1, 1));
    assert_eq!(world.losses().await, [("a".to_owned(), 1, 10.0, 12.0, 7)]);
    append(&world.folder(), 0, &prediction("c", 2, 4.0, 9));
    assert_eq!(
        world.pump().await.routes[ROUTE].joined,
        1,
        "a label may come before its prediction"
    );
    let counts = world.counts().await;
    assert_eq!((counts.losses, counts.repeated, counts.late), (2, 1, 1));
}

#[tokio::test]
async fn every_record_counts_once_however_often_the_joiner_starts() {
    let world = World::new();
    let mut expected = 0;
    for segment in 0..3_u64 {
        for i in 0..40 {
            let id = format!("{segment}-{i}");
            append(
                &world.folder(),
                segment * 40,
                &(prediction(&id, 1, 1.0, i) + &label(&id, 2.0, 1001)),
            );
            expected += 1;
            if i % 7 == 0 {
                world.pump().await;
            }
        }
    }
    world.pump().await;
    assert_eq!(world.pump().await.routes.len(), 0, "nothing is left");
    let counts = world.counts().await;
    assert_eq!((counts.losses, counts.repeated), (expected, 0));
    assert_eq!(
        std::fs::read_dir(world.folder()).unwrap().count(),
        1,
        "joined segments are gone"
    );
}

proptest::proptest! {
    /// Whatever stands in the log, reading it ends, skips no whole line and gives none twice.
    #[test]
    fn any_bytes_are_read_whole_line_by_whole_line(
        lines in proptest::collection::vec(proptest::collection::vec(0_u8..=255, 0..60), 0..20),
        limit in 1_usize..200,
        torn in proptest::collection::vec(0_u8..=9, 0..9),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut whole = Vec::new();
        for line in &lines {
            whole.extend(line.iter().filter(|byte| **byte != b'\n'));
            whole.push(b'\n');
        }
        let file = dir.path().join("join-00000000000000000000.log");
        std::fs::write(&file, [whole.as_slice(), &torn].concat()).unwrap();
        let (tail, mut at, mut read) = (Tail::new(dir.path()), Position::default(), Vec::new());
        loop {
            let chunk = tail.read(at, limit).unwrap();
            if chunk.lines.is_empty() {
                break;
            }
            proptest::prop_assert!(chunk.lines.ends_with(b"\n"));
            read.extend(&chunk.lines);
            at = chunk.next;
        }
        proptest::prop_assert_eq!(&read, &whole);
        let batch = Batch::of(&read);
        let empty = lines.iter().filter(|line| line.iter().all(|byte| *byte == b'\n')).count() as u64;
        proptest::prop_assert_eq!(batch.damaged + empty, lines.len() as u64);
    }
}
