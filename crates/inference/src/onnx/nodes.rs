//! The nodes of a graph with what they carry: attributes and constant tensors.
//!
//! [`read`] is for who wants to compute a graph without ONNX Runtime: the engine, for ensembles of
//! trees. It borrows from the file and copies numbers only. Everything is bounded by the file's size
//! or by a limit here, and whatever it does not know becomes [`Attribute::Other`] or
//! [`Values::Other`]; it never follows a reference out of the file. Field numbers are those of
//! onnx/onnx.proto3.

mod attribute;
mod constant;

use std::collections::BTreeMap;

use super::wire::{Field, Message};
use super::{MAX_ENTRIES, OnnxError};
use crate::onnx::model::limit;

/// The most nodes of a graph that is read.
pub const MAX_GRAPH_NODES: usize = 4096;
/// The most elements of a constant that is read; longer ones become [`Values::Other`].
pub const MAX_CONSTANT: usize = 1 << 16;

/// The main graph of a model.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Graph<'a> {
    /// Its nodes, in the order of the file.
    pub nodes: Vec<Node<'a>>,
    /// Its initializers, by name.
    pub constants: BTreeMap<&'a str, Constant<'a>>,
    /// Its inputs by name, initializers included.
    pub inputs: Vec<&'a str>,
    /// Its outputs by name.
    pub outputs: Vec<&'a str>,
    /// Whether the file has something beside the graph that changes what a node means: functions, or
    /// sparse initializers.
    pub extended: bool,
}

/// One node.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Node<'a> {
    /// The operator.
    pub operator: &'a str,
    /// Its domain; empty for ONNX's own.
    pub domain: &'a str,
    /// Names of its inputs; an empty one is left out.
    pub inputs: Vec<&'a str>,
    /// Names of its outputs; an empty one is not wanted.
    pub outputs: Vec<&'a str>,
    /// Its attributes by name.
    pub attributes: BTreeMap<&'a str, Attribute<'a>>,
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "one variant per type")]
pub enum Attribute<'a> {
    Float(f32),
    Int(i64),
    Text(&'a str),
    Floats(Vec<f32>),
    Ints(Vec<i64>),
    Texts(Vec<&'a str>),
    Tensor(Constant<'a>),
    /// A graph, a type, a sparse tensor, or text that is not UTF-8.
    Other,
}

/// A tensor that is part of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Constant<'a> {
    /// Length of each dimension, outermost first; empty for a single value.
    pub dims: Vec<usize>,
    /// Its elements, row-major, as many as the dimensions say.
    pub values: Values<'a>,
}

/// The elements of a constant.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "one variant per type")]
pub enum Values<'a> {
    Fp32(Vec<f32>),
    Fp64(Vec<f64>),
    Int64(Vec<i64>),
    Text(Vec<&'a str>),
    /// Another type, too many elements, or another number of them than the dimensions say.
    Other,
}

/// Reads the main graph of an ONNX file that [`super::describe`] accepts.
pub fn read(file: &[u8]) -> Result<Graph<'_>, OnnxError> {
    let mut read = Graph::default();
    let mut message = Message::whole(file);
    while let Some((number, field)) = message.next()? {
        match (number, field) {
            (7, Field::Bytes(body)) => graph(body, &mut read)?,
            (25, Field::Bytes(_)) => read.extended = true,
            _ => {}
        }
    }
    Ok(read)
}

fn graph<'a>(mut message: Message<'a>, read: &mut Graph<'a>) -> Result<(), OnnxError> {
    while let Some((number, field)) = message.next()? {
        let Field::Bytes(body) = field else { continue };
        match number {
            1 => {
                read.nodes.push(node(body)?);
                limit(read.nodes.len(), MAX_GRAPH_NODES, "nodes to compile")?;
            }
            5 => {
                let (name, tensor) = constant::read(body)?;
                read.constants.insert(name, tensor);
                limit(read.constants.len(), MAX_ENTRIES, "tensors to compile")?;
            }
            11 => read.inputs.push(value_name(body)?),
            12 => read.outputs.push(value_name(body)?),
            15 => read.extended = true,
            _ => {}
        }
    }
    Ok(())
}

/// The name in a `ValueInfoProto`.
fn value_name(mut message: Message<'_>) -> Result<&str, OnnxError> {
    let mut name = "";
    while let Some((number, field)) = message.next()? {
        if let (1, Field::Bytes(text)) = (number, field) {
            name = lent(text)?;
        }
    }
    Ok(name)
}

/// `NodeProto`.
fn node(mut message: Message<'_>) -> Result<Node<'_>, OnnxError> {
    let mut node = Node::default();
    while let Some((number, field)) = message.next()? {
        let Field::Bytes(body) = field else { continue };
        match number {
            1 => node.inputs.push(lent(body)?),
            2 => node.outputs.push(lent(body)?),
            4 => node.operator = lent(body)?,
            5 => {
                let (name, value) = attribute::read(body)?;
                node.attributes.insert(name, value);
                limit(node.attributes.len(), MAX_ENTRIES, "attributes of a node")?;
            }
            7 => node.domain = lent(body)?,
            _ => {}
        }
    }
    if node.domain == "ai.onnx" {
        node.domain = "";
    }
    Ok(node)
}

fn lent(text: Message<'_>) -> Result<&str, OnnxError> {
    text.lent_text()
        .ok_or(OnnxError::NotOnnx("a name in it is not UTF-8"))
}

#[cfg(test)]
mod tests;
