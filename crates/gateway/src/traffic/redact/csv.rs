//! CSV as MLflow's scoring protocol has it: names in the first line, RFC 4180's quotes.

use super::{Left, Names};

/// Empties the names' columns. What cannot be told apart ends the text.
pub(super) fn redact(bytes: &[u8], names: Names<'_>) -> Left {
    let mut left = Left {
        bytes: Vec::with_capacity(bytes.len()),
        json: 0,
        touched: false,
    };
    let mut records = Records { rest: bytes };
    let Some(head) = records.next().filter(|head| head.ends) else {
        return Left::nothing();
    };
    let gone: Vec<bool> = head
        .cells
        .iter()
        .map(|cell| names.has(&name(cell)))
        .collect();
    write(&mut left, &head, &[]);
    for record in records {
        if record.cells.len() > gone.len() {
            left.touched = true;
            break;
        }
        write(&mut left, &record, &gone);
    }
    left
}

fn write(left: &mut Left, record: &Record<'_>, gone: &[bool]) {
    for (at, cell) in record.cells.iter().enumerate() {
        if at > 0 {
            left.bytes.push(b',');
        }
        if gone.get(at) == Some(&true) {
            left.touched = true;
        } else {
            left.bytes.extend_from_slice(cell);
        }
    }
    if record.ends {
        left.bytes.push(b'\n');
    }
}

/// The name in a cell of the first line.
fn name(cell: &[u8]) -> String {
    let text = String::from_utf8_lossy(cell);
    let text = text.trim().trim_start_matches('\u{feff}');
    match text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
    {
        Some(inside) => inside.replace("\"\"", "\""),
        None => text.to_owned(),
    }
}

/// A line, with the quotes of its cells.
struct Record<'a> {
    cells: Vec<&'a [u8]>,
    /// Whether its end was seen.
    ends: bool,
}

struct Records<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        let text = self.rest;
        if text.is_empty() {
            return None;
        }
        let mut cells = Vec::new();
        let mut from = 0;
        loop {
            let end = from + cell(&text[from..])?;
            cells.push(&text[from..end]);
            let (ends, length) = match &text[end..] {
                [b',', ..] => {
                    from = end + 1;
                    continue;
                }
                [b'\r', b'\n', ..] => (true, 2),
                [b'\r' | b'\n', ..] => (true, 1),
                _ => (false, 0),
            };
            self.rest = &text[end + length..];
            return Some(Record { cells, ends });
        }
    }
}

/// The length of the first cell; `None` for one with quotes elsewhere than around it, which others might part in
/// another way.
fn cell(text: &[u8]) -> Option<usize> {
    let is_end = |byte: &u8| b",\r\n".contains(byte);
    if text.first() != Some(&b'"') {
        let length = text.iter().position(is_end).unwrap_or(text.len());
        return (!text[..length].contains(&b'"')).then_some(length);
    }
    let mut at = 1;
    loop {
        at += text.get(at..)?.iter().position(|byte| *byte == b'"')? + 1;
        match text.get(at) {
            Some(b'"') => at += 1,
            Some(byte) if !is_end(byte) => return None,
            _ => return Some(at),
        }
    }
}
