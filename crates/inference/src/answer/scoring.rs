//! The bodies that answer KServe's first protocol and MLflow's scoring protocol.

use super::{NotByRow, Output, list, nested, object, row_value};

const HEAD: &[u8] = b"{\"predictions\":";

/// Answers instances: a value for each, or an object by output where there are several outputs.
pub fn instances(outputs: &[Output<'_>], rows: usize) -> Result<Vec<u8>, NotByRow> {
    match outputs {
        [only] => {
            only.check(rows)?;
            let mut out = HEAD.to_vec();
            list(rows, &mut out, |row, out| row_value(only, row, rows, out));
            out.push(b'}');
            Ok(out)
        }
        _ => records(outputs, rows),
    }
}

/// Answers a data frame: an object by output for each row.
pub fn records(outputs: &[Output<'_>], rows: usize) -> Result<Vec<u8>, NotByRow> {
    for output in outputs {
        output.check(rows)?;
    }
    let mut out = HEAD.to_vec();
    list(rows, &mut out, |row, out| {
        let names = outputs.iter().map(|output| output.name);
        object(names, out, |index, out| {
            row_value(&outputs[index], row, rows, out);
        });
    });
    out.push(b'}');
    Ok(out)
}

/// Answers tensors: an array by output, nested as its shape.
#[must_use]
pub fn columns(outputs: &[Output<'_>]) -> Vec<u8> {
    let mut out = HEAD.to_vec();
    let names = outputs.iter().map(|output| output.name);
    object(names, &mut out, |index, out| {
        let output = &outputs[index];
        nested(&output.data, &output.shape, 0, output.data.len(), out);
    });
    out.push(b'}');
    out
}
