//! Values of attributes, in the order in which they came, and their text as Python's `json` writes it.
//!
//! MLflow keeps attributes as JSON texts that its Python server wrote, shows parts of these texts as previews, and
//! searches in them. So the text is the same here to the letter: `", "` and `": "` between, doubles as `repr` has them.

use base64::{Engine as _, engine::general_purpose::STANDARD as B64};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use std::fmt::Write as _;

/// One value.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Any {
    /// Nothing.
    #[default]
    Null,
    /// Yes or no.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Double(f64),
    /// A text.
    Text(String),
    /// Bytes, which JSON does not know.
    Bytes(Vec<u8>),
    /// Several.
    List(Vec<Any>),
    /// Named ones, in their order.
    Map(Vec<(String, Any)>),
}

impl Any {
    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Any::Text(text.into())
    }

    /// Reads JSON; a text that is none has no value.
    pub fn parse(json: &str) -> Option<Self> {
        serde_json::from_str(json).ok()
    }

    /// As Python's `json.dumps(…, ensure_ascii=False)` writes it.
    pub fn dump(&self) -> String {
        let mut out = String::new();
        self.write(&mut out, false);
        out
    }

    /// As Python's `json.dumps` writes it unless told otherwise.
    pub fn dump_ascii(&self) -> String {
        let mut out = String::new();
        self.write(&mut out, true);
        out
    }

    /// The value under a name.
    pub fn get(&self, name: &str) -> Option<&Any> {
        match self {
            Any::Map(fields) => fields
                .iter()
                .find_map(|(key, value)| (key == name).then_some(value)),
            _ => None,
        }
    }

    /// The text, when it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Any::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The whole number, when it is one.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Any::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// The items, when it is a list.
    pub fn as_list(&self) -> Option<&[Any]> {
        match self {
            Any::List(items) => Some(items),
            _ => None,
        }
    }

    /// The fields, when it is a map.
    pub fn as_map(&self) -> Option<&[(String, Any)]> {
        match self {
            Any::Map(fields) => Some(fields),
            _ => None,
        }
    }

    /// What Python takes for true.
    pub fn truthy(&self) -> bool {
        match self {
            Any::Null => false,
            Any::Bool(yes) => *yes,
            Any::Int(number) => *number != 0,
            Any::Double(number) => *number != 0.0,
            Any::Text(text) => !text.is_empty(),
            Any::Bytes(bytes) => !bytes.is_empty(),
            Any::List(items) => !items.is_empty(),
            Any::Map(fields) => !fields.is_empty(),
        }
    }

    fn write(&self, out: &mut String, ascii: bool) {
        match self {
            Any::Null => out.push_str("null"),
            Any::Bool(yes) => out.push_str(if *yes { "true" } else { "false" }),
            Any::Int(number) => {
                // Writing to a String cannot fail.
                let _ = write!(out, "{number}");
            }
            Any::Double(number) => out.push_str(&double(*number)),
            Any::Text(text) => quoted(text, out, ascii),
            Any::Bytes(bytes) => quoted(&literal(bytes), out, ascii),
            Any::List(items) => {
                out.push('[');
                for (n, item) in items.iter().enumerate() {
                    if n > 0 {
                        out.push_str(", ");
                    }
                    item.write(out, ascii);
                }
                out.push(']');
            }
            Any::Map(fields) => {
                out.push('{');
                for (n, (name, value)) in fields.iter().enumerate() {
                    if n > 0 {
                        out.push_str(", ");
                    }
                    quoted(name, out, ascii);
                    out.push_str(": ");
                    value.write(out, ascii);
                }
                out.push('}');
            }
        }
    }

    /// As protobuf's JSON shows an `AnyValue` of OTLP; an unset one has no fields.
    pub fn wire(&self) -> serde_json::Value {
        use serde_json::json;
        match self {
            Any::Null => json!({}),
            Any::Bool(yes) => json!({ "bool_value": yes }),
            Any::Int(number) => json!({ "int_value": number }),
            Any::Double(number) => json!({ "double_value": crate::tag::Double(*number) }),
            Any::Text(text) => json!({ "string_value": text }),
            Any::Bytes(bytes) => json!({ "bytes_value": B64.encode(bytes) }),
            Any::List(items) if items.is_empty() => json!({ "array_value": {} }),
            Any::List(items) => {
                json!({ "array_value": { "values": items.iter().map(Any::wire).collect::<Vec<_>>() } })
            }
            Any::Map(fields) if fields.is_empty() => json!({ "kvlist_value": {} }),
            Any::Map(fields) => json!({ "kvlist_value": { "values": wire_pairs(fields) } }),
        }
    }
}

/// Attributes as protobuf's JSON shows them.
pub(crate) fn wire_pairs(pairs: &[(String, Any)]) -> Vec<serde_json::Value> {
    let one = |(name, value): &(String, Any)| match value {
        Any::Null => serde_json::json!({ "key": name }),
        value => serde_json::json!({ "key": name, "value": value.wire() }),
    };
    pairs.iter().map(one).collect()
}

fn quoted(text: &str, out: &mut String, ascii: bool) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if c < ' ' || (ascii && !c.is_ascii()) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Python's `repr` of a float: an exponent below 1e-4 and from 1e16 on, of two digits at the least.
fn double(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 {
            "Infinity"
        } else {
            "-Infinity"
        }
        .to_owned();
    }
    let size = number.abs();
    if size == 0.0 || (1e-4..1e16).contains(&size) {
        return format!("{number:?}");
    }
    let text = format!("{number:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(rest) => ('-', rest),
        None => ('+', exponent),
    };
    format!("{digits}e{sign}{exponent:0>2}")
}

/// Python's `repr` of bytes, which is what MLflow keeps of them.
fn literal(bytes: &[u8]) -> String {
    let quote = if bytes.contains(&b'\'') && !bytes.contains(&b'"') {
        '"'
    } else {
        '\''
    };
    let mut out = format!("b{quote}");
    for byte in bytes {
        match byte {
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            b'\'' if quote == '\'' => out.push_str("\\'"),
            b' '..=b'~' => out.push(char::from(*byte)),
            _ => {
                let _ = write!(out, "\\x{byte:02x}");
            }
        }
    }
    out.push(quote);
    out
}

impl<'de> Deserialize<'de> for Any {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(Plain)
    }
}

/// Reads plain JSON.
struct Plain;

impl<'de> Visitor<'de> for Plain {
    type Value = Any;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Any, E> {
        Ok(Any::Null)
    }

    fn visit_bool<E>(self, yes: bool) -> Result<Any, E> {
        Ok(Any::Bool(yes))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Any, E> {
        Ok(Any::Int(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Any, E> {
        Ok(i64::try_from(number).map_or(Any::Double(number as f64), Any::Int))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Any, E> {
        Ok(Any::Double(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Any, E> {
        Ok(Any::text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Any, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Any::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Any, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(Any::Map(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The right sides are what Python 3.11 prints.
    #[test]
    fn as_python_writes_it() {
        for (value, expect) in [
            (Any::Double(1.0), "1.0"),
            (Any::Double(0.1), "0.1"),
            (Any::Double(1e16), "1e+16"),
            (
                Any::Double(123_456_789_012_345_680.0),
                "1.2345678901234568e+17",
            ),
            (Any::Double(1e-5), "1e-05"),
            (Any::Double(0.0001), "0.0001"),
            (Any::Double(-0.0), "-0.0"),
            (Any::Double(1e300), "1e+300"),
            (Any::Double(f64::NAN), "NaN"),
            (Any::text("é\n\"\u{1}"), "\"é\\n\\\"\\u0001\""),
            (Any::Bytes(b"hi\x00'".to_vec()), "\"b\\\"hi\\\\x00'\\\"\""),
            (Any::List(vec![Any::Int(1), Any::text("x")]), "[1, \"x\"]"),
            (
                Any::Map(vec![("b".into(), Any::Null), ("a".into(), Any::Bool(true))]),
                "{\"b\": null, \"a\": true}",
            ),
        ] {
            assert_eq!(value.dump(), expect);
        }
        assert_eq!(Any::text("é😀").dump_ascii(), "\"\\u00e9\\ud83d\\ude00\"");
    }

    #[test]
    fn json_keeps_its_order() {
        let text = "{\"z\": [1, 2.5, null], \"a\": {\"q\": \"x\"}}";
        assert_eq!(Any::parse(text).unwrap().dump(), text);
        assert_eq!(Any::parse("not"), None);
    }
}
