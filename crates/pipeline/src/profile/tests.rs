//! Profiles of small files whose answers are known.

use super::*;
use std::io::Write as _;

fn file(name: &str, bytes: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

const CSV: &[u8] = b"delay,carrier,empty\n1,UA,\n-3.5,DL,NA\n,UA,\n8,B6,\n";

#[test]
fn a_csv_packed_or_not() {
    for (name, bytes) in [("a.csv", CSV.to_vec()), ("a.csv.gz", gz(CSV))] {
        let (_folder, path) = file(name, &bytes);
        let profile = of_file(&path, Format::Csv).unwrap();
        assert_eq!(profile.rows, 4);
        assert_eq!(
            profile.columns.keys().collect::<Vec<_>>(),
            ["delay", "carrier", "empty"]
        );
        let delay = &profile.columns["delay"];
        assert_eq!(
            (
                delay.kind.as_str(),
                delay.count,
                delay.nulls,
                delay.distinct
            ),
            ("number", 3, 1, 3)
        );
        assert_eq!(
            (delay.min, delay.max, delay.null_fraction),
            (Some(-3.5), Some(8.0), 0.25)
        );
        assert!((delay.mean.unwrap() - 5.5 / 3.0).abs() < 1e-12);
        assert_eq!(
            (delay.quantiles[0], delay.quantiles[10], delay.quantiles[20]),
            (-3.5, 1.0, 8.0)
        );
        assert!((delay.masses[10] - 2.0 / 3.0).abs() < 1e-12 && delay.masses[20] == 1.0);
        let carrier = &profile.columns["carrier"];
        assert_eq!((carrier.kind.as_str(), carrier.distinct), ("text", 3));
        assert_eq!(
            carrier.top[0],
            TopValue {
                value: "UA".into(),
                count: 2
            }
        );
        assert_eq!(profile.columns["empty"].kind, "empty");
    }
}

#[test]
fn json_lines_with_columns_that_come_and_go() {
    let (_folder, path) = file(
        "a.jsonl",
        b"{\"a\":1}\n\n{\"b\":\"x\"}\n{\"a\":null,\"b\":\"y\"}\n",
    );
    let profile = of_file(&path, Format::Jsonl).unwrap();
    assert_eq!(profile.rows, 3);
    assert_eq!(
        (profile.columns["a"].count, profile.columns["a"].nulls),
        (1, 2)
    );
    assert_eq!(
        (profile.columns["b"].count, profile.columns["b"].nulls),
        (2, 1)
    );
}

#[test]
fn more_rows_than_the_reservoir_keep_their_quantiles() {
    let mut text = String::from("x\n");
    for i in 0..100_000 {
        text.push_str(&format!("{i}\n"));
    }
    let (_folder, path) = file("a.csv", text.as_bytes());
    let x = of_file(&path, Format::Csv).unwrap().columns["x"].clone();
    assert_eq!(
        (x.min, x.max, x.distinct),
        (Some(0.0), Some(99_999.0), 100_000)
    );
    assert!(
        (x.quantiles[10] - 50_000.0).abs() < 2_000.0,
        "{:?}",
        x.quantiles
    );
}

#[test]
fn what_cannot_be_read_says_where() {
    for (format, bytes, expect) in [
        (
            Format::Csv,
            &b"a,b\n1,2\n3\n"[..],
            "line 3: 1 cells where the header has 2",
        ),
        (Format::Csv, b"a,a\n1,2\n", "two columns are named `a`"),
        (Format::Csv, b"", "no header line"),
        (Format::Csv, b"a\n\xff\xfe\n", "not UTF-8"),
        (
            Format::Jsonl,
            b"{\"a\":1}\n[1]\n",
            "line 2: not a JSON object",
        ),
        (Format::Parquet, b"PAR0 nothing", "Parquet"),
    ] {
        let (_folder, path) = file("x", bytes);
        let error = of_file(&path, format).unwrap_err().to_string();
        assert!(error.contains(expect), "{error}");
    }
}

#[test]
fn a_folder_is_counted() {
    let (folder, _) = file("a", b"xyz");
    std::fs::create_dir(folder.path().join("sub")).unwrap();
    std::fs::write(folder.path().join("sub/b"), b"12").unwrap();
    let profile = of_file(folder.path(), Format::Files).unwrap();
    assert_eq!((profile.rows, profile.bytes), (2, 5));
}
