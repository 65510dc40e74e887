//! Flat arrays of floats, the bulk of what requests carry, read in one pass.
//!
//! Takes what JSON allows and nothing else, and gives up (`None`) on whatever is not a plain number: the
//! general reader then reads it again and finds the words for what is wrong. Most numbers have few
//! digits, and then one multiplication or division of two exact doubles is correctly rounded (Clinger,
//! PLDI 1990); the others go to the standard library.

/// Powers of ten that a double holds exactly.
const EXACT: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];
/// Whole numbers up to this are exact in a double.
const MANTISSA: u64 = 1 << 53;

/// Gives each number of a flat array to `put`, which may refuse one. `None` if it is no flat array of
/// numbers, or one was refused; what was put by then is to be thrown away.
pub(crate) fn floats(json: &[u8], mut put: impl FnMut(f64) -> bool) -> Option<()> {
    let mut at = blank(json, 0);
    if json.get(at) != Some(&b'[') {
        return None;
    }
    at = blank(json, at + 1);
    if json.get(at) == Some(&b']') {
        return end(json, at + 1);
    }
    loop {
        let (number, next) = number(json, at)?;
        if !put(number) {
            return None;
        }
        at = blank(json, next);
        match json.get(at)? {
            b',' => at = blank(json, at + 1),
            b']' => return end(json, at + 1),
            _ => return None,
        }
    }
}

fn end(json: &[u8], at: usize) -> Option<()> {
    (blank(json, at) == json.len()).then_some(())
}

fn blank(json: &[u8], mut at: usize) -> usize {
    while matches!(json.get(at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
        at += 1;
    }
    at
}

/// A number, and where it ends.
fn number(json: &[u8], from: usize) -> Option<(f64, usize)> {
    let mut at = from;
    let negative = json.get(at) == Some(&b'-');
    at += usize::from(negative);
    let whole_at = at;
    let mut mantissa = Mantissa::default();
    mantissa.take(json, &mut at);
    if at == whole_at || (at > whole_at + 1 && json[whole_at] == b'0') {
        return None;
    }
    let mut exponent = 0_i64;
    if json.get(at) == Some(&b'.') {
        at += 1;
        let part_at = at;
        mantissa.take_many(json, &mut at);
        if at == part_at {
            return None;
        }
        exponent -= i64::try_from(at - part_at).ok()?;
    }
    if let Some(b'e' | b'E') = json.get(at) {
        at += 1;
        let (given, next) = self::exponent(json, at)?;
        exponent += given;
        at = next;
    }
    let scale = usize::try_from(exponent.unsigned_abs()).ok();
    let scale = scale.and_then(|scale| EXACT.get(scale));
    let value = match (scale, mantissa.exact()) {
        (Some(scale), Some(exact)) => {
            let value = if exponent < 0 {
                exact / scale
            } else {
                exact * scale
            };
            // Signs come as they like: no branch.
            f64::from_bits(value.to_bits() ^ u64::from(negative) << 63)
        }
        _ => std::str::from_utf8(&json[from..at]).ok()?.parse().ok()?,
    };
    Some((value, at))
}

/// The digits of a number, without its point.
#[derive(Default)]
struct Mantissa {
    value: u64,
    /// How many there were; the value has wrapped around if they are too many.
    digits: usize,
}

impl Mantissa {
    /// Most digits that any 64 bits hold.
    const MOST: usize = 19;

    /// Takes digits one by one.
    fn take(&mut self, json: &[u8], at: &mut usize) {
        while let Some(byte) = json.get(*at)
            && byte.is_ascii_digit()
        {
            self.value = self
                .value
                .wrapping_mul(10)
                .wrapping_add((byte - b'0').into());
            self.digits += 1;
            *at += 1;
        }
    }

    /// Takes digits, of which there may be many: eight bytes at a time as long as there are eight.
    fn take_many(&mut self, json: &[u8], at: &mut usize) {
        while let Some(eight) = json.get(*at..).and_then(<[u8]>::first_chunk) {
            let values = u64::from_le_bytes(*eight) ^ ZEROS;
            let count = digits(values);
            // In two steps, as no shift takes all away.
            let half = 4 * (8 - count);
            let part = eight_digits(values << half << half);
            self.value = self.value.wrapping_mul(TENS[count]).wrapping_add(part);
            self.digits += count;
            *at += count;
            if count < 8 {
                return;
            }
        }
        self.take(json, at);
    }

    /// The value, if a double holds it.
    fn exact(&self) -> Option<f64> {
        (self.digits <= Self::MOST && self.value <= MANTISSA).then_some(self.value as f64)
    }
}

/// Eight characters `0`.
const ZEROS: u64 = u64::from_le_bytes([b'0'; 8]);
/// Powers of ten up to that of eight digits.
const TENS: [u64; 9] = [
    1,
    10,
    100,
    1_000,
    10_000,
    100_000,
    1_000_000,
    10_000_000,
    100_000_000,
];

/// How many of eight bytes, from the lowest on, are values of digits.
fn digits(values: u64) -> usize {
    const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
    const TO_HIGH: u64 = u64::from_le_bytes([0x80 - 10; 8]);
    // No carry leaves a byte: its own highest bit is looked at apart.
    let others = (((values & !HIGH) + TO_HIGH) | values) & HIGH;
    others.trailing_zeros() as usize / 8
}

/// The number that eight values of digits write, the first one in the lowest byte: pairs, then pairs of
/// pairs, as Lemire has it ("Number Parsing at a Gigabyte per Second", 2021).
fn eight_digits(values: u64) -> u64 {
    const PAIR: u64 = 0x0000_00FF_0000_00FF;
    let pairs = values.wrapping_mul(10).wrapping_add(values >> 8);
    let high = (pairs & PAIR).wrapping_mul(100 + (1_000_000 << 32));
    let low = ((pairs >> 16) & PAIR).wrapping_mul(1 + (10_000 << 32));
    high.wrapping_add(low) >> 32
}

fn exponent(json: &[u8], mut at: usize) -> Option<(i64, usize)> {
    let negative = json.get(at) == Some(&b'-');
    at += usize::from(matches!(json.get(at), Some(b'-' | b'+')));
    let first = at;
    let mut value = 0_i64;
    while let Some(digit) = json.get(at).filter(|byte| byte.is_ascii_digit()) {
        value = value
            .saturating_mul(10)
            .saturating_add(i64::from(digit - b'0'));
        at += 1;
    }
    let value = if negative { -value } else { value };
    (at > first).then_some((value, at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(json: &str) -> Option<Vec<f64>> {
        let mut all = Vec::new();
        floats(json.as_bytes(), |x| {
            all.push(x);
            true
        })?;
        Some(all)
    }

    #[test]
    fn numbers_are_read_and_all_else_is_left_to_others() {
        let check =
            |json: &str, expect: &[f64]| assert_eq!(read(json).as_deref(), Some(expect), "{json}");
        check("[]", &[]);
        check(" [ 1 , -2.5,3e2 ]\n", &[1.0, -2.5, 300.0]);
        check(
            "[0,-0.0,0.001,1E-7,12345678901234567890]",
            &[0.0, -0.0, 0.001, 1e-7, 12_345_678_901_234_567_890.0],
        );
        check("[1e400,-1e-400]", &[f64::INFINITY, -0.0]);
        for other in [
            "", "[", "[1", "[1,", "[1,]", "1", "[01]", "[.5]", "[1.]", "[1e]", "[+1]", "[--1]",
            "[null]", "[[1]]", "[\"1\"]", "[1 2]", "[1]x", "[NaN]", "[1e+]", "{}",
        ] {
            assert_eq!(read(other), None, "{other}");
        }
        assert!(floats(b"[1]", |_| false).is_none());
    }

    proptest! {
        #[test]
        fn every_number_is_the_standard_librarys(
            text in "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?",
        ) {
            let expect: f64 = text.parse().unwrap();
            let got = read(&format!("[{text}]")).unwrap();
            prop_assert_eq!(got[0].to_bits(), expect.to_bits());
        }

        #[test]
        fn every_written_double_comes_back(x in proptest::num::f64::NORMAL | proptest::num::f64::ZERO) {
            let text = serde_json::to_string(&[x]).unwrap();
            prop_assert_eq!(read(&text).unwrap()[0].to_bits(), x.to_bits());
        }

        #[test]
        fn what_is_read_is_json(text in "\\[[-+0-9.,eE \\[\\]]{0,12}") {
            if let Some(got) = read(&text) {
                let expect: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
                prop_assert_eq!(got.len(), expect.len());
            }
        }
    }
}
