//! `GraphProto`, `NodeProto`, `AttributeProto`, `TensorProto`: counted, and searched for tensors that
//! lie elsewhere or claim what the file does not hold.

use super::model::{limit, value};
use super::wire::{Field, Message};
use super::{MAX_DEPTH, MAX_ENTRIES, MAX_NODES, OnnxError, Walk};

/// Elements of the smallest type (2 bits) in a byte.
const ELEMENTS_PER_BYTE: usize = 4;

/// The model's own graph: its inputs and outputs count.
pub(super) fn main(message: Message<'_>, walk: &mut Walk) -> Result<(), OnnxError> {
    graph(message, walk, MAX_DEPTH, true)
}

/// `TrainingInfoProto`: two graphs that are not run here, but must not hide anything.
pub(super) fn training(mut message: Message<'_>, walk: &mut Walk) -> Result<(), OnnxError> {
    while let Some((number, field)) = message.next()? {
        if let (1 | 2, Field::Bytes(body)) = (number, field) {
            graph(body, walk, MAX_DEPTH, false)?;
        }
    }
    Ok(())
}

/// `FunctionProto`.
pub(super) fn function(mut message: Message<'_>, walk: &mut Walk) -> Result<(), OnnxError> {
    while let Some((number, field)) = message.next()? {
        match (number, field) {
            (7, Field::Bytes(body)) => node(body, walk, MAX_DEPTH)?,
            (11, Field::Bytes(body)) => attribute(body, walk, MAX_DEPTH)?,
            _ => {}
        }
    }
    Ok(())
}

fn deeper(depth: usize) -> Result<usize, OnnxError> {
    depth.checked_sub(1).ok_or(OnnxError::TooLarge {
        what: "nested graphs",
        limit: MAX_DEPTH,
    })
}

fn graph(
    mut message: Message<'_>,
    walk: &mut Walk,
    depth: usize,
    main: bool,
) -> Result<(), OnnxError> {
    let depth = deeper(depth)?;
    while let Some((number, field)) = message.next()? {
        let Field::Bytes(body) = field else { continue };
        match number {
            1 => node(body, walk, depth)?,
            5 => {
                let name = tensor(body, walk)?;
                if main {
                    walk.names_of_initializers.insert(name);
                }
            }
            11 if main => {
                walk.summary.inputs.push(value(body)?);
                limit(walk.summary.inputs.len(), MAX_ENTRIES, "inputs")?;
            }
            12 if main => {
                walk.summary.outputs.push(value(body)?);
                limit(walk.summary.outputs.len(), MAX_ENTRIES, "outputs")?;
            }
            15 => {
                let name = sparse(body, walk)?;
                if main {
                    walk.names_of_initializers.insert(name);
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn node(mut message: Message<'_>, walk: &mut Walk, depth: usize) -> Result<(), OnnxError> {
    let (mut operator, mut domain) = (String::new(), String::new());
    while let Some((number, field)) = message.next()? {
        let Field::Bytes(body) = field else { continue };
        match number {
            4 => operator = body.text("the name of an operator")?,
            5 => attribute(body, walk, depth)?,
            7 => domain = body.text("the name of a domain")?,
            _ => {}
        }
    }
    walk.summary.nodes += 1;
    limit(walk.summary.nodes, MAX_NODES, "nodes")?;
    if !domain.is_empty() && domain != "ai.onnx" {
        operator = format!("{domain}.{operator}");
    }
    *walk.summary.operators.entry(operator).or_default() += 1;
    limit(
        walk.summary.operators.len(),
        MAX_ENTRIES,
        "kinds of operators",
    )
}

fn attribute(mut message: Message<'_>, walk: &mut Walk, depth: usize) -> Result<(), OnnxError> {
    while let Some((number, field)) = message.next()? {
        let Field::Bytes(body) = field else { continue };
        match number {
            5 | 10 => tensor(body, walk).map(drop)?,
            6 | 11 => graph(body, walk, depth, false)?,
            22 | 23 => sparse(body, walk).map(drop)?,
            _ => {}
        }
    }
    Ok(())
}

/// `SparseTensorProto`; gives the name of its values.
fn sparse(mut message: Message<'_>, walk: &mut Walk) -> Result<String, OnnxError> {
    let mut name = String::new();
    while let Some((number, field)) = message.next()? {
        match (number, field) {
            (1, Field::Bytes(body)) => name = tensor(body, walk)?,
            (2, Field::Bytes(body)) => tensor(body, walk).map(drop)?,
            _ => {}
        }
    }
    Ok(name)
}

/// `TensorProto`; gives its name.
fn tensor(mut message: Message<'_>, walk: &mut Walk) -> Result<String, OnnxError> {
    let (mut name, mut external) = (String::new(), false);
    let (mut claimed, mut bytes) = (1_usize, 0_usize);
    let mut dimension = |length: u64| {
        claimed = claimed.saturating_mul(usize::try_from(length).unwrap_or(usize::MAX));
        Ok(())
    };
    while let Some((number, field)) = message.next()? {
        match (number, field) {
            (1, Field::Varint(length)) => dimension(length)?,
            (1, Field::Bytes(lengths)) => lengths.packed(&mut dimension)?,
            (4 | 5 | 6 | 7 | 9 | 10 | 11, Field::Bytes(data)) => {
                bytes = bytes.saturating_add(data.len().max(1));
            }
            (4 | 5 | 7 | 10 | 11, _) => bytes = bytes.saturating_add(1),
            (8, Field::Bytes(text)) => name = text.text("the name of a tensor")?,
            (13, Field::Bytes(_)) => external = true,
            (14, Field::Varint(location)) => external |= location != 0,
            _ => {}
        }
    }
    if external {
        return Err(OnnxError::External(name));
    }
    let held = bytes.saturating_mul(ELEMENTS_PER_BYTE);
    if claimed > held {
        return Err(OnnxError::Absurd {
            name,
            claimed,
            held,
        });
    }
    walk.summary.initializers += 1;
    walk.summary.initializer_bytes = walk.summary.initializer_bytes.saturating_add(bytes);
    Ok(name)
}
