//! Where the bytes of many rows stand, one after the other: what a thread keeps of a request costs it
//! hardly an allocation, and the writer, who gives it back, hardly one of the thread's locks.

use bytes::{Bytes, BytesMut};

/// How long one is. What would take a good part of it stands alone.
const LENGTH: usize = 64 << 10;
const LONG: usize = LENGTH / 8;

/// Room that is used up from the front.
#[derive(Debug, Default)]
pub(crate) struct Chunk(BytesMut);

impl Chunk {
    /// A copy, which lives as long as the longest-lived of its neighbours.
    pub(crate) fn copy(&mut self, bytes: &[u8]) -> Bytes {
        if bytes.is_empty() {
            return Bytes::new();
        }
        if bytes.len() > LONG {
            return Bytes::copy_from_slice(bytes);
        }
        if self.0.capacity() < bytes.len() {
            self.0 = BytesMut::with_capacity(LENGTH);
        }
        self.0.extend_from_slice(bytes);
        self.0.split().freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_stand_side_by_side_and_keep_what_they_are() {
        let mut chunk = Chunk::default();
        let mut copies = Vec::new();
        for number in 0..200_u8 {
            copies.push(chunk.copy(&vec![number; usize::from(number) * 10]));
        }
        let long = chunk.copy(&[7; LONG + 1]);
        assert_eq!(long, vec![7; LONG + 1]);
        for (number, copy) in copies.iter().enumerate() {
            assert_eq!(copy[..], vec![number as u8; number * 10]);
        }
        let neighbours = |pair: &[Bytes]| pair[0].as_ptr_range().end == pair[1].as_ptr();
        let (side_by_side, all) = (copies[1..].windows(2), copies.len() - 2);
        let side_by_side = side_by_side.filter(|pair| neighbours(pair)).count();
        // 199,000 bytes are in four chunks.
        assert_eq!(all - side_by_side, 3);
    }
}
