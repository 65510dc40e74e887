//! Datatypes and tensors, in the words of the Open Inference Protocol.
//!
//! The parsers of requests fill [`Data`], the engine hands it to the model and back, the writers of
//! answers read it. Nothing here knows JSON or ONNX Runtime.

use half::{bf16, f16};
use serde::{Deserialize, Serialize};

/// What the elements of a tensor are. As JSON, the protocol's names: `FP32`, `INT64`, `BYTES`, …
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "the names are the protocol's and say it all")]
pub enum Datatype {
    Bool,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Int8,
    Int16,
    Int32,
    Int64,
    Fp16,
    Fp32,
    Fp64,
    /// Brain floating point.
    Bf16,
    /// Strings.
    Bytes,
}

impl Datatype {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Bool,
        Self::Uint8,
        Self::Uint16,
        Self::Uint32,
        Self::Uint64,
        Self::Int8,
        Self::Int16,
        Self::Int32,
        Self::Int64,
        Self::Fp16,
        Self::Fp32,
        Self::Fp64,
        Self::Bf16,
        Self::Bytes,
    ];

    /// The protocol's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bool => "BOOL",
            Self::Uint8 => "UINT8",
            Self::Uint16 => "UINT16",
            Self::Uint32 => "UINT32",
            Self::Uint64 => "UINT64",
            Self::Int8 => "INT8",
            Self::Int16 => "INT16",
            Self::Int32 => "INT32",
            Self::Int64 => "INT64",
            Self::Fp16 => "FP16",
            Self::Fp32 => "FP32",
            Self::Fp64 => "FP64",
            Self::Bf16 => "BF16",
            Self::Bytes => "BYTES",
        }
    }

    /// The datatype of a name that the protocol has.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|datatype| datatype.name() == name)
    }

    /// Bytes of one element; `None` for strings, which have no fixed length.
    #[must_use]
    pub fn size(self) -> Option<usize> {
        Some(match self {
            Self::Bool | Self::Uint8 | Self::Int8 => 1,
            Self::Uint16 | Self::Int16 | Self::Fp16 | Self::Bf16 => 2,
            Self::Uint32 | Self::Int32 | Self::Fp32 => 4,
            Self::Uint64 | Self::Int64 | Self::Fp64 => 8,
            Self::Bytes => return None,
        })
    }

    /// The datatype of an ONNX `TensorProto.DataType`, if the protocol has a word for it.
    #[must_use]
    pub fn from_onnx(element: i32) -> Option<Self> {
        Some(match element {
            1 => Self::Fp32,
            2 => Self::Uint8,
            3 => Self::Int8,
            4 => Self::Uint16,
            5 => Self::Int16,
            6 => Self::Int32,
            7 => Self::Int64,
            8 => Self::Bytes,
            9 => Self::Bool,
            10 => Self::Fp16,
            11 => Self::Fp64,
            12 => Self::Uint32,
            13 => Self::Uint64,
            16 => Self::Bf16,
            _ => return None,
        })
    }
}

impl std::fmt::Display for Datatype {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// The elements of a tensor, row-major.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "one variant per datatype")]
pub enum Data {
    Bool(Vec<bool>),
    Uint8(Vec<u8>),
    Uint16(Vec<u16>),
    Uint32(Vec<u32>),
    Uint64(Vec<u64>),
    Int8(Vec<i8>),
    Int16(Vec<i16>),
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Fp16(Vec<f16>),
    Fp32(Vec<f32>),
    Fp64(Vec<f64>),
    Bf16(Vec<bf16>),
    Bytes(Vec<String>),
}

/// Runs one expression for whichever vector a [`Data`] holds.
macro_rules! each {
    ($data:expr, $values:ident => $body:expr) => {
        match $data {
            $crate::tensor::Data::Bool($values) => $body,
            $crate::tensor::Data::Uint8($values) => $body,
            $crate::tensor::Data::Uint16($values) => $body,
            $crate::tensor::Data::Uint32($values) => $body,
            $crate::tensor::Data::Uint64($values) => $body,
            $crate::tensor::Data::Int8($values) => $body,
            $crate::tensor::Data::Int16($values) => $body,
            $crate::tensor::Data::Int32($values) => $body,
            $crate::tensor::Data::Int64($values) => $body,
            $crate::tensor::Data::Fp16($values) => $body,
            $crate::tensor::Data::Fp32($values) => $body,
            $crate::tensor::Data::Fp64($values) => $body,
            $crate::tensor::Data::Bf16($values) => $body,
            $crate::tensor::Data::Bytes($values) => $body,
        }
    };
}
pub(crate) use each;

impl Data {
    /// No elements of this datatype.
    #[must_use]
    pub fn empty(datatype: Datatype) -> Self {
        match datatype {
            Datatype::Bool => Self::Bool(Vec::new()),
            Datatype::Uint8 => Self::Uint8(Vec::new()),
            Datatype::Uint16 => Self::Uint16(Vec::new()),
            Datatype::Uint32 => Self::Uint32(Vec::new()),
            Datatype::Uint64 => Self::Uint64(Vec::new()),
            Datatype::Int8 => Self::Int8(Vec::new()),
            Datatype::Int16 => Self::Int16(Vec::new()),
            Datatype::Int32 => Self::Int32(Vec::new()),
            Datatype::Int64 => Self::Int64(Vec::new()),
            Datatype::Fp16 => Self::Fp16(Vec::new()),
            Datatype::Fp32 => Self::Fp32(Vec::new()),
            Datatype::Fp64 => Self::Fp64(Vec::new()),
            Datatype::Bf16 => Self::Bf16(Vec::new()),
            Datatype::Bytes => Self::Bytes(Vec::new()),
        }
    }

    /// No elements of this datatype, with room for so many.
    #[must_use]
    pub fn with_capacity(datatype: Datatype, count: usize) -> Self {
        let mut data = Self::empty(datatype);
        each!(&mut data, values => values.reserve_exact(count));
        data
    }

    /// `count` zeros, falses or empty strings.
    #[must_use]
    pub fn blank(datatype: Datatype, count: usize) -> Self {
        let mut data = Self::empty(datatype);
        each!(&mut data, values => values.resize(count, Default::default()));
        data
    }

    /// Appends the elements of another tensor; false, and nothing, if they are of another datatype.
    pub fn append(&mut self, other: &Self) -> bool {
        macro_rules! append {
            ($($wrap:ident),*) => {
                match (self, other) {
                    $((Self::$wrap(all), Self::$wrap(more)) => all.extend_from_slice(more),)*
                    _ => return false,
                }
            };
        }
        append!(
            Bool, Uint8, Uint16, Uint32, Uint64, Int8, Int16, Int32, Int64, Fp16, Fp32, Fp64, Bf16,
            Bytes
        );
        true
    }

    /// Some elements; none where there are fewer.
    #[must_use]
    pub fn part(&self, range: std::ops::Range<usize>) -> Self {
        macro_rules! part {
            ($($wrap:ident),*) => {
                match self {
                    $(Self::$wrap(all) => Self::$wrap(all.get(range).unwrap_or_default().to_vec()),)*
                }
            };
        }
        part!(
            Bool, Uint8, Uint16, Uint32, Uint64, Int8, Int16, Int32, Int64, Fp16, Fp32, Fp64, Bf16,
            Bytes
        )
    }

    /// What the elements are.
    #[must_use]
    pub fn datatype(&self) -> Datatype {
        match self {
            Self::Bool(_) => Datatype::Bool,
            Self::Uint8(_) => Datatype::Uint8,
            Self::Uint16(_) => Datatype::Uint16,
            Self::Uint32(_) => Datatype::Uint32,
            Self::Uint64(_) => Datatype::Uint64,
            Self::Int8(_) => Datatype::Int8,
            Self::Int16(_) => Datatype::Int16,
            Self::Int32(_) => Datatype::Int32,
            Self::Int64(_) => Datatype::Int64,
            Self::Fp16(_) => Datatype::Fp16,
            Self::Fp32(_) => Datatype::Fp32,
            Self::Fp64(_) => Datatype::Fp64,
            Self::Bf16(_) => Datatype::Bf16,
            Self::Bytes(_) => Datatype::Bytes,
        }
    }

    /// How many elements there are.
    #[must_use]
    pub fn len(&self) -> usize {
        each!(self, values => values.len())
    }

    /// Whether there is no element.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Element `index` as a number: 0 or 1 for a boolean, NaN for a string or past the end.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "a figure for statistics; the answer keeps all digits"
    )]
    pub fn number(&self, index: usize) -> f64 {
        match self {
            Self::Bool(v) => v.get(index).map(|b| f64::from(u8::from(*b))),
            Self::Uint8(v) => v.get(index).copied().map(f64::from),
            Self::Uint16(v) => v.get(index).copied().map(f64::from),
            Self::Uint32(v) => v.get(index).copied().map(f64::from),
            Self::Uint64(v) => v.get(index).map(|n| *n as f64),
            Self::Int8(v) => v.get(index).copied().map(f64::from),
            Self::Int16(v) => v.get(index).copied().map(f64::from),
            Self::Int32(v) => v.get(index).copied().map(f64::from),
            Self::Int64(v) => v.get(index).map(|n| *n as f64),
            Self::Fp16(v) => v.get(index).copied().map(f64::from),
            Self::Fp32(v) => v.get(index).copied().map(f64::from),
            Self::Fp64(v) => v.get(index).copied(),
            Self::Bf16(v) => v.get(index).copied().map(f64::from),
            Self::Bytes(_) => None,
        }
        .unwrap_or(f64::NAN)
    }
}

/// A tensor: elements and their shape. The product of the shape is the number of elements.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// Length of each dimension, outermost first.
    pub shape: Vec<usize>,
    /// The elements, row-major.
    pub data: Data,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_are_joined_and_parted() {
        let mut all = Data::Fp32(vec![1.0]);
        assert!(all.append(&Data::Fp32(vec![2.0, 3.0])));
        assert!(!all.append(&Data::Fp64(vec![4.0])));
        assert_eq!(all.part(1..3), Data::Fp32(vec![2.0, 3.0]));
        assert_eq!(all.part(2..4), Data::Fp32(vec![]));
        for datatype in Datatype::ALL {
            let mut data = Data::blank(datatype, 1);
            assert!(data.append(&Data::blank(datatype, 2)), "{datatype}");
            assert_eq!(data.part(0..3), Data::blank(datatype, 3));
        }
    }
}
