//! What each operation does to the slots of `L` rows.

use inference::tensor::{Data, Tensor};

use crate::trees::arithmetic::{Change, normalize};
use crate::trees::lookup::Keys;
use crate::trees::program::{Op, Place};

impl Op {
    /// Computes `L` rows from `row` on.
    pub(super) fn run<const L: usize>(
        &self,
        inputs: &[Tensor],
        row: usize,
        slots: &mut [[f32; L]],
    ) {
        match self {
            Self::Load {
                input,
                column,
                to,
                count,
            } => load(&inputs[*input], row, *column, &mut slots[*to..*to + *count]),
            Self::Change { from, changes, to } => {
                for (index, (from, change)) in from.iter().zip(changes).enumerate() {
                    slots[*to + index] = slots[*from].map(|x| change.apply(x));
                }
            }
            Self::Same { from, change, to } => match change {
                // The one that is in the way of every row with missing values.
                Change::MissingBelow => each(from, *to, slots, |x| Change::MissingBelow.apply(x)),
                change => each(from, *to, slots, |x| change.apply(x)),
            },
            Self::Normalize { norm, from, to } => {
                for (index, from) in from.iter().enumerate() {
                    slots[*to + index] = slots[*from];
                }
                normalize(*norm, &mut slots[*to..*to + from.len()]);
            }
            Self::OneHot { from, keys, to } => {
                let found = find(inputs, *from, row, keys, slots);
                slots[*to..*to + keys.len()].fill([0.0; L]);
                for (lane, place) in found.iter().enumerate() {
                    if let Some(place) = place {
                        slots[*to + *place][lane] = 1.0;
                    }
                }
            }
            Self::Map {
                from,
                keys,
                values,
                absent,
                to,
            } => {
                let found = find(inputs, *from, row, keys, slots);
                slots[*to] = found.map(|place| place.map_or(*absent, |place| values[place]));
            }
            Self::Trees(_) => {}
        }
    }
}

/// Changes slots into slots side by side.
#[inline(always)]
fn each<const L: usize>(
    from: &[usize],
    to: usize,
    slots: &mut [[f32; L]],
    change: impl Fn(f32) -> f32,
) {
    for (index, from) in from.iter().enumerate() {
        slots[to + index] = slots[*from].map(&change);
    }
}

/// Columns from `column` on, as floats.
fn load<const L: usize>(tensor: &Tensor, row: usize, column: usize, slots: &mut [[f32; L]]) {
    let width = width(tensor);
    macro_rules! convert {
        ($values:expr, $convert:expr) => {
            for lane in 0..L {
                let start = (row + lane) * width + column;
                let values = &$values[start..start + slots.len()];
                for (slot, value) in slots.iter_mut().zip(values) {
                    slot[lane] = $convert(*value);
                }
            }
        };
    }
    match &tensor.data {
        Data::Fp32(v) => convert!(v, |x| x),
        Data::Fp64(v) => convert!(v, |x| x as f32),
        Data::Int64(v) => convert!(v, |x| x as f32),
        Data::Int32(v) => convert!(v, |x| x as f32),
        Data::Bool(v) => convert!(v, |x| f32::from(u8::from(x))),
        Data::Uint8(v) => convert!(v, f32::from),
        _ => {}
    }
}

fn width(tensor: &Tensor) -> usize {
    tensor.shape.get(1).copied().unwrap_or(1)
}

/// The places of `L` rows' categories.
fn find<const L: usize>(
    inputs: &[Tensor],
    from: Place,
    row: usize,
    keys: &Keys,
    slots: &[[f32; L]],
) -> [Option<usize>; L] {
    match from {
        Place::Slot(slot) => slots[slot].map(|key| keys.of_float(key)),
        Place::Input { input, column } => {
            let tensor = &inputs[input];
            let width = width(tensor);
            std::array::from_fn(|lane| {
                let at = (row + lane) * width + column;
                match &tensor.data {
                    Data::Bytes(v) => keys.of_text(&v[at]),
                    Data::Int64(v) => keys.of_int(v[at]),
                    Data::Int32(v) => keys.of_int(v[at].into()),
                    Data::Fp32(v) => keys.of_float(v[at]),
                    _ => None,
                }
            })
        }
    }
}
