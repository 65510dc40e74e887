//! Where the parts of a request's JSON are, found without reading the numbers between them.
//!
//! Most of a body is arrays of numbers. Here they are skipped at the speed of memory, to be read once,
//! by whoever needs them; the gateway needs none. What is found is a hint: nothing is checked but that
//! brackets and quotes pair. Whatever is unusual (escapes in keys, keys that come twice, other types) is
//! `None`, for the general reader to take or to refuse with the right words.

use memchr::{memchr2, memchr3};

/// The parts of a request that is written as most are.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Scanned<'a> {
    /// The value of `id`, as it stands.
    pub id: Option<&'a str>,
    /// The value of `parameters`, as it stands.
    pub parameters: Option<&'a str>,
    /// The value of `outputs`, as it stands.
    pub outputs: Option<&'a str>,
    /// The inputs.
    pub inputs: Vec<ScannedInput<'a>>,
}

/// One input; the values as they stand.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct ScannedInput<'a> {
    /// A string.
    pub name: &'a str,
    /// An array.
    pub shape: &'a str,
    /// A string.
    pub datatype: &'a str,
    /// An array, if there is one.
    pub data: Option<&'a str>,
    /// An object, if there is one.
    pub parameters: Option<&'a str>,
}

/// Finds the parts of `body`.
#[must_use]
pub fn scan(body: &[u8]) -> Option<Scanned<'_>> {
    // UTF-8 is checked once, at the speed of memory; all that is found is text then.
    let text = std::str::from_utf8(body).ok()?;
    let mut cursor = Cursor { text, at: 0 };
    let mut scanned = Scanned::default();
    let mut has_inputs = false;
    cursor.object(|cursor, key| {
        match key {
            "id" => once(&mut scanned.id, cursor.value()?)?,
            "parameters" => once(&mut scanned.parameters, cursor.value()?)?,
            "outputs" => once(&mut scanned.outputs, cursor.value()?)?,
            "inputs" if !has_inputs => {
                has_inputs = true;
                cursor.list(|cursor| {
                    scanned.inputs.push(cursor.input()?);
                    Some(())
                })?;
            }
            "inputs" => return None,
            _ => drop(cursor.value()?),
        }
        Some(())
    })?;
    cursor.blank();
    (has_inputs && cursor.at == text.len()).then_some(scanned)
}

/// Keeps a value; one that comes twice is not for us.
fn once<'a>(place: &mut Option<&'a str>, value: &'a str) -> Option<()> {
    place.replace(value).is_none().then_some(())
}

struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blank(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Takes a byte, after blanks.
    fn take(&mut self, byte: u8) -> Option<()> {
        self.blank();
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// Whether a byte comes next, which is taken then.
    fn has(&mut self, byte: u8) -> bool {
        self.take(byte).is_some()
    }

    /// An object, key by key.
    fn object(&mut self, mut each: impl FnMut(&mut Self, &'a str) -> Option<()>) -> Option<()> {
        self.take(b'{')?;
        if self.has(b'}') {
            return Some(());
        }
        loop {
            self.blank();
            let key = self.string()?;
            let key = key.strip_prefix('"')?.strip_suffix('"')?;
            if key.contains('\\') {
                return None;
            }
            self.take(b':')?;
            each(self, key)?;
            if self.has(b'}') {
                return Some(());
            }
            self.take(b',')?;
        }
    }

    /// A list, element by element.
    fn list(&mut self, mut each: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.take(b'[')?;
        if self.has(b']') {
            return Some(());
        }
        loop {
            each(self)?;
            if self.has(b']') {
                return Some(());
            }
            self.take(b',')?;
        }
    }

    fn input(&mut self) -> Option<ScannedInput<'a>> {
        let (mut name, mut shape, mut datatype) = (None, None, None);
        let (mut data, mut parameters) = (None, None);
        self.object(|cursor, key| {
            let value = cursor.value()?;
            match key {
                "name" => once(&mut name, value),
                "shape" => once(&mut shape, value),
                "datatype" => once(&mut datatype, value),
                "data" => once(&mut data, value),
                "parameters" => once(&mut parameters, value),
                _ => Some(()),
            }
        })?;
        Some(ScannedInput {
            name: name?,
            shape: shape?,
            datatype: datatype?,
            data,
            parameters,
        })
    }

    /// A value as it stands.
    fn value(&mut self) -> Option<&'a str> {
        self.blank();
        let from = self.at;
        match self.peek()? {
            b'"' => return self.string(),
            b'[' | b'{' => self.nested()?,
            _ => {
                let rest = &self.text.as_bytes()[self.at..];
                let ends =
                    |byte: &u8| matches!(byte, b',' | b'}' | b']' | b' ' | b'\t' | b'\n' | b'\r');
                let length = rest.iter().position(ends)?;
                if length == 0 {
                    return None;
                }
                self.at += length;
            }
        }
        self.text.get(from..self.at)
    }

    /// A string with its quotes.
    fn string(&mut self) -> Option<&'a str> {
        let (from, bytes) = (self.at, self.text.as_bytes());
        self.take(b'"')?;
        loop {
            let found = memchr2(b'"', b'\\', bytes.get(self.at..)?)?;
            self.at += found + 1;
            if bytes[self.at - 1] == b'"' {
                return self.text.get(from..self.at);
            }
            self.at += 1;
        }
    }

    /// Skips an array or object, whatever it holds. Arrays of numbers hold nothing to stop at.
    fn nested(&mut self) -> Option<()> {
        let bytes = self.text.as_bytes();
        let mut depth = 0_usize;
        loop {
            match self.peek()? {
                b'[' | b'{' => depth += 1,
                b']' | b'}' => depth -= 1,
                b'"' => {
                    self.string()?;
                    self.at -= 1;
                }
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return Some(());
            }
            // Braces inside of arrays are rare; those that are there come first.
            let rest = bytes.get(self.at..)?;
            let found = memchr3(b'[', b']', b'"', rest)?;
            let brace = memchr2(b'{', b'}', &rest[..found]);
            self.at += brace.unwrap_or(found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_parts_are_found() {
        let body = br#" {"id" : "a\"]", "parameters": {"p": [{"q": "}"}]}, "more": null,
            "inputs": [ {"name":"x","shape":[1, 2],"datatype":"FP32","data":[[1.5,-2e3]]},
                {"data":["a]","b"],"parameters":{},"name":"y","datatype":"BYTES","shape":[2]} ], "outputs":[]}
            "#;
        let scanned = scan(body).unwrap();
        assert_eq!(scanned.id, Some(r#""a\"]""#));
        assert_eq!(scanned.parameters, Some(r#"{"p": [{"q": "}"}]}"#));
        assert_eq!(scanned.outputs, Some("[]"));
        let data: Vec<_> = scanned.inputs.iter().map(|input| input.data).collect();
        assert_eq!(data, [Some("[[1.5,-2e3]]"), Some(r#"["a]","b"]"#)]);
        assert_eq!(scanned.inputs[1].name, "\"y\"");
        assert_eq!(scanned.inputs[0].shape, "[1, 2]");
    }

    #[test]
    fn what_is_unusual_is_left_to_others() {
        for other in [
            "",
            "{}",
            "[]",
            "{\"inputs\":1}",
            "{\"inputs\":[{}]}",
            "{\"inputs\":[]",
            "{\"inputs\":[]} x",
            "{\"inputs\":[],\"inputs\":[]}",
            "{\"id\":1,\"id\":2,\"inputs\":[]}",
            "{\"i\\u0064\":1,\"inputs\":[]}",
            "{\"inputs\":[],}",
            "{\"id\":,\"inputs\":[]}",
            "{\"inputs\":[[[[",
            "{\"inputs\":[]}}",
        ] {
            assert_eq!(scan(other.as_bytes()), None, "{other}");
        }
        assert_eq!(scan(b"{\"id\":\"\xff\",\"inputs\":[]}"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_end_in_parts_or_nothing(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = scan(&body);
        }

        #[test]
        fn any_brackets_end(body in "\\{\"inputs\":[\\[\\]{}\",:a1\\\\]{0,40}") {
            let _ = scan(body.as_bytes());
        }

        #[test]
        fn any_json_gives_its_values(
            id in "[a-z\"\\\\\u{e9}]{0,6}",
            data in proptest::collection::vec(-1e6..1e6_f64, 0..8),
            text in "[\\[\\]{}\"\\\\,: a]{0,8}",
        ) {
            let value = serde_json::json!({
                "id": id,
                "extra": [text, { "k": text }],
                "inputs": [{ "name": text, "shape": [data.len()], "datatype": "FP64", "data": data }],
            });
            let body = value.to_string();
            let scanned = scan(body.as_bytes()).unwrap();
            prop_assert_eq!(scanned.id.unwrap(), value["id"].to_string());
            let input = &scanned.inputs[0];
            prop_assert_eq!(input.name, value["inputs"][0]["name"].to_string());
            prop_assert_eq!(input.data.unwrap(), value["inputs"][0]["data"].to_string());
        }
    }
}
