//! Checks that of a service's requests those that can be asked again are read, the newest ones, from logs with and without
//! the columns that say how a body is written.

use super::*;
use parquet::data_type::{ByteArray, ByteArrayType, DataType, Int32Type, Int64Type};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use std::{fs::File, sync::Arc};

/// Service, status, body, and the columns of a newer log: protocol and whole length.
type Line<'a> = (&'a str, i32, &'a [u8], Option<(&'a str, i64)>);

fn write(folder: &Path, number: i64, lines: &[Line<'_>]) {
    let newer = lines.iter().any(|line| line.3.is_some());
    let more = if newer {
        "REQUIRED BYTE_ARRAY protocol (UTF8); REQUIRED INT64 body_bytes;"
    } else {
        ""
    };
    let schema = format!(
        "message traffic {{ REQUIRED INT64 time (TIMESTAMP(MICROS, true)); REQUIRED BYTE_ARRAY project (UTF8);
         REQUIRED BYTE_ARRAY environment (UTF8); REQUIRED BYTE_ARRAY service (UTF8); REQUIRED BYTE_ARRAY request_id (UTF8);
         REQUIRED INT32 status; REQUIRED BYTE_ARRAY body; {more} OPTIONAL DOUBLE prediction; }}"
    );
    let schema = Arc::new(parse_message_type(&schema).unwrap());
    let file = File::create(folder.join(format!("traffic-{number:020}.parquet"))).unwrap();
    let mut writer = SerializedFileWriter::new(file, schema, Arc::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let text = |of: &dyn Fn(usize) -> String| -> Vec<ByteArray> {
        let all = (0..lines.len()).map(|at| ByteArray::from(of(at).into_bytes()));
        all.collect()
    };
    let times: Vec<i64> = (0_i64..)
        .map(|at| number * 100 + at)
        .take(lines.len())
        .collect();
    column::<Int64Type>(&mut group, &times, None);
    column::<ByteArrayType>(&mut group, &text(&|_| "flights".into()), None);
    column::<ByteArrayType>(&mut group, &text(&|_| "prod".into()), None);
    column::<ByteArrayType>(&mut group, &text(&|at| lines[at].0.into()), None);
    column::<ByteArrayType>(&mut group, &text(&|at| format!("{number}-{at}")), None);
    let statuses: Vec<i32> = lines.iter().map(|line| line.1).collect();
    column::<Int32Type>(&mut group, &statuses, None);
    let bodies: Vec<ByteArray> = lines.iter().map(|line| line.2.to_vec().into()).collect();
    column::<ByteArrayType>(&mut group, &bodies, None);
    if newer {
        let said = |at: usize| lines[at].3.unwrap();
        column::<ByteArrayType>(&mut group, &text(&|at| said(at).0.into()), None);
        let lengths: Vec<i64> = (0..lines.len()).map(|at| said(at).1).collect();
        column::<Int64Type>(&mut group, &lengths, None);
    }
    let none = vec![0_i16; lines.len()];
    column::<parquet::data_type::DoubleType>(&mut group, &[], Some(&none));
    group.close().unwrap();
    writer.close().unwrap();
}

fn column<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, File>,
    values: &[T::T],
    defined: Option<&[i16]>,
) {
    let mut column = group.next_column().unwrap().unwrap();
    column
        .typed::<T>()
        .write_batch(values, defined, None)
        .unwrap();
    column.close().unwrap();
}

fn delay() -> Place {
    Place {
        project: "flights".into(),
        environment: "prod".into(),
        service: "delay".into(),
    }
}

fn ids(captured: &Captured) -> Vec<&str> {
    let requests = captured.requests.iter();
    requests.map(|request| request.id.as_str()).collect()
}

#[test]
fn the_newest_requests_that_can_be_asked_again() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(
        recent(&folder.path().join("none"), &delay(), 9)
            .unwrap()
            .requests,
        []
    );
    let x: &[u8] = br#"{"x":1}"#;
    let older: &[Line<'_>] = &[
        ("delay", 200, x, None),
        ("other", 200, x, None),
        ("delay", 400, b"{}", None),
        ("delay", 200, br#"{"x":1, "long": "and cu"#, None),
        ("delay", 502, b"x\n1\n", None),
    ];
    write(folder.path(), 1, older);
    let newer: &[Line<'_>] = &[
        ("delay", 200, b"x\n1\n", Some(("csv", 4))),
        ("delay", 200, b"x\n", Some(("csv", 400))),
        ("delay", 200, br#"{"inputs":[[1]]}"#, Some(("scoring", 16))),
        ("delay", 200, b"{}", Some(("http", 2))),
    ];
    write(folder.path(), 2, newer);
    std::fs::write(folder.path().join("traffic-3.parquet"), "torn").unwrap();
    std::fs::write(folder.path().join("traffic-4.parquet.tmp"), "").unwrap();
    std::fs::write(folder.path().join("labels-5.parquet"), "").unwrap();
    let all = recent(folder.path(), &delay(), 9).unwrap();
    // A request that no replica answered is a request all the same.
    assert_eq!(ids(&all), ["1-0", "1-4", "2-0", "2-2"]);
    let wires: Vec<Wire> = all.requests.iter().map(|request| request.wire).collect();
    assert_eq!(wires, [Wire::Rows, Wire::Csv, Wire::Csv, Wire::Scoring]);
    assert_eq!((all.source.refused, all.source.unreadable), (1, 3));
    assert_eq!((all.source.first, all.source.last), (Some(100), Some(202)));
    let last = recent(folder.path(), &delay(), 2).unwrap();
    assert_eq!(ids(&last), ["2-0", "2-2"]);
}

#[test]
fn lines_are_requests() {
    let lines = [r#"{"x":1}"#, "", "{", r#" {"instances":[[1]]} "#].map(str::to_owned);
    let captured = of_lines(&lines, 9);
    assert_eq!(ids(&captured), ["line 1", "line 4"]);
    assert_eq!(captured.source.unreadable, 1);
    assert_eq!(
        captured.source.to_string(),
        "rows of a file (1 that cannot be asked again are left out)"
    );
}
