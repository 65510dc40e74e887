//! Operators that move columns about or give them another type.

use inference::onnx::nodes::{Node, Values};
use inference::tensor::Datatype;

use super::{Compiler, Symbol, Unsupported, int, ints, unsupported};
use crate::trees::arithmetic::Change;
use crate::trees::program::Place;

impl<'g> Compiler<'g> {
    /// `Gather` along the columns, by constant places.
    pub(super) fn gather(&self, node: &Node<'_>) -> Result<Symbol, Unsupported> {
        if int(node, "axis") != Some(1) {
            return unsupported("Gather along rows is not compiled");
        }
        let scalar = self.places(node)?.0;
        let mut symbol = self.extractor(node)?;
        if scalar {
            symbol.dims = Vec::new();
        }
        Ok(symbol)
    }

    /// `ArrayFeatureExtractor`, by constant places.
    pub(super) fn extractor(&self, node: &Node<'_>) -> Result<Symbol, Unsupported> {
        let table = self.table(node, 0)?;
        let (_, places) = self.places(node)?;
        let width = table.columns.len() as i64;
        let pick = |place: &i64| {
            let place = if *place < 0 { place + width } else { *place };
            let place = usize::try_from(place).ok();
            place.and_then(|place| table.columns.get(place)).copied()
        };
        match places.iter().map(pick).collect::<Option<Vec<_>>>() {
            Some(columns) => Ok(Symbol::new(table.datatype, vec![columns.len()], columns)),
            None => unsupported(format!(
                "{} takes a column that is not there",
                node.operator
            )),
        }
    }

    /// The constant places that a node takes, and whether they are a single one without a dimension.
    fn places(&self, node: &Node<'_>) -> Result<(bool, &'g [i64]), Unsupported> {
        let name = node.inputs.get(1).copied().unwrap_or("");
        match self.constants.get(name).map(|c| (c.dims.len(), &c.values)) {
            Some((rank @ (0 | 1), Values::Int64(places))) => Ok((rank == 0, places)),
            _ => unsupported(format!(
                "{} without constant places is not compiled",
                node.operator
            )),
        }
    }

    /// `Concat` of columns.
    pub(super) fn concat(&self, node: &Node<'_>) -> Result<Symbol, Unsupported> {
        let mut all = self.input(node, 0)?.clone();
        let rank = 1 + all.dims.len() as i64;
        let axis = int(node, "axis").map(|axis| if axis < 0 { axis + rank } else { axis });
        if axis != Some(rank - 1) || rank < 2 {
            return unsupported("Concat of rows is not compiled");
        }
        all.columns.clear();
        for index in 0..node.inputs.len() {
            let part = self.input(node, index)?;
            if part.datatype != all.datatype {
                return unsupported("Concat of several types is not compiled");
            }
            let flat = part.columns.len() == part.dims.last().copied().unwrap_or(0);
            let plain = part.labels.is_none() && part.classes.is_none();
            if !flat || !plain || part.dims.len() != all.dims.len() {
                return unsupported("Concat of such shapes is not compiled");
            }
            all.columns.extend_from_slice(&part.columns);
        }
        if let Some(last) = all.dims.last_mut() {
            *last = all.columns.len();
        }
        Ok(all)
    }

    /// `FeatureVectorizer`: a `Concat` of whatever numbers.
    pub(super) fn vectorizer(&mut self, node: &Node<'_>) -> Result<Symbol, Unsupported> {
        let mut columns = Vec::new();
        for index in 0..node.inputs.len() {
            let table = self.table(node, index)?.clone();
            let width = ints(node, "inputdimensions").get(index).copied();
            if width != i64::try_from(table.columns.len()).ok() {
                return unsupported("FeatureVectorizer of parts of inputs is not compiled");
            }
            columns.extend(self.numbers(node, &table)?);
        }
        let columns: Vec<_> = columns.into_iter().map(Place::Slot).collect();
        Ok(Symbol::new(Datatype::Fp32, vec![columns.len()], columns))
    }

    /// `Reshape` that keeps rows apart.
    pub(super) fn reshape(&self, node: &Node<'_>) -> Result<Symbol, Unsupported> {
        let mut symbol = self.input(node, 0)?.clone();
        let name = node.inputs.get(1).copied().unwrap_or("");
        let shape = match self.constants.get(name).map(|c| &c.values) {
            Some(Values::Int64(shape)) => shape.as_slice(),
            _ => &[],
        };
        let width = symbol.columns.len();
        symbol.dims = match shape {
            [-1] if width == 1 => Vec::new(),
            [-1, columns] if usize::try_from(*columns) == Ok(width) => vec![width],
            _ => return unsupported("Reshape to other rows is not compiled"),
        };
        Ok(symbol)
    }

    pub(super) fn cast(&mut self, node: &Node<'_>) -> Result<Symbol, Unsupported> {
        let mut symbol = self.input(node, 0)?.clone();
        let to = int(node, "to").and_then(|to| i32::try_from(to).ok());
        let Some(to) = to.and_then(Datatype::from_onnx) else {
            return unsupported("Cast to an unknown type");
        };
        if symbol.datatype == to {
            return Ok(symbol);
        }
        if symbol.labels.is_some() || symbol.classes.is_some() {
            return unsupported("Cast of classes is not compiled");
        }
        match (symbol.datatype, to) {
            (
                Datatype::Int64
                | Datatype::Int32
                | Datatype::Fp64
                | Datatype::Bool
                | Datatype::Uint8,
                Datatype::Fp32,
            )
            | (Datatype::Bool | Datatype::Uint8, Datatype::Int64) => {
                let slots = self.slots(&symbol)?;
                symbol.columns = slots.into_iter().map(Place::Slot).collect();
            }
            (Datatype::Int32, Datatype::Int64) => {}
            (Datatype::Fp32, Datatype::Int64) => {
                let slots = self.slots(&symbol)?;
                let count = slots.len();
                let first = self.change(slots, vec![Change::Truncate; count])?;
                symbol.columns = (first..first + count).map(Place::Slot).collect();
            }
            (from, to) => return unsupported(format!("Cast from {from} to {to} is not compiled")),
        }
        symbol.datatype = to;
        Ok(symbol)
    }

    /// Slots of numbers that an operator takes as 32-bit floats.
    pub(super) fn numbers(
        &mut self,
        node: &Node<'_>,
        symbol: &Symbol,
    ) -> Result<Vec<usize>, Unsupported> {
        match symbol.datatype {
            Datatype::Fp32 | Datatype::Int64 | Datatype::Int32 => self.slots(symbol),
            other => unsupported(format!("{} of {other} is not compiled", node.operator)),
        }
    }
}
