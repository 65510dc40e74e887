//! The YAML text as a tree that remembers where every key and value stands.
//!
//! Built once per file by [`crate::parse`], read by the sections. Bounded: size, depth, no
//! aliases, no tags, one document. It must never give a meaning to a scalar: whether `3.10`
//! is a text or a number is for its reader to say.

use std::borrow::Cow;

use granit_parser::{Event, Parser, ScalarStyle};

use crate::diagnostic::{Diagnostic, Diagnostics, Source, Span, shown};

/// The largest project file.
pub(crate) const MAX_BYTES: usize = 1 << 20;
/// The deepest nesting; the product's own shape needs a dozen.
const MAX_DEPTH: usize = 32;

/// The longest list and the largest mapping; what compares entries with each other is quadratic.
const MAX_ENTRIES: usize = 1000;

/// A value with its place.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) span: Span,
    pub(crate) value: Value,
}

/// What a node is.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    /// A single text; `plain` when it was not quoted.
    Scalar { text: String, plain: bool },
    /// A list.
    List(Vec<Node>),
    /// Keys and values in the order of the file, repetitions included.
    Map(Vec<(Key, Node)>),
}

/// A key with its place.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(crate) name: String,
    pub(crate) span: Span,
}

impl Node {
    /// What the user would call this kind of value.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.value {
            Value::Scalar { .. } if self.is_null() => "nothing",
            Value::Scalar { .. } => "a single value",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }

    /// Whether the value was left out (`key:`) or is `null` or `~`.
    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true }
            if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// The value under a key of a mapping.
    pub(crate) fn get(&self, name: &str) -> Option<&Node> {
        let Value::Map(entries) = &self.value else {
            return None;
        };
        entries
            .iter()
            .find(|(key, _)| key.name == name)
            .map(|(_, node)| node)
    }

    /// The keys of a mapping.
    pub(crate) fn keys(&self) -> Vec<&str> {
        match &self.value {
            Value::Map(entries) => entries.iter().map(|(key, _)| key.name.as_str()).collect(),
            _ => Vec::new(),
        }
    }

    /// This value with `over` laid on it: mappings are merged, everything else is replaced.
    pub(crate) fn overlaid(&self, over: &Node) -> Node {
        let (Value::Map(base), Value::Map(above)) = (&self.value, &over.value) else {
            return over.clone();
        };
        let mut merged = base.clone();
        for (key, value) in above {
            match merged.iter_mut().find(|(known, _)| known.name == key.name) {
                Some((place, inner)) => {
                    *inner = inner.overlaid(value);
                    place.span = key.span;
                }
                None => merged.push((key.clone(), value.clone())),
            }
        }
        Node {
            span: over.span,
            value: Value::Map(merged),
        }
    }
}

/// Parses the text of one document; an empty one is `None`.
pub(crate) fn tree(source: &Source) -> Result<Option<Node>, Diagnostics> {
    let options = granit_parser::options! {
        emit_comments: false,
        flow_nesting_limit: MAX_DEPTH + 8,
        block_nesting_limit: MAX_DEPTH + 8,
    };
    let parser = Parser::new_from_str_with_options(&source.text, options);
    let mut builder = Builder {
        source,
        open: Vec::new(),
        root: None,
    };
    for next in parser {
        let (event, span) = next.map_err(|error| {
            let at = place(source, error.marker(), error.marker());
            fail(
                source,
                at,
                format!("this is not valid YAML: {}", error.info()),
            )
        })?;
        let at = place(source, &span.start, &span.end);
        builder.event(event, at)?;
    }
    Ok(builder.root)
}

/// A collection whose end has not been seen.
struct Open {
    span: Span,
    value: Value,
    key: Option<Key>,
}

struct Builder<'a> {
    source: &'a Source,
    open: Vec<Open>,
    root: Option<Node>,
}

impl Builder<'_> {
    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Diagnostics> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_reuse(anchor, tag.is_some(), span)?;
                let plain = style == ScalarStyle::Plain;
                self.value(Node {
                    span,
                    value: scalar(text, plain),
                })
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.refuse_reuse(anchor, tag.is_some(), span)?;
                self.start(span, Value::List(Vec::new()))
            }
            Event::MappingStart(_, anchor, tag) => {
                self.refuse_reuse(anchor, tag.is_some(), span)?;
                self.start(span, Value::Map(Vec::new()))
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open { span, value, .. }) => self.value(Node { span, value }),
                None => Ok(()),
            },
            Event::Alias(_) | Event::UnresolvedAlias(_) => self.refuse_reuse(1, false, span),
            Event::DocumentStart(..) if self.root.is_some() => Err(fail(
                self.source,
                span,
                "a project file is one YAML document; remove this second one",
            )),
            _ => Ok(()),
        }
    }

    fn refuse_reuse(&self, anchor: usize, tagged: bool, span: Span) -> Result<(), Diagnostics> {
        let what = match (anchor, tagged) {
            (0, false) => return Ok(()),
            (0, true) => "tags (`!name`) are not supported here; remove the tag",
            _ => {
                "anchors and aliases (`&name`, `*name`) are not supported here; write the value out"
            }
        };
        Err(fail(self.source, span, what))
    }

    fn start(&mut self, span: Span, value: Value) -> Result<(), Diagnostics> {
        if let Some(Open {
            value: Value::Map(_),
            key: None,
            ..
        }) = self.open.last()
        {
            return Err(self.not_a_key(span));
        }
        if self.open.len() >= MAX_DEPTH {
            let message = format!("this is nested more than {MAX_DEPTH} deep");
            return Err(fail(self.source, span, message));
        }
        self.open.push(Open {
            span,
            value,
            key: None,
        });
        Ok(())
    }

    fn value(&mut self, node: Node) -> Result<(), Diagnostics> {
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        let entries = match &open.value {
            Value::List(items) => items.len(),
            Value::Map(entries) => entries.len(),
            Value::Scalar { .. } => 0,
        };
        if entries >= MAX_ENTRIES {
            let message =
                format!("a list or mapping has at most {MAX_ENTRIES} entries; split this one");
            return Err(fail(self.source, node.span, message));
        }
        match (&mut open.value, open.key.take(), node) {
            (Value::List(items), _, node) => items.push(node),
            (Value::Map(entries), Some(key), node) => entries.push((key, node)),
            (
                _,
                _,
                Node {
                    span,
                    value: Value::Scalar { text, .. },
                },
            ) => {
                open.key = Some(Key { name: text, span });
            }
            (_, _, Node { span, .. }) => return Err(self.not_a_key(span)),
        }
        Ok(())
    }

    fn not_a_key(&self, span: Span) -> Diagnostics {
        fail(
            self.source,
            span,
            "a key must be a single word, not a list or a mapping",
        )
    }
}

fn scalar(text: Cow<'_, str>, plain: bool) -> Value {
    Value::Scalar {
        text: text.into_owned(),
        plain,
    }
}

fn place(source: &Source, start: &granit_parser::Marker, end: &granit_parser::Marker) -> Span {
    let start_byte = start.byte_offset().unwrap_or(0).min(source.text.len());
    let end_byte = end
        .byte_offset()
        .unwrap_or(start_byte)
        .clamp(start_byte, source.text.len());
    Span {
        start: start_byte,
        end: end_byte,
        line: start.line(),
        column: start.col() + 1,
    }
}

/// A scalar's text for messages.
pub(crate) fn quoted(node: &Node) -> String {
    match &node.value {
        Value::Scalar { text, .. } => format!("`{}`", shown(text)),
        _ => node.kind().to_owned(),
    }
}

fn fail(source: &Source, span: Span, message: impl Into<String>) -> Diagnostics {
    Diagnostics::one(Diagnostic::new(source, span, message))
}
