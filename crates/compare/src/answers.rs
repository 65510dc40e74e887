//! What an answer says, as rows, in whichever wire it is written.

use crate::cell::{self, Cell};
use crate::table::{Column, Row, Table};
use bytes::Bytes;
use inference::frame::Wire;
use inference::oip::grpc::message::{Choice, ModelInferResponse};
use inference::raw;
use inference::tensor::Datatype;
use prost::Message as _;
use serde::Deserialize;
use serde_json::Value;

/// The name of the one output of a wire that names none.
const PREDICTION: &str = "prediction";

/// The rows of an answer whose first `json` bytes are JSON if raw bytes follow (else 0); none when it is no answer.
pub(crate) fn rows(wire: Wire, body: &Bytes, json: u32) -> Option<Table> {
    match wire {
        Wire::Rows => plain(&serde_json::from_slice(body).ok()?),
        Wire::V1 | Wire::Scoring | Wire::Csv => {
            match &serde_json::from_slice::<Value>(body).ok()?["predictions"] {
                Value::Array(all) => Some(Table::of_rows(all, PREDICTION)),
                Value::Object(columns) => Some(Table::of_columns(columns)),
                other => Some(Table::of_rows(std::slice::from_ref(other), PREDICTION)),
            }
        }
        Wire::Oip | Wire::OipRaw(_) => oip(body, json),
        Wire::Grpc => grpc(body),
    }
}

/// `{"prediction": …}` or `{"predictions": […]}`, with `output` or `outputs` where there are several.
fn plain(answer: &Value) -> Option<Table> {
    let rows = |one: &str, many: &str| match (&answer[one], &answer[many]) {
        (_, Value::Array(all)) => Some(all.clone()),
        (Value::Null, _) if answer.get(one).is_none() => None,
        (one, _) => Some(vec![one.clone()]),
    };
    let named = rows("output", "outputs");
    if let Some(named) = named.filter(|rows| rows.iter().all(Value::is_object)) {
        return Some(Table::of_rows(&named, PREDICTION));
    }
    let rows = rows(PREDICTION, "predictions")?;
    let row = |value: &Value| Row::from([(PREDICTION.to_owned(), flat(value))]);
    Some(Table {
        rows: rows.iter().map(row).collect(),
    })
}

#[derive(Deserialize)]
struct OipAnswer {
    outputs: Vec<OipOutput>,
}

#[derive(Deserialize)]
struct OipOutput {
    name: String,
    datatype: Datatype,
    shape: Vec<usize>,
    #[serde(default)]
    data: Option<Value>,
    #[serde(default)]
    parameters: OipParameters,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct OipParameters {
    binary_data_size: Option<usize>,
    classes: Option<String>,
}

fn oip(body: &Bytes, json: u32) -> Option<Table> {
    let head = match usize::try_from(json).ok()? {
        0 => body.len(),
        json => json,
    };
    let (head, mut rest) = body.split_at_checked(head)?;
    let answer: OipAnswer = serde_json::from_slice(head).ok()?;
    let mut columns = Vec::new();
    for output in answer.outputs {
        let cells = match (output.parameters.binary_data_size, output.data) {
            (Some(size), _) => {
                let (bytes, left) = rest.split_at_checked(size)?;
                rest = left;
                let elements = elements(&output.shape)?;
                cell::elements(&raw::read(output.datatype, elements, bytes).ok()?)
            }
            (None, data) => flat(&data?),
        };
        columns.push(Column {
            name: output.name,
            rows: output.shape.first().copied().unwrap_or(1),
            cells,
            classes: output.parameters.classes.map(|text| Cell::word(&text)),
        });
    }
    Some(Table::of_cells(&columns))
}

fn grpc(body: &Bytes) -> Option<Table> {
    let answer = ModelInferResponse::decode(body.clone()).ok()?;
    let mut columns = Vec::new();
    for (index, output) in answer.outputs.into_iter().enumerate() {
        let shape = output.shape.iter().map(|n| usize::try_from(*n).ok());
        let shape: Vec<usize> = shape.collect::<Option<_>>()?;
        let bytes = answer.raw_output_contents.get(index)?;
        let datatype = Datatype::from_name(&output.datatype)?;
        let data = raw::read(datatype, elements(&shape)?, bytes).ok()?;
        let classes = output.parameters.get("classes").cloned();
        let classes = classes.and_then(|parameter| match parameter.choice {
            Some(Choice::String(text)) => Some(Cell::word(&text)),
            _ => None,
        });
        columns.push(Column {
            name: output.name,
            rows: shape.first().copied().unwrap_or(1),
            cells: cell::elements(&data),
            classes,
        });
    }
    Some(Table::of_cells(&columns))
}

fn elements(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1_usize, |n, m| n.checked_mul(*m))
}

fn flat(value: &Value) -> Vec<Cell> {
    let mut cells = Vec::new();
    cell::flat(value, &mut cells);
    cells
}

#[cfg(test)]
mod tests {
    use super::*;
    use inference::answer::{self, Output};
    use inference::oip::Wanted;
    use inference::tensor::Data;

    fn cells(table: &Table, row: usize, name: &str) -> Vec<Cell> {
        table.rows[row].get(name).cloned().unwrap_or_default()
    }

    /// Every wire of the same outputs is read as the same rows.
    #[test]
    fn each_wire_says_the_same() {
        let outputs = |many: bool| {
            let score = Output {
                name: "score",
                shape: vec![2, 1],
                data: Data::Fp32(vec![0.5, 0.25]),
                classes: None,
            };
            let label = Output {
                name: "label",
                shape: vec![2],
                data: Data::Bytes(vec!["late".into(), "on time".into()]),
                classes: None,
            };
            if many {
                vec![score, label]
            } else {
                vec![score]
            }
        };
        let check = |table: Option<Table>, name: &str, has_label: bool| {
            let table = table.unwrap();
            assert_eq!(table.rows.len(), 2, "{table:?}");
            assert_eq!(cells(&table, 1, name), [Cell::Number(0.25)]);
            if has_label {
                assert_eq!(cells(&table, 0, "label"), [Cell::word("late")]);
            }
        };
        let bytes = |body: Vec<u8>| Bytes::from(body);
        let both = outputs(true);
        let plain = bytes(answer::rows(&both, 2, false).unwrap());
        check(rows(Wire::Rows, &plain, 0), "score", true);
        let one = bytes(answer::rows(&outputs(false), 2, false).unwrap());
        check(rows(Wire::Rows, &one, 0), PREDICTION, false);
        let records = bytes(answer::records(&both, 2).unwrap());
        check(rows(Wire::Scoring, &records, 0), "score", true);
        let columns = bytes(answer::columns(&both));
        check(rows(Wire::Scoring, &columns, 0), "score", true);
        let instances = bytes(answer::instances(&outputs(false), 2).unwrap());
        check(rows(Wire::V1, &instances, 0), PREDICTION, false);
        let wanted = |binary| Wanted {
            outputs: None,
            binary,
        };
        let oip = answer::oip(None, &both, &wanted(false));
        check(rows(Wire::Oip, &bytes(oip.bytes), 0), "score", true);
        let raw = answer::oip(None, &both, &wanted(true));
        let json = u32::try_from(raw.json.unwrap()).unwrap();
        check(
            rows(Wire::OipRaw(1), &bytes(raw.bytes), json),
            "score",
            true,
        );
        let grpc = bytes(answer::grpc(None, &both, &wanted(true)));
        check(rows(Wire::Grpc, &grpc, 0), "score", true);
    }

    #[test]
    fn one_row_and_classes() {
        let check = |body: &'static str, expect: &[Cell]| {
            let table = rows(Wire::Rows, &Bytes::from_static(body.as_bytes()), 0).unwrap();
            assert_eq!(cells(&table, 0, PREDICTION), expect, "{body}");
        };
        check(r#"{"prediction":1.5,"version":3}"#, &[Cell::Number(1.5)]);
        check(r#"{"prediction":null}"#, &[Cell::Missing]);
        check(
            r#"{"prediction":{"b":0.75,"a":0.25}}"#,
            &[
                Cell::word("a"),
                Cell::Number(0.25),
                Cell::word("b"),
                Cell::Number(0.75),
            ],
        );
        assert_eq!(rows(Wire::Rows, &Bytes::from_static(b"{}"), 0), None);
        assert_eq!(rows(Wire::Rows, &Bytes::from_static(b"gone"), 0), None);
    }

    #[test]
    fn rows_without_values_are_none() {
        let body =
            br#"{"outputs":[{"name":"n","datatype":"FP32","shape":[4000000000000,0],"data":[]}]}"#;
        let table = rows(Wire::Oip, &Bytes::from_static(body), 0).unwrap();
        assert_eq!(table.rows.len(), 0);
    }

    #[test]
    fn a_scalar_is_one_row() {
        let body = br#"{"outputs":[{"name":"n","datatype":"INT64","shape":[],"data":[9223372036854775807]}]}"#;
        let table = rows(Wire::Oip, &Bytes::from_static(body), 0).unwrap();
        assert_eq!(cells(&table, 0, "n"), [Cell::word("9223372036854775807")]);
    }
}
