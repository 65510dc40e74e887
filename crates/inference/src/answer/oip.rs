//! The body that answers an Open Inference Protocol request over HTTP.

use super::{Output, classes, element, json, list};
use crate::oip::Wanted;
use crate::raw;

/// A body: JSON, and raw bytes behind it if some were asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OipBody {
    /// All of it.
    pub bytes: Vec<u8>,
    /// How much of it is JSON, if raw bytes follow.
    pub json: Option<usize>,
}

/// The body that answers a request, without `model_name` and `model_version`, which the gateway adds
/// at the end of the JSON. Outputs that the model did not give are left out (the request parser has
/// refused unknown names).
#[must_use]
pub fn oip(id: Option<&str>, outputs: &[Output<'_>], wanted: &Wanted) -> OipBody {
    let picked = classes::picked(outputs, wanted);
    let mut out = Vec::with_capacity(128);
    let mut bytes = Vec::new();
    let mut binary = false;
    out.push(b'{');
    if let Some(id) = id {
        out.extend(b"\"id\":");
        json(id, &mut out);
        out.push(b',');
    }
    out.extend(b"\"outputs\":");
    list(picked.len(), &mut out, |index, out| {
        let picked = &picked[index];
        binary |= picked.binary;
        let bytes = picked.binary.then_some(&mut bytes);
        output(&picked.output, bytes, out);
    });
    out.push(b'}');
    let json = binary.then_some(out.len());
    out.append(&mut bytes);
    OipBody { bytes: out, json }
}

/// One output; its elements go to `bytes` if there is such a place.
fn output(output: &Output<'_>, bytes: Option<&mut Vec<u8>>, out: &mut Vec<u8>) {
    out.extend(b"{\"name\":");
    json(output.name, out);
    out.extend(b",\"datatype\":\"");
    out.extend(output.data.datatype().name().bytes());
    out.extend(b"\",\"shape\":");
    json(&output.shape, out);
    let mut separator: &[u8] = b",\"parameters\":{";
    let mut parameter = |name: &str, out: &mut Vec<u8>| {
        out.extend(std::mem::replace(&mut separator, b","));
        json(name, out);
        out.push(b':');
    };
    if let Some(classes) = &output.classes {
        // Parameters of the protocol are scalars, so the names travel as one JSON text.
        parameter("classes", out);
        json(&serde_json::to_string(classes).unwrap_or_default(), out);
    }
    if bytes.is_some() {
        parameter("binary_data_size", out);
        json(&raw::length(&output.data), out);
    }
    if output.classes.is_some() || bytes.is_some() {
        out.push(b'}');
    }
    match bytes {
        Some(bytes) => raw::write(&output.data, bytes),
        None => {
            out.extend(b",\"data\":");
            list(output.data.len(), out, |index, out| {
                element(&output.data, index, out);
            });
        }
    }
    out.push(b'}');
}
