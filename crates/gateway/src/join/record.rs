//! The lines of the join log. Short keys: there is one for each prediction.

use std::io::Write as _;

/// A prediction: `{"k":"p","r":"project/env/service","v":3,"id":"req-1","y":12.5,"t":…,"a":…}`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Prediction<'a> {
    /// `project/environment/service`; of name characters only.
    pub(crate) route: &'a str,
    /// Who predicted.
    pub(crate) version: u32,
    /// What the label will come back by.
    pub(crate) id: &'a str,
    /// First element of the first output; no number is written as null.
    pub(crate) y: f64,
    /// Event time, microseconds since 1970.
    pub(crate) t: i64,
    /// Arrival, microseconds since 1970.
    pub(crate) a: i64,
}

/// A label: `{"k":"l","r":…,"id":…,"y":…,"a":…}`, with `"t"` if it brought the event's time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Label<'a> {
    /// `project/environment/service`.
    pub(crate) route: &'a str,
    /// The prediction's id.
    pub(crate) id: &'a str,
    /// What really happened.
    pub(crate) y: f64,
    /// Event time, microseconds since 1970.
    pub(crate) t: Option<i64>,
    /// Arrival, microseconds since 1970.
    pub(crate) a: i64,
}

impl Prediction<'_> {
    /// No line of this prediction is longer: six bytes for a character of the id (`\u00xx`), and
    /// the rest at its longest.
    pub(super) fn max_len(&self) -> usize {
        self.route.len() + self.id.len() * 6 + 144
    }

    /// Appends the line.
    pub(super) fn append(&self, out: &mut Vec<u8>) {
        let (route, version) = (self.route, self.version);
        out.extend_from_slice(b"{\"k\":\"p\",\"r\":\"");
        out.extend_from_slice(route.as_bytes());
        // Writing to a Vec does not fail.
        let _ = write!(out, "\",\"v\":{version},\"id\":");
        string(out, self.id);
        out.extend_from_slice(b",\"y\":");
        number(out, self.y);
        let _ = writeln!(out, ",\"t\":{},\"a\":{}}}", self.t, self.a);
    }
}

impl Label<'_> {
    /// Appends the line.
    pub(crate) fn append(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"k\":\"l\",\"r\":\"");
        out.extend_from_slice(self.route.as_bytes());
        out.extend_from_slice(b"\",\"id\":");
        string(out, self.id);
        out.extend_from_slice(b",\"y\":");
        number(out, self.y);
        if let Some(t) = self.t {
            let _ = write!(out, ",\"t\":{t}");
        }
        let _ = writeln!(out, ",\"a\":{}}}", self.a);
    }
}

fn string(out: &mut Vec<u8>, text: &str) {
    let _ = serde_json::to_writer(out, text);
}

/// JSON has no NaN and no infinity: serde_json writes them as null.
fn number(out: &mut Vec<u8>, value: f64) {
    let _ = serde_json::to_writer(out, &value);
}
