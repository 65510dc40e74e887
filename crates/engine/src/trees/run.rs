//! Runs a program: a few rows one by one, many in blocks.
//!
//! A single row goes down several trees side by side, a block of rows down one tree; either way the
//! loads of different paths overlap. Blocks are gathered so that a tree is in the cache while they
//! all go down.

mod step;

use inference::answer::Output;
use inference::tensor::{Data, Tensor};

use super::ensemble::RowRoom;
use super::nodes::{MAX_SLOTS, TOGETHER};
use super::program::{Content, InputShape, Labels, Op, Program, Source};

/// Blocks that go down a tree before the next tree's turn.
const BLOCKS: usize = 8;
/// Slots of the usual program, which has a loop of its own.
const FEW_SLOTS: usize = 256;

/// Room to compute in, kept from run to run.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    row: Vec<[f32; 1]>,
    rows: Vec<[f32; TOGETHER]>,
    row_room: RowRoom,
    rows_keys: Vec<[u32; TOGETHER]>,
    row_sums: Vec<f32>,
    rows_sums: Vec<[f32; TOGETHER]>,
}

/// Inputs that the program was not made for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RunError {
    #[error("input {0} has not the shape that the model takes")]
    Shape(usize),
    #[error("the inputs differ in their number of rows")]
    Rows,
}

impl Program {
    /// Computes all rows. `names` are the outputs' in their order.
    pub(crate) fn run<'n>(
        &self,
        scratch: &mut Scratch,
        inputs: &[Tensor],
        names: impl Iterator<Item = &'n str>,
    ) -> Result<Vec<Output<'n>>, RunError> {
        let rows = self.rows(inputs)?;
        let mut outputs = Vec::with_capacity(self.outputs.len());
        outputs.extend(
            names
                .zip(&self.outputs)
                .map(|(name, source)| source.blank(name, rows)),
        );
        if self.slots <= FEW_SLOTS {
            self.all::<FEW_SLOTS>(scratch, inputs, rows, &mut outputs);
        } else {
            self.all::<MAX_SLOTS>(scratch, inputs, rows, &mut outputs);
        }
        Ok(outputs)
    }

    /// The number of rows, if all inputs are as they should be.
    fn rows(&self, inputs: &[Tensor]) -> Result<usize, RunError> {
        let mut all = None;
        if inputs.len() != self.inputs.len() {
            return Err(RunError::Shape(inputs.len()));
        }
        for (index, (tensor, expect)) in inputs.iter().zip(&self.inputs).enumerate() {
            let rows = expect.rows(tensor).ok_or(RunError::Shape(index))?;
            if *all.get_or_insert(rows) != rows {
                return Err(RunError::Rows);
            }
        }
        all.ok_or(RunError::Rows)
    }

    fn all<const S: usize>(
        &self,
        scratch: &mut Scratch,
        inputs: &[Tensor],
        rows: usize,
        outputs: &mut [Output<'_>],
    ) {
        let blocks = rows / TOGETHER;
        for first in (0..blocks).step_by(BLOCKS) {
            let count = BLOCKS.min(blocks - first);
            let room = count * self.slots + S;
            if scratch.rows.len() < room {
                scratch.rows.resize(room, [0.0; TOGETHER]);
            }
            self.blocks::<S>(scratch, inputs, first * TOGETHER, count);
            for block in 0..count {
                let slots = &scratch.rows[block * self.slots..];
                self.collect(slots, outputs);
            }
        }
        scratch.row.resize(self.slots + S, [0.0; 1]);
        for row in blocks * TOGETHER..rows {
            for op in &self.ops {
                match op {
                    Op::Trees(ensemble) => {
                        let (room, sums) = (&mut scratch.row_room, &mut scratch.row_sums);
                        ensemble.row::<S>(&mut scratch.row, room, sums);
                    }
                    _ => op.run(inputs, row, &mut scratch.row),
                }
            }
            self.collect(&scratch.row, outputs);
        }
    }

    fn blocks<const S: usize>(
        &self,
        scratch: &mut Scratch,
        inputs: &[Tensor],
        first: usize,
        count: usize,
    ) {
        for op in &self.ops {
            if let Op::Trees(ensemble) = op {
                let (keys, sums) = (&mut scratch.rows_keys, &mut scratch.rows_sums);
                ensemble.rows::<S>(&mut scratch.rows, self.slots, count, keys, sums);
                continue;
            }
            for block in 0..count {
                let slots = &mut scratch.rows[block * self.slots..];
                op.run(inputs, first + block * TOGETHER, slots);
            }
        }
    }

    /// Appends a block's outputs.
    fn collect<const L: usize>(&self, slots: &[[f32; L]], outputs: &mut [Output<'_>]) {
        for (source, output) in self.outputs.iter().zip(outputs) {
            for lane in 0..L {
                source.content.collect(slots, lane, &mut output.data);
            }
        }
    }
}

impl InputShape {
    /// The number of rows of a tensor of this shape.
    fn rows(&self, tensor: &Tensor) -> Option<usize> {
        let (rows, width) = match (self.flat, tensor.shape.as_slice()) {
            (true, [rows]) => (*rows, 1),
            (false, [rows, width]) => (*rows, *width),
            _ => return None,
        };
        let fits = width == self.width
            && self.rows.is_none_or(|expect| expect == rows)
            && tensor.data.datatype() == self.datatype
            && tensor.data.len() == rows.checked_mul(width)?;
        fits.then_some(rows)
    }
}

impl Source {
    /// An output with everything but its elements.
    fn blank<'n>(&self, name: &'n str, rows: usize) -> Output<'n> {
        let mut shape = Vec::with_capacity(1 + self.dims.len());
        shape.push(rows);
        shape.extend_from_slice(&self.dims);
        let classes = match &self.content {
            // Without a row there is no map that would name classes.
            Content::Map { .. } if rows == 0 => {
                shape = vec![0, 0];
                Some(Vec::new())
            }
            Content::Map { classes, .. } => Some(classes.clone()),
            _ => None,
        };
        Output {
            name,
            shape,
            data: self.content.room(rows),
            classes,
        }
    }
}

impl Content {
    /// An empty list with room for the elements of `rows` rows.
    fn room(&self, rows: usize) -> Data {
        match self {
            Self::Floats(slots) | Self::Map { slots, .. } => {
                Data::Fp32(Vec::with_capacity(rows * slots.len()))
            }
            Self::Labels { labels, .. } => match labels {
                Labels::Int(_) => Data::Int64(Vec::with_capacity(rows)),
                Labels::Text(_) => Data::Bytes(Vec::with_capacity(rows)),
            },
        }
    }

    #[inline]
    fn collect<const L: usize>(&self, slots: &[[f32; L]], lane: usize, data: &mut Data) {
        match (self, data) {
            (Self::Floats(from) | Self::Map { slots: from, .. }, Data::Fp32(values)) => {
                values.extend(from.iter().map(|slot| slots[*slot][lane]));
            }
            (Self::Labels { slot, labels }, data) => {
                let class = slots[*slot][lane] as usize;
                match (labels, data) {
                    (Labels::Int(labels), Data::Int64(values)) => values.push(labels[class]),
                    (Labels::Text(labels), Data::Bytes(values)) => {
                        values.push(labels[class].clone());
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
