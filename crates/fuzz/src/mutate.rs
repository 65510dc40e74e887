//! Changes that decoders trip over.

/// The longest input.
pub(crate) const LONGEST: usize = 1 << 16;
/// So many changes to one input at the most.
const MOST_CHANGES: usize = 6;

/// What means something in one of our formats, or nearly does.
const WORDS: [&[u8]; 44] = [
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\"",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"\\udc00",
    b"null",
    b"true",
    b"NaN",
    b"Infinity",
    b"-",
    b"-0",
    b"0",
    b"1e999",
    b"1e-999",
    b"0.1e+",
    b"18446744073709551616",
    b"-9223372036854775809",
    b"9007199254740993",
    b"00000000000000000000000000000001",
    b"3.4028236e38",
    b"\xff",
    b"\xc3\x28",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    b"\0",
    b"\r\n",
    b"\n",
    b"\r\n\r\n",
    b" ",
    b"\t",
    b"content-length: 18446744073709551615\r\n",
    b"transfer-encoding: chunked\r\n",
    b"\"shape\":[-1]",
    b"\"shape\":[4294967296,4294967296]",
    b"\"parameters\":{\"binary_data_size\":4}",
    b"\"datatype\":\"BYTES\"",
    b"\"datatype\":\"BF16\"",
    b"\"inputs\":[]",
];

/// Lengths and numbers of fixed size, where signs and limits are.
const NUMBERS: [u64; 12] = [
    0,
    1,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    u64::MAX,
];

/// A source of inputs (splitmix64).
pub(crate) struct Mutator(u64);

impl Mutator {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn random(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`, which is not 0.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.random() % limit as u64) as usize
    }

    fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    /// One of the pool, changed in a few places.
    pub(crate) fn next(&mut self, pool: &[Vec<u8>]) -> Vec<u8> {
        let mut input = self.pick(pool).clone();
        for _ in 0..=self.below(MOST_CHANGES) {
            self.change(&mut input, pool);
        }
        input.truncate(LONGEST);
        input
    }

    fn change(&mut self, input: &mut Vec<u8>, pool: &[Vec<u8>]) {
        let at = self.below(input.len() + 1);
        let span = at..at + self.below((input.len() - at).min(64) + 1);
        match self.below(10) {
            0 => {
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1 << self.below(8);
                }
            }
            1 => {
                let byte = self.random() as u8;
                if let Some(place) = input.get_mut(at) {
                    *place = byte;
                }
            }
            2 => input.truncate(at),
            3 => drop(input.drain(span)),
            4 => {
                let copy = input[span].to_vec();
                let times = 1 + self.below(8);
                let to = self.below(input.len() + 1);
                input.splice(to..to, copy.repeat(times));
            }
            5 => drop(input.splice(at..at, self.pick(&WORDS).iter().copied())),
            6 => drop(input.splice(span, self.pick(&WORDS).iter().copied())),
            7 => {
                let other = self.pick(pool);
                let from = self.below(other.len() + 1);
                let to = from + self.below(other.len() - from + 1);
                input.splice(span, other[from..to].iter().copied());
            }
            8 => self.number(input, at),
            // Deep, or many.
            _ => {
                let word = *self.pick(&WORDS);
                let times = 1 << self.below(11);
                let most = LONGEST / word.len();
                input.splice(at..at, word.repeat(times.min(most)));
            }
        }
    }

    /// Writes a number of fixed size over what is there.
    fn number(&mut self, input: &mut [u8], at: usize) {
        let number = self
            .pick(&NUMBERS)
            .wrapping_add(self.random() % 3)
            .wrapping_sub(1);
        let size = *self.pick(&[1, 2, 4, 8]);
        let bytes = match self.below(2) {
            0 => number.to_le_bytes()[..size].to_vec(),
            _ => number.to_be_bytes()[8 - size..].to_vec(),
        };
        for (place, byte) in input[at..].iter_mut().zip(bytes) {
            *place = byte;
        }
    }
}
