//! Reading typed values out of the spanned tree, collecting every mistake on the way.
//!
//! Each section of the file implements [`Read`]; a value that cannot be read leaves a
//! diagnostic and `None`, and its neighbours are read all the same. It must never stop at the
//! first mistake, and never accept a key that no reader asked for.

mod node;
mod section;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::str::FromStr;

use indexmap::IndexMap;

pub(crate) use node::{Key, MAX_BYTES, Node, Value, quoted, tree};
pub(crate) use section::Section;

use crate::diagnostic::{Diagnostic, Source, Span, did_you_mean, shown};
use crate::names::NameKind;

/// A value of the project file that knows how it is written.
pub(crate) trait Read: Sized {
    /// The value, or a diagnostic in the reader and `None`.
    fn read(reader: &mut Reader, node: &Node, path: &str) -> Option<Self>;
}

/// Mistakes gathered; making a diagnostic costs time, and a file may be wrong everywhere.
const MOST: usize = 200;

/// What is gathered while a file is read.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    pub(crate) source: Source,
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// Where each value stands, by its dotted path.
    pub(crate) places: BTreeMap<String, Span>,
    /// Keys by path, for mistakes that are about the name rather than the value.
    pub(crate) keys: BTreeMap<String, Span>,
}

impl Reader {
    pub(crate) fn new(source: Source) -> Self {
        Self {
            source,
            ..Self::default()
        }
    }

    /// Notes a mistake at a place.
    pub(crate) fn wrong(&mut self, span: Span, message: impl Into<String>) {
        if self.diagnostics.len() < MOST {
            let diagnostic = Diagnostic::new(&self.source, span, message);
            self.diagnostics.push(diagnostic);
        }
    }

    /// Drops what was noted since `before` at places where something had been noted already: a
    /// part of the file that is read twice is wrong once.
    pub(crate) fn forget_repeated(&mut self, before: usize) {
        let since = self.diagnostics.split_off(before);
        let known: BTreeSet<_> = self
            .diagnostics
            .iter()
            .map(|one| (one.line, one.column))
            .collect();
        let new = since
            .into_iter()
            .filter(|one| !known.contains(&(one.line, one.column)));
        self.diagnostics.extend(new);
    }

    /// Reads the value at `path` and remembers where it stands.
    pub(crate) fn read<T: Read>(&mut self, node: &Node, path: &str) -> Option<T> {
        // Of a mapping the key says more than its first line.
        let key = self
            .keys
            .get(path)
            .filter(|_| matches!(node.value, Value::Map(_)));
        let span = key.copied().unwrap_or(node.span);
        self.places.insert(path.to_owned(), span);
        T::read(self, node, path)
    }

    /// The text of a single value.
    pub(crate) fn text<'n>(&mut self, node: &'n Node, expected: &str) -> Option<&'n str> {
        match &node.value {
            Value::Scalar { text, .. } if !node.is_null() => Some(text),
            _ => {
                self.wrong(
                    node.span,
                    format!("expected {expected}, found {}", node.kind()),
                );
                None
            }
        }
    }

    /// A value through its `FromStr`.
    pub(crate) fn parsed<T: FromStr<Err: Display>>(
        &mut self,
        node: &Node,
        path: &str,
    ) -> Option<T> {
        let key = path.rsplit('.').next().unwrap_or(path);
        let text = self.text(node, &format!("a single value for `{}`", shown(key)))?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.wrong(node.span, error.to_string());
                None
            }
        }
    }

    /// The entries of a mapping, each key once.
    pub(crate) fn entries<'n>(
        &mut self,
        node: &'n Node,
        path: &str,
    ) -> Option<Vec<(&'n Key, &'n Node)>> {
        let Value::Map(entries) = &node.value else {
            if !path.is_empty() {
                let name = shown(path.rsplit('.').next().unwrap_or(path));
                self.wrong(
                    node.span,
                    format!(
                        "`{name}` is a mapping (`key: value`), found {}",
                        node.kind()
                    ),
                );
            } else {
                self.wrong(
                    node.span,
                    format!(
                        "a project file is a mapping (`key: value`), found {}",
                        node.kind()
                    ),
                );
            }
            return None;
        };
        let mut seen = BTreeSet::new();
        let mut once = Vec::new();
        for (key, value) in entries {
            if seen.insert(&key.name) {
                once.push((key, value));
            } else {
                self.wrong(
                    key.span,
                    format!("`{}` is given twice; keep one", shown(&key.name)),
                );
            }
        }
        Some(once)
    }

    /// A mapping from names of the user's to values, in the order of the file.
    pub(crate) fn named<T: Read>(
        &mut self,
        node: &Node,
        path: &str,
        kind: NameKind,
    ) -> Option<IndexMap<String, T>> {
        if node.is_null() {
            return Some(IndexMap::new());
        }
        let mut all = IndexMap::new();
        let entries = self.entries(node, path)?;
        for (key, value) in entries {
            self.name(&key.name, key.span, kind);
            let inner = join(path, &key.name);
            self.keys.insert(inner.clone(), key.span);
            if let Some(value) = self.read(value, &inner) {
                all.insert(key.name.clone(), value);
            }
        }
        Some(all)
    }

    /// Notes a name that breaks the rules of its kind.
    pub(crate) fn name(&mut self, name: &str, span: Span, kind: NameKind) {
        if let Err(why) = kind.check(name) {
            self.wrong(span, why);
        }
    }

    /// One of a few words.
    pub(crate) fn word<T: Copy>(
        &mut self,
        node: &Node,
        what: &str,
        words: &[(&str, T)],
    ) -> Option<T> {
        let text = self.text(node, &format!("a {what}"))?;
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*value);
        }
        let mut hint = did_you_mean(text, words.iter().map(|(word, _)| *word));
        if hint.is_empty() {
            let known: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
            hint = format!("; write {}", known.join(" or "));
        }
        self.wrong(
            node.span,
            format!("`{}` is not a known {what}{hint}", shown(text)),
        );
        None
    }
}

/// The path of a key under another path.
pub(crate) fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

impl Read for String {
    fn read(reader: &mut Reader, node: &Node, _: &str) -> Option<Self> {
        let text = reader.text(node, "a text")?;
        if text.trim().is_empty() {
            reader.wrong(
                node.span,
                "this text is empty; write something or remove the key",
            );
            return None;
        }
        if text.contains('\0') {
            reader.wrong(node.span, "this text has a NUL character; remove it");
            return None;
        }
        Some(text.to_owned())
    }
}

impl Read for bool {
    fn read(reader: &mut Reader, node: &Node, _: &str) -> Option<Self> {
        match &node.value {
            Value::Scalar { text, plain: true } if text == "true" => Some(true),
            Value::Scalar { text, plain: true } if text == "false" => Some(false),
            _ => {
                reader.wrong(
                    node.span,
                    format!("expected `true` or `false`, found {}", quoted(node)),
                );
                None
            }
        }
    }
}

impl Read for u32 {
    fn read(reader: &mut Reader, node: &Node, _: &str) -> Option<Self> {
        if let Value::Scalar { text, plain: true } = &node.value
            && let Ok(number) = text.parse()
        {
            return Some(number);
        }
        reader.wrong(
            node.span,
            format!("expected a whole number, found {}", quoted(node)),
        );
        None
    }
}

impl<T: Read> Read for Vec<T> {
    fn read(reader: &mut Reader, node: &Node, path: &str) -> Option<Self> {
        let Value::List(items) = &node.value else {
            let found = quoted(node);
            let message = format!("expected a list (`[a, b]`), found {found}");
            reader.wrong(node.span, message);
            return None;
        };
        let read = |(index, item)| reader.read(item, &format!("{path}.{index}"));
        Some(items.iter().enumerate().filter_map(read).collect())
    }
}
