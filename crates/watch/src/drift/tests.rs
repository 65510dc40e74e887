//! Drift against profiles and traffic files of the shapes that other crates write.

use std::sync::Arc;

use parquet::data_type::{ByteArray, ByteArrayType, Int32Type};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use serde_json::{Map, json};
use stats::rng::Rng;

use super::traffic::recent;
use super::*;
use crate::log::Place;

fn profile() -> Json {
    let quantiles: Vec<f64> = (0..=20).map(f64::from).collect();
    let months: Vec<f64> = (0..=20).map(|i| f64::from(1 + i / 7)).collect();
    json!({ "rows": 10_000, "columns": {
        "delay": { "kind": "number", "count": 10_000, "nulls": 0, "mean": 10.0, "quantiles": quantiles },
        "month": { "kind": "number", "count": 10_000, "nulls": 0, "mean": 2.0, "quantiles": months },
        "carrier": { "kind": "text", "count": 9_000, "nulls": 1_000,
                     "top": [{ "value": "UA", "count": 4_500 }, { "value": "B6", "count": 3_600 }] },
        "label": { "kind": "number", "count": 10_000, "nulls": 0, "mean": 1.0, "quantiles": quantiles },
        "empty": { "kind": "empty", "count": 0, "nulls": 10_000 },
    } })
}

fn rows(n: usize, mut row: impl FnMut(&mut Rng) -> Json) -> Vec<Map<String, Json>> {
    let mut rng = Rng::new(5);
    (0..n)
        .map(|_| row(&mut rng).as_object().unwrap().clone())
        .collect()
}

fn same(rng: &mut Rng) -> Json {
    let carrier = match rng.uniform() {
        u if u < 0.45 => json!("UA"),
        u if u < 0.81 => json!("B6"),
        u if u < 0.90 => json!("AA"),
        _ => Json::Null,
    };
    json!({ "delay": 20.0 * rng.uniform(), "month": 1 + rng.below(3), "carrier": carrier, "request_id": "x" })
}

#[test]
fn the_same_distribution_stays_in_its_noise_at_any_size() {
    for n in [100, 1000, 20_000] {
        let report = Report::of(&profile(), &rows(n, same));
        assert_eq!((report.rows, report.reference_rows), (n as u64, 10_000));
        let names: Vec<_> = report.columns.iter().map(|c| c.column.as_str()).collect();
        assert_eq!(
            names.len(),
            3,
            "the label and empty columns are in no request: {names:?}"
        );
        for column in &report.columns {
            assert!(!column.moved, "{n} rows: {column:?}");
        }
        assert_eq!(report.sentence(), "");
    }
}

/// A column of few values has more below a quantile than its probability; taken for equal steps it would seem to move.
#[test]
fn a_column_of_few_values_stays_in_its_noise() {
    let hour = |rng: &mut Rng| 5.0 + rng.below(19) as f64;
    let mut sorted: Vec<f64> = (0..20_000)
        .scan(Rng::new(9), |rng, _| Some(hour(rng)))
        .collect();
    sorted.sort_by(f64::total_cmp);
    let quantiles: Vec<f64> = (0..=20)
        .map(|i| sorted[i * (sorted.len() - 1) / 20])
        .collect();
    let below = |q: &f64| sorted.partition_point(|x| x <= q) as f64 / sorted.len() as f64;
    let masses: Vec<f64> = quantiles.iter().map(below).collect();
    let column = json!({ "kind": "number", "count": 20_000, "nulls": 0, "mean": 14.0, "quantiles": quantiles, "masses": masses });
    let profile = json!({ "rows": 20_000, "columns": { "hour": column } });
    let report = Report::of(&profile, &rows(20_000, |rng| json!({ "hour": hour(rng) })));
    assert!(!report.columns[0].moved, "{:?}", report.columns[0]);
}

#[test]
fn what_moved_is_named_first() {
    let check = |change: fn(&mut Map<String, Json>), sentence: &str| {
        let mut moved = rows(2000, same);
        moved.iter_mut().for_each(change);
        assert_eq!(Report::of(&profile(), &moved).sentence(), sentence);
    };
    check(
        |row| {
            row["delay"] = json!(row["delay"].as_f64().unwrap() + 5.0);
        },
        "delay (mean 15.1, was 10.0)",
    );
    check(
        |row| {
            row["delay"] = json!("12");
            row["month"] = json!(7);
        },
        "month (mean 7.0, was 2.0), delay (mean 12.0, was 10.0)",
    );
    check(
        |row| {
            row["carrier"] = json!("ZZ");
        },
        "carrier (missing 0%, was 10%)",
    );
    check(
        |row| {
            row["carrier"] = if row["carrier"].is_null() {
                Json::Null
            } else {
                json!("ZZ")
            };
        },
        "carrier (other words 90%, was 9%)",
    );
    check(
        |row| {
            row.remove("month");
        },
        "",
    );
}

#[test]
fn requests_are_read_from_the_newest_files_in_every_form() {
    let dir = tempfile::tempdir().unwrap();
    let source = Place {
        project: "flights".into(),
        environment: "prod".into(),
        service: "delay".into(),
    };
    assert!(
        recent(&dir.path().join("missing"), &source, 10)
            .unwrap()
            .is_empty()
    );
    write(
        dir.path(),
        1,
        &[
            ("prod", 200, r#"{"x":1}"#),
            ("prod", 200, r#"[{"x":2},{"x":3}]"#),
        ],
    );
    write(
        dir.path(),
        2,
        &[
            ("staging", 200, r#"{"x":-1}"#),
            ("prod", 400, r#"{"x":-2}"#),
            ("prod", 200, r#"{"x":"cut off"#),
            (
                "prod",
                200,
                r#"{"inputs":[{"name":"x","shape":[2,1],"datatype":"FP32","data":[4,5]}]}"#,
            ),
        ],
    );
    std::fs::write(dir.path().join("traffic-3.parquet"), "no parquet").unwrap();
    std::fs::write(dir.path().join("traffic-4.parquet.tmp"), "not yet").unwrap();
    let read = |most: usize| -> Vec<i64> {
        recent(dir.path(), &source, most)
            .unwrap()
            .iter()
            .map(|row| row["x"].as_i64().unwrap())
            .collect()
    };
    assert_eq!(read(100), [1, 2, 3, 4, 5]);
    assert_eq!(read(3), [3, 4, 5]);
}

fn write(folder: &std::path::Path, number: u32, rows: &[(&str, i32, &str)]) {
    let schema = "message traffic { REQUIRED INT64 time (TIMESTAMP(MICROS, true)); REQUIRED BYTE_ARRAY project (UTF8);
        REQUIRED BYTE_ARRAY environment (UTF8); REQUIRED BYTE_ARRAY service (UTF8); REQUIRED INT32 status;
        REQUIRED BYTE_ARRAY body; }";
    let file = std::fs::File::create(folder.join(format!("traffic-{number}.parquet"))).unwrap();
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut writer = SerializedFileWriter::new(file, schema, Arc::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let texts = |of: &dyn Fn(&(&str, i32, &str)) -> String| -> Vec<ByteArray> {
        rows.iter().map(|row| of(row).into_bytes().into()).collect()
    };
    for column in 0..6 {
        let mut next = group.next_column().unwrap().unwrap();
        match column {
            0 => next.typed::<parquet::data_type::Int64Type>().write_batch(
                &vec![7; rows.len()],
                None,
                None,
            ),
            1 => {
                next.typed::<ByteArrayType>()
                    .write_batch(&texts(&|_| "flights".into()), None, None)
            }
            2 => next
                .typed::<ByteArrayType>()
                .write_batch(&texts(&|row| row.0.into()), None, None),
            3 => next
                .typed::<ByteArrayType>()
                .write_batch(&texts(&|_| "delay".into()), None, None),
            4 => next.typed::<Int32Type>().write_batch(
                &rows.iter().map(|row| row.1).collect::<Vec<_>>(),
                None,
                None,
            ),
            _ => next
                .typed::<ByteArrayType>()
                .write_batch(&texts(&|row| row.2.into()), None, None),
        }
        .unwrap();
        next.close().unwrap();
    }
    group.close().unwrap();
    writer.close().unwrap();
}
