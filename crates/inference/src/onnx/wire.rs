//! The protobuf wire format: one message at a time, field by field, never past its end.
//!
//! Source: protobuf.dev, "Encoding". Groups, which ONNX never uses, are refused.

use super::{MAX_NAME, OnnxError};

/// The value of a field, by wire type.
#[derive(Debug, Clone, Copy)]
pub(super) enum Field<'a> {
    Varint(u64),
    Bytes(Message<'a>),
    /// 32 bits: a float.
    Fixed32(u32),
    /// 64 bits, which no field that is read here has outside of a packed list.
    Fixed64,
}

/// Bytes of one message, and where in the file they begin.
#[derive(Debug, Clone, Copy)]
pub(super) struct Message<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Message<'a> {
    pub(super) fn whole(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn len(self) -> usize {
        self.bytes.len()
    }

    fn damaged(self, what: &'static str) -> OnnxError {
        OnnxError::Damaged { at: self.at, what }
    }

    /// Takes the next field off the front: its number and value; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<(u64, Field<'a>)>, OnnxError> {
        if self.bytes.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let (number, kind) = (tag >> 3, tag & 7);
        if number == 0 || number > u64::from(u32::MAX >> 3) {
            return Err(self.damaged("a field number"));
        }
        let field = match kind {
            0 => Field::Varint(self.varint()?),
            1 => self.take(8).map(|_| Field::Fixed64)?,
            2 => {
                let len = usize::try_from(self.varint()?).map_err(|_| self.damaged("a length"))?;
                Field::Bytes(self.take(len)?)
            }
            5 => Field::Fixed32(
                self.take(4)?
                    .numbers(u32::from_le_bytes)
                    .next()
                    .unwrap_or(0),
            ),
            _ => return Err(self.damaged("a wire type")),
        };
        Ok(Some((number, field)))
    }

    /// The text of a short field.
    pub(super) fn text(self, what: &'static str) -> Result<String, OnnxError> {
        if self.bytes.len() > MAX_NAME {
            return Err(OnnxError::TooLarge {
                what,
                limit: MAX_NAME,
            });
        }
        self.any_text().ok_or_else(|| self.damaged(what))
    }

    /// The text of a field of any length, if it is UTF-8.
    pub(super) fn any_text(self) -> Option<String> {
        std::str::from_utf8(self.bytes).ok().map(str::to_owned)
    }

    /// The text of a field of any length, if it is UTF-8, where it lies.
    pub(super) fn lent_text(self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes).ok()
    }

    /// The bytes as numbers of `N` bytes each, little-endian; what is left over is left out.
    pub(super) fn numbers<const N: usize, T>(
        self,
        number: fn([u8; N]) -> T,
    ) -> impl Iterator<Item = T> + use<'a, N, T> {
        self.bytes
            .as_chunks::<N>()
            .0
            .iter()
            .map(move |bytes| number(*bytes))
    }

    /// The varints of a packed repeated field.
    pub(super) fn packed(
        mut self,
        mut each: impl FnMut(u64) -> Result<(), OnnxError>,
    ) -> Result<(), OnnxError> {
        while !self.bytes.is_empty() {
            each(self.varint()?)?;
        }
        Ok(())
    }

    fn take(&mut self, len: usize) -> Result<Self, OnnxError> {
        let Some((head, tail)) = self.bytes.split_at_checked(len) else {
            return Err(self.damaged("a field that ends behind its message"));
        };
        let taken = Self {
            bytes: head,
            at: self.at,
        };
        self.bytes = tail;
        self.at += len;
        Ok(taken)
    }

    fn varint(&mut self) -> Result<u64, OnnxError> {
        let mut value = 0_u64;
        for (index, byte) in self.bytes.iter().take(10).enumerate() {
            // The tenth byte has room for one bit.
            if index == 9 && *byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                self.bytes = &self.bytes[index + 1..];
                self.at += index + 1;
                return Ok(value);
            }
        }
        Err(self.damaged("a number"))
    }
}
