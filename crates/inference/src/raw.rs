//! Tensors as raw bytes: Triton's binary extension over HTTP, and the raw contents over gRPC.
//!
//! Elements stand one after the other, little-endian; a boolean is one byte; a string is its length
//! (`u32`) and its bytes. Nothing in the bytes says how long an element is or which end of it comes
//! first: a client that sends another order gets another number, so senders must convert.

use half::{bf16, f16};

use crate::tensor::{Data, Datatype, each};

/// Bytes that are not the tensor they claim to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RawError {
    /// More or fewer bytes than the shape needs.
    #[error("{got} bytes where {elements} elements of {datatype} take {expect}")]
    Size {
        /// Elements that the shape asks for.
        elements: usize,
        /// What they are.
        datatype: Datatype,
        /// Bytes that they take.
        expect: usize,
        /// Bytes that came.
        got: usize,
    },
    /// A string that ends behind the bytes.
    #[error(
        "string {0} is longer than the bytes that are left; each string is its length as 4 bytes, little-endian, and its bytes"
    )]
    Cut(usize),
    /// Strings that are not all of the bytes.
    #[error("{left} bytes are left behind the {elements} strings of the shape")]
    Left {
        /// Strings that the shape asks for.
        elements: usize,
        /// Bytes behind the last.
        left: usize,
    },
    /// A string that is no text.
    #[error("string {0} is not UTF-8, or has a NUL character")]
    Text(usize),
    /// A boolean that is neither.
    #[error("boolean {index} is {value}; use 0 or 1")]
    Bool {
        /// Which element.
        index: usize,
        /// Its byte.
        value: u8,
    },
}

/// Reads `elements` elements that are all of `bytes`.
pub fn read(datatype: Datatype, elements: usize, bytes: &[u8]) -> Result<Data, RawError> {
    let Some(size) = datatype.size() else {
        return strings(elements, bytes).map(Data::Bytes);
    };
    let expect = elements.saturating_mul(size);
    if bytes.len() != expect {
        let got = bytes.len();
        return Err(RawError::Size {
            elements,
            datatype,
            expect,
            got,
        });
    }
    macro_rules! numbers {
        ($wrap:ident, $number:ty) => {{
            let (whole, _) = bytes.as_chunks();
            Data::$wrap(
                whole
                    .iter()
                    .map(|le| <$number>::from_le_bytes(*le))
                    .collect(),
            )
        }};
    }
    Ok(match datatype {
        Datatype::Bool => return booleans(bytes).map(Data::Bool),
        Datatype::Uint8 => Data::Uint8(bytes.to_vec()),
        Datatype::Uint16 => numbers!(Uint16, u16),
        Datatype::Uint32 => numbers!(Uint32, u32),
        Datatype::Uint64 => numbers!(Uint64, u64),
        Datatype::Int8 => numbers!(Int8, i8),
        Datatype::Int16 => numbers!(Int16, i16),
        Datatype::Int32 => numbers!(Int32, i32),
        Datatype::Int64 => numbers!(Int64, i64),
        Datatype::Fp16 => numbers!(Fp16, f16),
        Datatype::Fp32 => numbers!(Fp32, f32),
        Datatype::Fp64 => numbers!(Fp64, f64),
        Datatype::Bf16 => numbers!(Bf16, bf16),
        Datatype::Bytes => Data::Bytes(Vec::new()),
    })
}

/// Appends the bytes of all elements.
pub fn write(data: &Data, out: &mut Vec<u8>) {
    match data {
        Data::Bool(values) => out.extend(values.iter().map(|value| u8::from(*value))),
        Data::Uint8(values) => out.extend_from_slice(values),
        Data::Bytes(values) => {
            for text in values {
                out.extend_from_slice(&prefix(text));
                out.extend_from_slice(text.as_bytes());
            }
        }
        Data::Uint16(values) => numbers(values, out, u16::to_le_bytes),
        Data::Uint32(values) => numbers(values, out, u32::to_le_bytes),
        Data::Uint64(values) => numbers(values, out, u64::to_le_bytes),
        Data::Int8(values) => numbers(values, out, i8::to_le_bytes),
        Data::Int16(values) => numbers(values, out, i16::to_le_bytes),
        Data::Int32(values) => numbers(values, out, i32::to_le_bytes),
        Data::Int64(values) => numbers(values, out, i64::to_le_bytes),
        Data::Fp16(values) => numbers(values, out, f16::to_le_bytes),
        Data::Fp32(values) => numbers(values, out, f32::to_le_bytes),
        Data::Fp64(values) => numbers(values, out, f64::to_le_bytes),
        Data::Bf16(values) => numbers(values, out, bf16::to_le_bytes),
    }
}

/// How many bytes [`write`] appends.
#[must_use]
pub fn length(data: &Data) -> usize {
    match data {
        Data::Bytes(values) => values.iter().map(|text| 4 + text.len()).sum(),
        data => each!(data, values => size_of_val(values.as_slice())),
    }
}

fn numbers<T: Copy, const N: usize>(values: &[T], out: &mut Vec<u8>, bytes: impl Fn(T) -> [u8; N]) {
    out.reserve(values.len() * N);
    for value in values {
        out.extend_from_slice(&bytes(*value));
    }
}

/// The length of a text as four bytes. Texts come from requests and models, far below 4 GiB.
fn prefix(text: &str) -> [u8; 4] {
    u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes()
}

fn booleans(bytes: &[u8]) -> Result<Vec<bool>, RawError> {
    let wrong = bytes.iter().position(|byte| *byte > 1);
    if let Some(index) = wrong {
        let value = bytes[index];
        return Err(RawError::Bool { index, value });
    }
    Ok(bytes.iter().map(|byte| *byte == 1).collect())
}

fn strings(elements: usize, mut bytes: &[u8]) -> Result<Vec<String>, RawError> {
    // Each has at least its length, so a shape alone makes no room.
    let mut texts = Vec::with_capacity(elements.min(bytes.len() / 4));
    for index in 0..elements {
        let (length, rest) = bytes.split_first_chunk().ok_or(RawError::Cut(index))?;
        let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
        let (text, rest) = rest.split_at_checked(length).ok_or(RawError::Cut(index))?;
        texts.push(self::text(text).ok_or(RawError::Text(index))?);
        bytes = rest;
    }
    if bytes.is_empty() {
        return Ok(texts);
    }
    let left = bytes.len();
    Err(RawError::Left { elements, left })
}

/// A string that a model may get: UTF-8 without NUL, at which some models would stop reading.
pub(crate) fn text(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    (!text.contains('\0')).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(data: &Data, expect: &[u8]) {
        let mut out = Vec::new();
        write(data, &mut out);
        assert_eq!(out, expect, "{data:?}");
        assert_eq!(length(data), out.len());
        let back = read(data.datatype(), data.len(), &out);
        assert_eq!(back.as_ref(), Ok(data));
    }

    #[test]
    fn every_datatype_is_little_endian() {
        check(&Data::Bool(vec![true, false]), &[1, 0]);
        check(&Data::Uint8(vec![1, 255]), &[1, 255]);
        check(&Data::Uint16(vec![0x102]), &[2, 1]);
        check(&Data::Uint32(vec![0x0102_0304]), &[4, 3, 2, 1]);
        check(&Data::Uint64(vec![1]), &[1, 0, 0, 0, 0, 0, 0, 0]);
        check(&Data::Int8(vec![-1]), &[255]);
        check(&Data::Int16(vec![-2]), &[254, 255]);
        check(&Data::Int32(vec![-2]), &[254, 255, 255, 255]);
        check(&Data::Int64(vec![-1]), &[255; 8]);
        check(&Data::Fp16(vec![f16::from_f32(1.5)]), &[0x00, 0x3e]);
        check(&Data::Fp32(vec![1.5]), &[0, 0, 0xc0, 0x3f]);
        check(&Data::Fp64(vec![1.5]), &[0, 0, 0, 0, 0, 0, 0xf8, 0x3f]);
        check(&Data::Bf16(vec![bf16::from_f32(1.5)]), &[0xc0, 0x3f]);
        let texts = Data::Bytes(vec!["é".into(), String::new()]);
        check(&texts, &[2, 0, 0, 0, 0xc3, 0xa9, 0, 0, 0, 0]);
        for datatype in Datatype::ALL {
            check(&Data::empty(datatype), &[]);
            assert_eq!(Datatype::from_name(datatype.name()), Some(datatype));
        }
    }

    #[test]
    fn bytes_that_are_not_the_tensor_are_refused() {
        let check = |datatype, elements, bytes: &[u8], expect: &str| {
            let message = read(datatype, elements, bytes).unwrap_err().to_string();
            assert!(message.starts_with(expect), "{message}");
        };
        let four = "5 bytes where 1 elements of FP32 take 4";
        check(Datatype::Fp32, 1, &[0; 5], four);
        check(Datatype::Fp32, usize::MAX, &[0; 4], "4 bytes where");
        check(Datatype::Bool, 2, &[1, 2], "boolean 1 is 2");
        check(Datatype::Bytes, 1, &[1, 0, 0], "string 0 is longer");
        let short = [1, 0, 0, 0, b'a', 2, 0, 0, 0, b'b'];
        check(Datatype::Bytes, 2, &short, "string 1 is longer");
        check(Datatype::Bytes, 1, &[255; 4], "string 0 is longer");
        check(Datatype::Bytes, 0, &[0], "1 bytes are left behind the 0");
        check(Datatype::Bytes, 1, &[1, 0, 0, 0, 0xff], "string 0 is not");
        check(Datatype::Bytes, 1, &[1, 0, 0, 0, 0], "string 0 is not");
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_tensor_or_an_error(
            datatype in 0..Datatype::ALL.len(),
            elements in 0..9_usize,
            bytes in proptest::collection::vec(any::<u8>(), 0..64),
        ) {
            let datatype = Datatype::ALL[datatype];
            if let Ok(data) = read(datatype, elements, &bytes) {
                prop_assert_eq!(data.len(), elements);
                let mut out = Vec::new();
                write(&data, &mut out);
                prop_assert_eq!(out, bytes);
            }
        }
    }
}
