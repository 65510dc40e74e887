//! What requests carry: rows of their own, as JSON and as raw bytes, one and 32 at a time.

use anyhow::ensure;
use std::{
    fs,
    path::{Path, PathBuf},
};

const FEATURES: usize = 30;
/// Bodies of each kind; the load generator takes them in turn.
const COUNT: usize = 64;

/// A kind of body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    Json1,
    Json32,
    Binary1,
    Binary32,
}

/// A folder with the bodies of each kind, and the rows themselves.
pub(super) struct Bodies {
    folder: tempfile::TempDir,
    rows: Vec<f32>,
}

/// The bodies of a kind, all of one length or a line each.
pub(super) struct Kind {
    pub(super) file: PathBuf,
    /// Bytes of each, and of its JSON, where they are raw.
    pub(super) raw: Option<(usize, usize)>,
}

impl Bodies {
    /// Writes them from the rows that were made with the models.
    pub(super) fn write(models: &Path) -> anyhow::Result<Self> {
        let bytes = fs::read(models.join("rows.f32"))?;
        let (floats, _) = bytes.as_chunks();
        let rows: Vec<f32> = floats.iter().map(|le| f32::from_le_bytes(*le)).collect();
        ensure!(
            rows.len() >= COUNT * 32 * FEATURES,
            "there are too few rows"
        );
        let bodies = Bodies {
            folder: tempfile::tempdir()?,
            rows,
        };
        for (body, batch) in [(Body::Json1, 1), (Body::Json32, 32)] {
            let lines: Vec<String> = bodies
                .batches(batch)
                .map(|rows| json(rows, batch))
                .collect();
            fs::write(bodies.of(body).file, lines.join("\n") + "\n")?;
        }
        for (body, batch) in [(Body::Binary1, 1), (Body::Binary32, 32)] {
            let all: Vec<u8> = bodies
                .batches(batch)
                .flat_map(|rows| binary(rows, batch))
                .collect();
            fs::write(bodies.of(body).file, all)?;
        }
        Ok(bodies)
    }

    /// The rows of one body after the other.
    pub(super) fn batches(&self, batch: usize) -> impl Iterator<Item = &[f32]> {
        self.rows.chunks_exact(batch * FEATURES).take(COUNT)
    }

    /// The bodies of a kind.
    pub(super) fn of(&self, body: Body) -> Kind {
        let file = self.folder.path().join(format!("{body:?}"));
        let raw = |batch: usize| {
            let json = head(batch).len();
            Some((json + batch * FEATURES * 4, json))
        };
        Kind {
            file,
            raw: match body {
                Body::Json1 | Body::Json32 => None,
                Body::Binary1 => raw(1),
                Body::Binary32 => raw(32),
            },
        }
    }
}

fn json(rows: &[f32], batch: usize) -> String {
    let data: Vec<String> = rows.iter().map(f32::to_string).collect();
    let data = data.join(",");
    format!(
        r#"{{"inputs":[{{"name":"X","shape":[{batch},{FEATURES}],"datatype":"FP32","data":[{data}]}}]}}"#
    )
}

/// The JSON in front of raw rows.
fn head(batch: usize) -> String {
    let size = batch * FEATURES * 4;
    format!(
        r#"{{"inputs":[{{"name":"X","shape":[{batch},{FEATURES}],"datatype":"FP32","parameters":{{"binary_data_size":{size}}}}}],"parameters":{{"binary_data_output":true}}}}"#
    )
}

fn binary(rows: &[f32], batch: usize) -> Vec<u8> {
    let mut body = head(batch).into_bytes();
    body.extend(rows.iter().flat_map(|x| x.to_le_bytes()));
    body
}

/// A `ModelInferRequest` with raw contents, field by field, with the prefix of gRPC.
pub(super) fn message(model: &str, rows: &[f32]) -> Vec<u8> {
    let field = |number: u8, body: &[u8]| {
        let mut out = vec![number << 3 | 2];
        out.extend(varint(body.len()));
        out.extend(body);
        out
    };
    let shape = [vec![1], varint(FEATURES)].concat();
    let input = [field(1, b"X"), field(2, b"FP32"), field(3, &shape)].concat();
    let raw: Vec<u8> = rows.iter().flat_map(|x| x.to_le_bytes()).collect();
    let message = [field(1, model.as_bytes()), field(5, &input), field(7, &raw)].concat();
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    [&[0], &length.to_be_bytes()[..], &message].concat()
}

fn varint(mut n: usize) -> Vec<u8> {
    let mut out = Vec::new();
    while n >= 0x80 {
        out.push((n & 0x7f) as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
    out
}
