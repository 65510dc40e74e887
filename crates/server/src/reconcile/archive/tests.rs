//! Which files are copied, and where to.

use super::*;

#[test]
fn files_go_by_day_and_server() {
    let check = |name: &str, expect: &str| assert_eq!(target("log", name, "me"), expect);
    check(
        "traffic-00001700000000000000.parquet",
        "log/date=2023-11-14/traffic-00001700000000000000-me.parquet",
    );
    check(
        "traffic-00001700000000000000-60s.parquet",
        "log/date=2023-11-14/traffic-00001700000000000000-60s-me.parquet",
    );
    check("odd.parquet", "log/date=1970-01-01/odd-me.parquet");
}

#[test]
fn each_finished_file_is_copied_once() {
    let traffic = tempfile::tempdir().unwrap();
    let log = traffic.path().join("log");
    fs::create_dir(&log).unwrap();
    for name in ["b.parquet", "a.parquet", "c.parquet.tmp"] {
        fs::write(log.join(name), "x").unwrap();
    }
    assert_eq!(look(&log).unwrap(), ["a.parquet", "b.parquet"]);
    let marks = log.join(COPIED);
    fs::write(marks.join("a.parquet"), "").unwrap();
    assert_eq!(look(&log).unwrap(), ["b.parquet"]);
    fs::remove_file(log.join("a.parquet")).unwrap();
    assert_eq!(look(&log).unwrap(), ["b.parquet"]);
    assert!(
        names(&marks).unwrap().is_empty(),
        "a mark without its file stays"
    );
    forget_marks(traffic.path()).unwrap();
    assert!(!marks.exists());
    forget_marks(traffic.path()).unwrap();
}
