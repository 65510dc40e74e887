//! From a graph to a program.
//!
//! Values are followed symbolically: each is a list of columns, and a column is either still in its
//! input or in a slot. So operators that only move columns about cost nothing when the program runs.
//! Whatever is not understood to the last detail is [`Unsupported`].

mod columns;
mod ensemble;
mod layout;
mod leaves;
mod splits;
mod tables;

use std::collections::HashMap;

use inference::model::{Dim, TensorSpec};
use inference::onnx::nodes::{self, Attribute, Constant, Graph, Node};
use inference::tensor::Datatype;

use super::arithmetic::Change;
use super::nodes::MAX_SLOTS;
use super::program::{Content, InputShape, Labels, Op, Place, Program, Source};

/// The largest file that is compiled. Reading takes eight times its size, at most.
const MAX_FILE: usize = 256 << 20;

/// Why a graph is not compiled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unsupported(String);

/// Shorthand for [`Unsupported`].
fn unsupported<T>(why: impl Into<String>) -> Result<T, Unsupported> {
    Err(Unsupported(why.into()))
}

/// A value of the graph: `[batch, dims…]`, one place per column of the flattened rest.
#[derive(Debug, Clone)]
struct Symbol {
    datatype: Datatype,
    dims: Vec<usize>,
    columns: Vec<Place>,
    /// For the classes of an ensemble: its only column holds places in this list.
    labels: Option<Labels>,
    /// For a map from classes to the columns.
    classes: Option<Vec<String>>,
}

impl Symbol {
    fn new(datatype: Datatype, dims: Vec<usize>, columns: Vec<Place>) -> Self {
        Self {
            datatype,
            dims,
            columns,
            labels: None,
            classes: None,
        }
    }

    fn floats(dims: Vec<usize>, first: usize, count: usize) -> Self {
        let columns = (first..first + count).map(Place::Slot).collect();
        Self::new(Datatype::Fp32, dims, columns)
    }
}

/// What is known in the middle of a graph.
struct Compiler<'g> {
    symbols: HashMap<&'g str, Symbol>,
    constants: HashMap<&'g str, &'g Constant<'g>>,
    /// Slots of input columns that are loaded already.
    loaded: HashMap<Place, usize>,
    slots: usize,
    ops: Vec<Op>,
}

/// Compiles the graph of an ONNX file with these inputs and outputs.
pub(crate) fn compile(
    file: &[u8],
    inputs: &[TensorSpec],
    outputs: &[TensorSpec],
) -> Result<Program, Unsupported> {
    if file.len() > MAX_FILE {
        return unsupported("it is too large to be compiled");
    }
    let graph = nodes::read(file).map_err(|e| Unsupported(e.to_string()))?;
    if graph.extended {
        return unsupported("it has functions or sparse tensors");
    }
    let shapes = inputs.iter().map(input).collect::<Result<Vec<_>, _>>()?;
    let mut compiler = Compiler::new(&graph, inputs, &shapes);
    for node in &graph.nodes {
        compiler.node(node)?;
    }
    let sources = outputs
        .iter()
        .map(|spec| compiler.output(spec))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Program {
        inputs: shapes,
        slots: compiler.slots,
        ops: compiler.ops,
        outputs: sources,
    })
}

/// The shape of an input, if a row of it is a known number of values.
fn input(spec: &TensorSpec) -> Result<InputShape, Unsupported> {
    let rows = |dim: &Dim| match dim {
        Dim::Fixed(rows) => Some(*rows),
        Dim::Free(_) => None,
    };
    let (flat, width, rows) = match spec.dims.as_slice() {
        [batch] => (true, 1, rows(batch)),
        [batch, Dim::Fixed(width)] => (false, *width, rows(batch)),
        _ => {
            return unsupported(format!("input `{}` has no row of a fixed width", spec.name));
        }
    };
    if width > MAX_SLOTS {
        return unsupported(format!(
            "input `{}` has more than {MAX_SLOTS} columns",
            spec.name
        ));
    }
    Ok(InputShape {
        datatype: spec.datatype,
        flat,
        width,
        rows,
    })
}

impl<'g> Compiler<'g> {
    fn new(graph: &'g Graph<'g>, inputs: &'g [TensorSpec], shapes: &[InputShape]) -> Self {
        let mut constants: HashMap<&str, &Constant<'_>> = graph
            .constants
            .iter()
            .map(|(name, constant)| (*name, constant))
            .collect();
        for node in &graph.nodes {
            if let ("Constant", [output]) = (node.operator, node.outputs.as_slice())
                && let Some(Attribute::Tensor(constant)) = node.attributes.get("value")
            {
                constants.insert(output, constant);
            }
        }
        let symbol = |(input, (spec, shape)): (usize, (&'g TensorSpec, &InputShape))| {
            let columns = (0..shape.width).map(|column| Place::Input { input, column });
            let dims = if shape.flat {
                Vec::new()
            } else {
                vec![shape.width]
            };
            let symbol = Symbol::new(shape.datatype, dims, columns.collect());
            (spec.name.as_str(), symbol)
        };
        Self {
            symbols: inputs.iter().zip(shapes).enumerate().map(symbol).collect(),
            constants,
            loaded: HashMap::new(),
            slots: 0,
            ops: Vec::new(),
        }
    }

    fn node(&mut self, node: &'g Node<'g>) -> Result<(), Unsupported> {
        let made = match (node.domain, node.operator) {
            ("", "Constant") => return Ok(()),
            ("ai.onnx.ml", "TreeEnsembleClassifier" | "TreeEnsembleRegressor") => {
                self.ensemble(node)?
            }
            ("ai.onnx.ml", "OneHotEncoder") => vec![self.one_hot(node)?],
            ("ai.onnx.ml", "LabelEncoder") => vec![self.label_encoder(node)?],
            ("ai.onnx.ml", "ZipMap") => vec![self.zip_map(node)?],
            ("ai.onnx.ml", "Scaler") => vec![self.scaler(node)?],
            ("ai.onnx.ml", "Imputer") => vec![self.imputer(node)?],
            ("ai.onnx.ml", "Normalizer") => vec![self.normalizer(node)?],
            ("ai.onnx.ml", "FeatureVectorizer") => vec![self.vectorizer(node)?],
            ("ai.onnx.ml", "ArrayFeatureExtractor") => vec![self.extractor(node)?],
            ("", "Gather") => vec![self.gather(node)?],
            ("", "Concat") => vec![self.concat(node)?],
            ("", "Reshape") => vec![self.reshape(node)?],
            ("", "Identity") => vec![self.input(node, 0)?.clone()],
            ("", "Cast") => vec![self.cast(node)?],
            ("", "Add" | "Sub" | "Mul" | "Div") => vec![self.arithmetic(node)?],
            (_, operator) => return unsupported(format!("operator {operator} is not compiled")),
        };
        for (name, symbol) in node.outputs.iter().zip(made) {
            self.symbols.insert(name, symbol);
        }
        Ok(())
    }

    /// A value that a node reads.
    fn input(&self, node: &Node<'_>, index: usize) -> Result<&Symbol, Unsupported> {
        let name = node.inputs.get(index).copied().unwrap_or("");
        self.symbols.get(name).ok_or_else(|| {
            Unsupported(format!(
                "{} reads `{name}`, which is not followed",
                node.operator
            ))
        })
    }

    /// The same, if it is a table of rows by columns that are neither classes nor a map.
    fn table(&self, node: &Node<'_>, index: usize) -> Result<&Symbol, Unsupported> {
        let symbol = self.input(node, index)?;
        let plain = symbol.labels.is_none() && symbol.classes.is_none();
        if plain && symbol.dims.len() == 1 {
            Ok(symbol)
        } else {
            unsupported(format!(
                "{} reads something that is no table",
                node.operator
            ))
        }
    }

    /// Slots side by side that nothing uses yet; gives the first.
    fn allocate(&mut self, count: usize) -> Result<usize, Unsupported> {
        let first = self.slots;
        self.slots = first.saturating_add(count);
        if self.slots > MAX_SLOTS {
            return unsupported(format!("a row has more than {MAX_SLOTS} values"));
        }
        Ok(first)
    }

    /// The slots of a value's columns, which are loaded as floats if they are in an input yet.
    fn slots(&mut self, symbol: &Symbol) -> Result<Vec<usize>, Unsupported> {
        symbol
            .columns
            .iter()
            .map(|place| self.slot(*place))
            .collect()
    }

    fn slot(&mut self, place: Place) -> Result<usize, Unsupported> {
        let (input, column) = match place {
            Place::Slot(slot) => return Ok(slot),
            Place::Input { input, column } => (input, column),
        };
        if let Some(slot) = self.loaded.get(&place) {
            return Ok(*slot);
        }
        let slot = self.allocate(1)?;
        self.loaded.insert(place, slot);
        match self.ops.last_mut() {
            Some(Op::Load {
                input: last,
                column: first,
                to,
                count,
            }) if *last == input && *first + *count == column && *to + *count == slot => {
                *count += 1;
            }
            _ => self.ops.push(Op::Load {
                input,
                column,
                to: slot,
                count: 1,
            }),
        }
        Ok(slot)
    }

    /// Changes slots one by one; gives the first of the new ones, which lie side by side.
    fn change(&mut self, from: Vec<usize>, changes: Vec<Change>) -> Result<usize, Unsupported> {
        let to = self.allocate(from.len())?;
        match changes.as_slice() {
            [] => {}
            [change, rest @ ..] if rest.iter().all(|other| other == change) => {
                let change = change.clone();
                self.ops.push(Op::Same { from, change, to });
            }
            _ => self.ops.push(Op::Change { from, changes, to }),
        }
        Ok(to)
    }

    fn output(&mut self, spec: &TensorSpec) -> Result<Source, Unsupported> {
        let Some(symbol) = self.symbols.get(spec.name.as_str()).cloned() else {
            return unsupported(format!("output `{}` is not followed", spec.name));
        };
        let content = match (symbol.labels, symbol.classes, symbol.columns.as_slice()) {
            (Some(labels), None, [Place::Slot(slot)]) => Content::Labels {
                slot: *slot,
                labels,
            },
            (None, classes, columns) if symbol.datatype == Datatype::Fp32 => {
                let slots = columns.iter().map(|place| self.slot(*place));
                let slots = slots.collect::<Result<Vec<_>, _>>()?;
                match classes {
                    Some(classes) => Content::Map { slots, classes },
                    None => Content::Floats(slots),
                }
            }
            _ => {
                return unsupported(format!(
                    "output `{}` is neither floats nor classes",
                    spec.name
                ));
            }
        };
        if symbol.datatype != spec.datatype {
            return unsupported(format!(
                "output `{}` is of another type than it says",
                spec.name
            ));
        }
        Ok(Source {
            content,
            dims: symbol.dims,
        })
    }
}

/// An attribute that is a list of integers.
fn ints<'n>(node: &'n Node<'_>, name: &str) -> &'n [i64] {
    match node.attributes.get(name) {
        Some(Attribute::Ints(values)) => values,
        _ => &[],
    }
}

/// An attribute that is a list of floats.
fn floats<'n>(node: &'n Node<'_>, name: &str) -> &'n [f32] {
    match node.attributes.get(name) {
        Some(Attribute::Floats(values)) => values,
        _ => &[],
    }
}

/// An attribute that is a list of texts.
fn texts<'n>(node: &'n Node<'n>, name: &str) -> &'n [&'n str] {
    match node.attributes.get(name) {
        Some(Attribute::Texts(values)) => values,
        _ => &[],
    }
}

/// An attribute that is an integer.
fn int(node: &Node<'_>, name: &str) -> Option<i64> {
    match node.attributes.get(name) {
        Some(Attribute::Int(value)) => Some(*value),
        _ => None,
    }
}

/// An attribute that is a text.
fn word<'n>(node: &'n Node<'_>, name: &str) -> Option<&'n str> {
    match node.attributes.get(name) {
        Some(Attribute::Text(value)) => Some(value),
        _ => None,
    }
}

#[cfg(test)]
pub(super) mod tests;
