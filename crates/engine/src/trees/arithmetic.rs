//! What is done to single columns of a row before and after the trees, as ONNX Runtime does it.
//!
//! Sources: scaler.cc, imputer.cc, normalizer.cc beside ONNX Runtime's trees, and its element-wise
//! operators. Each column is a slot for `L` rows.

/// Two numbers into one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Binary {
    Add,
    Sub,
    Mul,
    Div,
}

impl Binary {
    pub(super) fn apply(self, a: f32, b: f32) -> f32 {
        match self {
            Self::Add => a + b,
            Self::Sub => a - b,
            Self::Mul => a * b,
            Self::Div => a / b,
        }
    }
}

/// How rows are scaled to length one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Norm {
    Max,
    L1,
    L2,
}

/// One number into another.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Change {
    /// `(x - offset) * scale`.
    Scale { offset: f32, scale: f32 },
    /// `with`, where it is `missing`; a NaN stands for every NaN.
    Impute { missing: f32, with: f32 },
    /// A constant on the right.
    Right(Binary, f32),
    /// A constant on the left.
    Left(Binary, f32),
    /// Without what comes after the point, as a cast to an integer.
    Truncate,
    /// Negative infinity for NaN: for splits where a missing value goes with the smaller ones.
    MissingBelow,
    /// 0 if it is one of these (or, if `missing`, NaN), else 1: for splits by equality.
    Differs { values: Vec<f32>, missing: bool },
}

impl Change {
    pub(super) fn apply(&self, x: f32) -> f32 {
        match self {
            Self::Scale { offset, scale } => (x - offset) * scale,
            Self::Impute { missing, with } => {
                if x == *missing || (x.is_nan() && missing.is_nan()) {
                    *with
                } else {
                    x
                }
            }
            Self::Right(binary, constant) => binary.apply(x, *constant),
            Self::Left(binary, constant) => binary.apply(*constant, x),
            Self::Truncate => x.trunc(),
            Self::MissingBelow => {
                if x.is_nan() {
                    f32::NEG_INFINITY
                } else {
                    x
                }
            }
            Self::Differs { values, missing } => {
                if values.contains(&x) || (*missing && x.is_nan()) {
                    0.0
                } else {
                    1.0
                }
            }
        }
    }

    /// About which value becomes `y`: only for choosing inputs to try.
    pub(super) fn undo(&self, y: f32) -> f32 {
        match self {
            Self::Scale { offset, scale } => y / scale + offset,
            Self::Right(Binary::Add, c) | Self::Left(Binary::Add, c) => y - c,
            Self::Left(Binary::Sub, c) => c - y,
            Self::Right(Binary::Sub, c) => y + c,
            Self::Right(Binary::Mul, c) | Self::Left(Binary::Mul, c) => y / c,
            Self::Right(Binary::Div, c) => y * c,
            Self::Left(Binary::Div, c) => c / y,
            Self::Impute { .. } | Self::Truncate | Self::MissingBelow | Self::Differs { .. } => y,
        }
    }
}

/// Scales rows to length one, in place.
pub(super) fn normalize<const L: usize>(norm: Norm, slots: &mut [[f32; L]]) {
    for lane in 0..L {
        let values = || slots.iter().map(|slot| slot[lane]);
        match norm {
            Norm::Max => {
                let longest = values().fold(f32::MIN, |a, b| if a < b { b } else { a });
                divide(slots, lane, longest);
            }
            Norm::L1 => {
                let sum = values().fold(0.0, |sum, x| sum + x.abs());
                divide(slots, lane, sum);
            }
            Norm::L2 => {
                let sum = values().fold(0.0, |sum, x| sum + x * x);
                if sum != 0.0 {
                    for slot in &mut *slots {
                        let x = slot[lane];
                        let root = (x * x / sum).sqrt();
                        slot[lane] = if x < 0.0 { -root } else { root };
                    }
                }
            }
        }
    }
}

fn divide<const L: usize>(slots: &mut [[f32; L]], lane: usize, by: f32) {
    if by != 0.0 {
        slots.iter_mut().for_each(|slot| slot[lane] /= by);
    }
}

#[cfg(test)]
mod tests;
