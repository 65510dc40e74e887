//! Operators that compute with numbers, column by column or row by row.

use inference::onnx::nodes::{Attribute, Node, Values};
use inference::tensor::Datatype;

use super::{Compiler, Symbol, Unsupported, floats, unsupported, word};
use crate::trees::arithmetic::{Binary, Change, Norm};
use crate::trees::program::Op;

impl Compiler<'_> {
    pub(super) fn scaler(&mut self, node: &Node<'_>) -> Result<Symbol, Unsupported> {
        let table = self.table(node, 0)?.clone();
        let width = table.columns.len();
        let offset = each(floats(node, "offset"), width, "offset")?;
        let scale = each(floats(node, "scale"), width, "scale")?;
        let changes = offset.into_iter().zip(scale);
        let changes = changes.map(|(offset, scale)| Change::Scale { offset, scale });
        let from = self.numbers(node, &table)?;
        let first = self.change(from, changes.collect())?;
        Ok(Symbol::floats(table.dims, first, width))
    }

    pub(super) fn imputer(&mut self, node: &Node<'_>) -> Result<Symbol, Unsupported> {
        let table = self.table(node, 0)?.clone();
        if table.datatype != Datatype::Fp32 {
            return unsupported(format!("Imputer of {} is not compiled", table.datatype));
        }
        let missing = match node.attributes.get("replaced_value_float") {
            Some(Attribute::Float(missing)) => *missing,
            _ => return unsupported("Imputer does not say what is missing"),
        };
        let width = table.columns.len();
        let with = floats(node, "imputed_value_floats");
        let changes = each(with, width, "imputed_value_floats")?;
        let changes = changes
            .into_iter()
            .map(|with| Change::Impute { missing, with });
        let from = self.slots(&table)?;
        let first = self.change(from, changes.collect())?;
        Ok(Symbol::floats(table.dims, first, width))
    }

    pub(super) fn normalizer(&mut self, node: &Node<'_>) -> Result<Symbol, Unsupported> {
        let table = self.table(node, 0)?.clone();
        let norm = match word(node, "norm") {
            None | Some("MAX") => Norm::Max,
            Some("L1") => Norm::L1,
            Some("L2") => Norm::L2,
            Some(other) => return unsupported(format!("Normalizer by {other} is not compiled")),
        };
        if table.datatype != Datatype::Fp32 {
            return unsupported(format!("Normalizer of {} is not compiled", table.datatype));
        }
        let from = self.slots(&table)?;
        let width = from.len();
        let to = self.allocate(width)?;
        self.ops.push(Op::Normalize { norm, from, to });
        Ok(Symbol::floats(table.dims, to, width))
    }

    /// `Add`, `Sub`, `Mul`, `Div` with one constant per column, or one for all.
    pub(super) fn arithmetic(&mut self, node: &Node<'_>) -> Result<Symbol, Unsupported> {
        let binary = match node.operator {
            "Add" => Binary::Add,
            "Sub" => Binary::Sub,
            "Mul" => Binary::Mul,
            _ => Binary::Div,
        };
        let is_constant = |index: usize| {
            let name = node.inputs.get(index);
            name.and_then(|name| self.constants.get(name)).copied()
        };
        let (constant, value, right) = match (is_constant(0), is_constant(1)) {
            (None, Some(constant)) => (constant, 0, true),
            (Some(constant), None) => (constant, 1, false),
            _ => {
                let operator = node.operator;
                return unsupported(format!("{operator} without one constant is not compiled"));
            }
        };
        let symbol = self.input(node, value)?.clone();
        let plain = symbol.labels.is_none() && symbol.classes.is_none();
        let Values::Fp32(constants) = &constant.values else {
            return unsupported(format!(
                "{} is compiled for 32-bit floats only",
                node.operator
            ));
        };
        // A constant of more dimensions would add some to the result.
        let fits = constant.dims.len() <= symbol.dims.len() + usize::from(!symbol.dims.is_empty())
            || (constant.dims.len() <= 1 && constants.len() == 1);
        let last = constant.dims.last().copied().unwrap_or(1);
        if !plain || symbol.datatype != Datatype::Fp32 || !fits || last != constants.len() {
            return unsupported(format!("{} of such shapes is not compiled", node.operator));
        }
        let width = symbol.columns.len();
        let by_one = constants.iter().all(|c| *c == 1.0);
        if by_one && (binary == Binary::Mul || (binary == Binary::Div && right)) {
            return Ok(symbol);
        }
        let changes = each(constants, width, "a constant")?.into_iter().map(|c| {
            if right {
                Change::Right(binary, c)
            } else {
                Change::Left(binary, c)
            }
        });
        let from = self.slots(&symbol)?;
        let first = self.change(from, changes.collect())?;
        Ok(Symbol::floats(symbol.dims, first, width))
    }
}

/// One value per column, where there may be one for all.
fn each(values: &[f32], width: usize, what: &str) -> Result<Vec<f32>, Unsupported> {
    match values {
        [single] => Ok(vec![*single; width]),
        values if values.len() == width => Ok(values.to_vec()),
        _ => unsupported(format!("{what} has not one value for each column")),
    }
}
