//! Protobuf's binary encoding: fields one after the other. See protobuf.dev, "Encoding".

use super::Malformed;

/// A field's content, by wire type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Field<'b> {
    Varint(u64),
    Fixed64(u64),
    /// Text, bytes or a message.
    Bytes(&'b [u8]),
    /// Known to nobody here.
    Other,
}

/// What is left of a message.
pub(super) struct Reader<'b> {
    rest: &'b [u8],
}

impl<'b> Reader<'b> {
    pub(super) fn new(bytes: &'b [u8]) -> Self {
        Reader { rest: bytes }
    }

    /// The next field and its number; none at the end.
    pub(super) fn next(&mut self) -> Result<Option<(u64, Field<'b>)>, Malformed> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let field = match tag & 7 {
            0 => Field::Varint(self.varint()?),
            1 => {
                let bytes: [u8; 8] = self.take(8)?.try_into().map_err(|_| Malformed)?;
                Field::Fixed64(u64::from_le_bytes(bytes))
            }
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| Malformed)?;
                Field::Bytes(self.take(length)?)
            }
            5 => {
                self.take(4)?;
                Field::Other
            }
            // Groups are of the past; OTLP never had them.
            _ => return Err(Malformed),
        };
        match tag >> 3 {
            0 => Err(Malformed),
            number => Ok(Some((number, field))),
        }
    }

    fn take(&mut self, count: usize) -> Result<&'b [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Malformed)?;
        self.rest = rest;
        Ok(taken)
    }

    /// At most ten bytes of seven bits each, the lowest first.
    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut number = 0;
        for place in 0..10 {
            let (byte, rest) = self.rest.split_first().ok_or(Malformed)?;
            self.rest = rest;
            number |= u64::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Malformed)
    }
}

/// The text of a field.
pub(super) fn text(bytes: &[u8]) -> Result<String, Malformed> {
    std::str::from_utf8(bytes)
        .map(str::to_owned)
        .map_err(|_| Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields() {
        let bytes = [
            0x08, 0x96, 0x01, 0x12, 0x02, b'h', b'i', 0x19, 1, 0, 0, 0, 0, 0, 0, 0,
        ];
        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.next(), Ok(Some((1, Field::Varint(150)))));
        assert_eq!(reader.next(), Ok(Some((2, Field::Bytes(b"hi")))));
        assert_eq!(reader.next(), Ok(Some((3, Field::Fixed64(1)))));
        assert_eq!(reader.next(), Ok(None));
    }

    #[test]
    fn what_is_cut_off_or_no_protobuf() {
        for bytes in [
            &[0x08][..],
            &[0x12, 5, 1],
            &[0x19, 1],
            &[0x0b],
            &[0xff; 11],
            &[0x00, 1],
        ] {
            assert_eq!(Reader::new(bytes).next(), Err(Malformed), "{bytes:?}");
        }
    }
}
