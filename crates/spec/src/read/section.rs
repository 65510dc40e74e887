//! A mapping with a fixed set of keys: the usual shape of a section.
//!
//! Made by the `Read` of each section. An unknown key is noted when the section is opened,
//! with the nearest known one; a missing one when it is asked for.

use indexmap::{IndexMap, IndexSet};

use super::{Node, Read, Reader, join};
use crate::diagnostic::{Span, did_you_mean, shown};
use crate::names::NameKind;

/// An open section: its values by key, and where to note mistakes.
pub(crate) struct Section<'n> {
    span: Span,
    path: String,
    entries: Vec<(&'n str, &'n Node)>,
}

impl<'n> Section<'n> {
    /// Opens the mapping at `path`, whose keys may be `known` and no others.
    pub(crate) fn open(
        reader: &mut Reader,
        node: &'n Node,
        path: &str,
        known: &[&str],
    ) -> Option<Self> {
        let mut entries = Vec::new();
        for (key, value) in reader.entries(node, path)? {
            if known.contains(&key.name.as_str()) {
                reader.keys.insert(join(path, &key.name), key.span);
                entries.push((key.name.as_str(), value));
            } else {
                let mut hint = did_you_mean(&key.name, known.iter().copied());
                if hint.is_empty() {
                    hint = format!("; known here: {}", known.join(", "));
                }
                reader.wrong(
                    key.span,
                    format!("unknown key `{}`{hint}", shown(&key.name)),
                );
            }
        }
        Some(Self {
            span: node.span,
            path: path.to_owned(),
            entries,
        })
    }

    /// The node under a key, when the key is there and not null.
    pub(crate) fn node(&self, key: &str) -> Option<&'n Node> {
        let (_, node) = self.entries.iter().find(|(name, _)| *name == key)?;
        (!node.is_null()).then_some(*node)
    }

    /// The path of a key of this section.
    pub(crate) fn path(&self, key: &str) -> String {
        join(&self.path, key)
    }

    /// The value under a key, if it is there.
    pub(crate) fn optional<T: Read>(&self, reader: &mut Reader, key: &str) -> Option<T> {
        reader.read(self.node(key)?, &self.path(key))
    }

    /// The value under a key, or the default.
    pub(crate) fn or<T: Read>(&self, reader: &mut Reader, key: &str, default: T) -> T {
        self.optional(reader, key).unwrap_or(default)
    }

    /// The value under a key that must be there.
    pub(crate) fn required<T: Read>(&self, reader: &mut Reader, key: &str) -> Option<T> {
        if self.node(key).is_none() {
            self.missing(reader, key);
        }
        self.optional(reader, key)
    }

    /// A mapping from names of the user's to values; empty when left out.
    pub(crate) fn named<T: Read>(
        &self,
        reader: &mut Reader,
        key: &str,
        kind: NameKind,
    ) -> IndexMap<String, T> {
        let Some(node) = self.node(key) else {
            return IndexMap::new();
        };
        let path = self.path(key);
        reader.named(node, &path, kind).unwrap_or_default()
    }

    /// The same where at least one must be given.
    pub(crate) fn required_named<T: Read>(
        &self,
        reader: &mut Reader,
        key: &str,
        kind: NameKind,
    ) -> Option<IndexMap<String, T>> {
        let Some(node) = self.node(key) else {
            self.missing(reader, key);
            return None;
        };
        let (before, all) = (reader.diagnostics.len(), self.named(reader, key, kind));
        if all.is_empty() && reader.diagnostics.len() == before {
            reader.wrong(
                node.span,
                format!("`{key}` is empty; it needs at least one entry"),
            );
        }
        Some(all)
    }

    /// A list of names, each once; empty when left out.
    pub(crate) fn names(&self, reader: &mut Reader, key: &str, kind: NameKind) -> Vec<String> {
        let (Some(node), path) = (self.node(key), self.path(key)) else {
            return Vec::new();
        };
        let names: Vec<String> = self.or(reader, key, Vec::new());
        let mut once: IndexSet<String> = IndexSet::new();
        for (index, name) in names.into_iter().enumerate() {
            let span = reader
                .places
                .get(&format!("{path}.{index}"))
                .copied()
                .unwrap_or(node.span);
            reader.name(&name, span, kind);
            if once.contains(&name) {
                reader.wrong(span, format!("`{}` is named twice; keep one", shown(&name)));
            }
            once.insert(name);
        }
        once.into_iter().collect()
    }

    /// A name of the user's that must be there.
    pub(crate) fn required_name(
        &self,
        reader: &mut Reader,
        key: &str,
        kind: NameKind,
    ) -> Option<String> {
        let name: String = self.required(reader, key)?;
        let span = reader
            .places
            .get(&self.path(key))
            .copied()
            .unwrap_or(self.span);
        reader.name(&name, span, kind);
        Some(name)
    }

    /// Notes that a key is missing.
    pub(crate) fn missing(&self, reader: &mut Reader, key: &str) {
        let whose = if self.path.is_empty() {
            "the file".to_owned()
        } else {
            format!("`{}`", shown(&self.path))
        };
        let span = reader.keys.get(&self.path).copied().unwrap_or(self.span);
        reader.wrong(span, format!("{whose} lacks the key `{key}`"));
    }
}
