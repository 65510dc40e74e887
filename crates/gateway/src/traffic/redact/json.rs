//! JSON, in whichever of our protocols: rows, instances, data frames, tensors, answers, chats.
//!
//! A value goes if it stands under a name, is the data of a tensor or a column of that name, or if it is data without
//! any name at all. A body that was cut, or is none of JSON from somewhere on, is read as far as it goes.

use std::borrow::Cow;

use super::{Left, Names};

/// Deeper values are not read, nor written.
const MAX_DEPTH: usize = 64;

/// A value, as much as there is of it.
#[derive(Debug)]
pub(super) enum Node<'a> {
    /// As it stands.
    Scalar(&'a [u8]),
    Array(Vec<Node<'a>>, Whole),
    /// Keys as they stand.
    Object(Vec<(&'a [u8], Node<'a>)>, Whole),
}

/// Whether its end was seen.
type Whole = bool;

impl<'a> Node<'a> {
    pub(super) fn get(&self, key: &str) -> Option<&Node<'a>> {
        let Self::Object(fields, _) = self else {
            return None;
        };
        let mut named = fields.iter().filter(|(raw, _)| text(raw) == key);
        named.next_back().map(|(_, value)| value)
    }

    /// The characters of a string.
    pub(super) fn text(&self) -> Option<Cow<'a, str>> {
        match self {
            Self::Scalar(raw) if raw.first() == Some(&b'"') => Some(text(raw)),
            _ => None,
        }
    }

    pub(super) fn items(&self) -> &[Node<'a>] {
        match self {
            Self::Array(items, _) => items,
            _ => &[],
        }
    }

    fn is_whole(&self) -> bool {
        match self {
            Self::Scalar(_) => true,
            Self::Array(_, whole) | Self::Object(_, whole) => *whole,
        }
    }
}

/// Takes the names' values out. Of a body that was `cut`, the last number may be the beginning of a longer one.
pub(super) fn redact(bytes: &[u8], cut: bool, names: Names<'_>) -> Left {
    let (node, _) = read(bytes, cut);
    let mut writer = Writer {
        out: Vec::with_capacity(bytes.len()),
        path: Vec::new(),
        names,
        touched: false,
    };
    match &node {
        Some(Node::Array(items, whole)) => writer.rows(items, *whole),
        Some(node @ Node::Object(..)) => writer.value(node),
        Some(Node::Scalar(_)) | None => writer.touched = true,
    }
    Left {
        bytes: writer.out,
        json: 0,
        touched: writer.touched,
    }
}

/// The value at the beginning, as much as there is of it, and whether that was all.
pub(super) fn read(bytes: &[u8], cut: bool) -> (Option<Node<'_>>, Whole) {
    let mut reader = Reader { bytes, at: 0, cut };
    let node = reader.value(0);
    let whole = node.as_ref().is_some_and(Node::is_whole);
    (node, whole)
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    cut: bool,
}

impl<'a> Reader<'a> {
    fn peek(&mut self) -> Option<u8> {
        let rest = self.bytes.get(self.at..)?;
        let blank = rest.iter().take_while(|b| b" \t\r\n".contains(b)).count();
        self.at += blank;
        self.bytes.get(self.at).copied()
    }

    /// Whether the next character is this one, which is then passed.
    fn take(&mut self, wanted: u8) -> bool {
        let is = self.peek() == Some(wanted);
        self.at += usize::from(is);
        is
    }

    fn value(&mut self, depth: usize) -> Option<Node<'a>> {
        match self.peek()? {
            _ if depth > MAX_DEPTH => None,
            b'{' => Some(self.object(depth)),
            b'[' => Some(self.array(depth)),
            b'"' => self.string().map(Node::Scalar),
            _ => self.word().map(Node::Scalar),
        }
    }

    fn object(&mut self, depth: usize) -> Node<'a> {
        self.at += 1;
        let mut fields = Vec::new();
        if self.take(b'}') {
            return Node::Object(fields, true);
        }
        loop {
            let key = match self.peek() {
                Some(b'"') => self.string(),
                _ => None,
            };
            let Some(key) = key.filter(|_| self.take(b':')) else {
                return Node::Object(fields, false);
            };
            let Some(value) = self.value(depth + 1) else {
                return Node::Object(fields, false);
            };
            let whole = value.is_whole();
            fields.push((key, value));
            if whole && self.take(b',') {
                continue;
            }
            let ends = whole && self.take(b'}');
            return Node::Object(fields, ends);
        }
    }

    fn array(&mut self, depth: usize) -> Node<'a> {
        self.at += 1;
        let mut items = Vec::new();
        if self.take(b']') {
            return Node::Array(items, true);
        }
        loop {
            let Some(item) = self.value(depth + 1) else {
                return Node::Array(items, false);
            };
            let whole = item.is_whole();
            items.push(item);
            if whole && self.take(b',') {
                continue;
            }
            let ends = whole && self.take(b']');
            return Node::Array(items, ends);
        }
    }

    /// A string with its quotes.
    fn string(&mut self) -> Option<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        let mut escaped = false;
        let end = rest.iter().skip(1).position(|byte| {
            let ends = *byte == b'"' && !escaped;
            escaped = *byte == b'\\' && !escaped;
            ends
        })?;
        self.at += end + 2;
        Some(&rest[..end + 2])
    }

    /// A number, `true`, `false`, `null`, and what MLflow's clients write beside them (`NaN`).
    fn word(&mut self) -> Option<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        let is_part = |b: &u8| b.is_ascii_alphanumeric() || b"+-.".contains(b);
        let length = rest.iter().take_while(|b| is_part(b)).count();
        let is_open = self.cut && length == rest.len();
        if length == 0 || is_open {
            return None;
        }
        self.at += length;
        Some(&rest[..length])
    }
}

/// The characters of a string that stands in quotes.
fn text(raw: &[u8]) -> Cow<'_, str> {
    let inside = raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default();
    match serde_json::from_slice(raw) {
        _ if !inside.contains(&b'\\') => String::from_utf8_lossy(inside),
        Ok(text) => Cow::Owned(text),
        Err(_) => String::from_utf8_lossy(inside),
    }
}

/// What becomes of the values in an object's field beside what their names say.
enum Data {
    /// Nothing.
    Named,
    /// They are nobody's, or of a tensor that goes.
    Goes,
    /// Rows of which some columns go.
    Columns(Vec<usize>),
}

struct Writer<'n> {
    out: Vec<u8>,
    /// Names of the fields around.
    path: Vec<String>,
    names: Names<'n>,
    touched: bool,
}

impl Writer<'_> {
    fn value(&mut self, node: &Node<'_>) {
        match node {
            Node::Scalar(raw) => self.out.extend_from_slice(raw),
            Node::Array(items, whole) => self.items(items, *whole, Self::value),
            Node::Object(fields, whole) => self.object(node, fields, *whole),
        }
    }

    fn null(&mut self) {
        self.touched = true;
        self.out.extend_from_slice(b"null");
    }

    fn items(&mut self, items: &[Node<'_>], whole: bool, write: impl Fn(&mut Self, &Node<'_>)) {
        self.out.push(b'[');
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                self.out.push(b',');
            }
            write(self, item);
        }
        if whole {
            self.out.push(b']');
        }
    }

    /// Rows: those without names go.
    fn rows(&mut self, items: &[Node<'_>], whole: bool) {
        self.items(items, whole, |writer, item| match item {
            Node::Object(..) => writer.value(item),
            _ => writer.null(),
        });
    }

    fn object(&mut self, object: &Node<'_>, fields: &[(&[u8], Node<'_>)], whole: bool) {
        let data = self.data(object, whole);
        self.out.push(b'{');
        for (at, (raw, value)) in fields.iter().enumerate() {
            if at > 0 {
                self.out.push(b',');
            }
            self.out.extend_from_slice(raw);
            self.out.push(b':');
            let key = text(raw).into_owned();
            let is_root = self.path.is_empty();
            self.path.push(key);
            self.field(value, &data, is_root);
            self.path.pop();
        }
        if whole {
            self.out.push(b'}');
        }
    }

    /// A field's value; its name is the last of the path.
    fn field(&mut self, value: &Node<'_>, data: &Data, is_root: bool) {
        let key = self.path.last().map_or("", String::as_str);
        if self.names.has_path(&self.path) {
            return self.null();
        }
        match (key, data, value) {
            ("data" | "contents", Data::Goes, _) => self.null(),
            ("data", Data::Columns(gone), Node::Array(rows, whole)) => {
                self.items(rows, *whole, |writer, row| match row {
                    Node::Array(cells, whole) => writer.cells(cells, *whole, gone),
                    _ => writer.null(),
                });
            }
            ("data", Data::Columns(_), _) => self.null(),
            ("instances" | "inputs", _, Node::Array(items, whole)) if is_root => {
                self.rows(items, *whole);
            }
            ("instances" | "inputs", _, Node::Scalar(_)) if is_root => self.null(),
            _ => self.value(value),
        }
    }

    fn cells(&mut self, cells: &[Node<'_>], whole: bool, gone: &[usize]) {
        self.out.push(b'[');
        for (at, cell) in cells.iter().enumerate() {
            if at > 0 {
                self.out.push(b',');
            }
            if gone.contains(&at) {
                self.null();
            } else {
                self.value(cell);
            }
        }
        if whole {
            self.out.push(b']');
        }
    }

    /// Whose the `data` of an object is: a tensor's, by its `name`, or that of a data frame's `columns`.
    fn data(&self, object: &Node<'_>, whole: bool) -> Data {
        let Some(data) = object.get("data").or_else(|| object.get("contents")) else {
            return Data::Named;
        };
        if let Some(name) = object.get("name").and_then(Node::text) {
            return if self.names.has(&name) {
                Data::Goes
            } else {
                Data::Named
            };
        }
        if let Some(columns @ Node::Array(items, true)) = object.get("columns") {
            let named: Option<Vec<_>> = columns.items().iter().map(Node::text).collect();
            let Some(named) = named.filter(|named| named.len() == items.len()) else {
                return Data::Goes;
            };
            let gone = named
                .iter()
                .enumerate()
                .filter(|(_, name)| self.names.has(name));
            return Data::Columns(gone.map(|(at, _)| at).collect());
        }
        // The name may have stood behind the cut.
        let is_named = |item: &Node<'_>| matches!(item, Node::Object(..));
        match data.items() {
            items if whole && !items.is_empty() && items.iter().all(is_named) => Data::Named,
            _ => Data::Goes,
        }
    }
}
