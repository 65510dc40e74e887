//! Tokens and money that a trace took, summed over its spans.
//!
//! A span that sums up what is below it and the spans below it would count twice, so what lies below a span with
//! numbers counts nothing. Stored as metadata in one form: known names only, in their order, as Python writes it.

use crate::otlp::Any;
use std::collections::HashMap;

/// Tokens, or money.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// The trace's metadata.
    pub metadata: &'static str,
    /// The span's attribute.
    pub attribute: &'static str,
    /// What is counted.
    pub names: &'static [&'static str],
    /// How many of the names are in every sum.
    always: usize,
    /// Whether only whole numbers are numbers.
    whole: bool,
}

/// Tokens.
pub const TOKENS: Kind = Kind {
    metadata: "mlflow.trace.tokenUsage",
    attribute: "mlflow.chat.tokenUsage",
    names: &[
        "input_tokens",
        "output_tokens",
        "total_tokens",
        "cache_read_input_tokens",
        "cache_creation_input_tokens",
        "cache_creation_input_tokens_above_1hr",
    ],
    always: 3,
    whole: true,
};
/// Money.
pub const COST: Kind = Kind {
    metadata: "mlflow.trace.cost",
    attribute: "mlflow.llm.cost",
    names: &["input_cost", "output_cost", "total_cost"],
    always: 3,
    whole: false,
};

/// A span as far as sums need it.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Its id.
    pub span_id: String,
    /// The span above it.
    pub parent_id: Option<String>,
    /// Its numbers, a map.
    pub data: Option<Any>,
}

impl Kind {
    /// The numbers of a text, a place for each name.
    pub fn numbers(&self, json: &str) -> Vec<Option<f64>> {
        let map = Any::parse(json).unwrap_or_default();
        self.of(&map)
    }

    fn of(&self, map: &Any) -> Vec<Option<f64>> {
        let one = |name: &&str| map.get(name).and_then(|value| self.number(value));
        self.names.iter().map(one).collect()
    }

    fn number(&self, value: &Any) -> Option<f64> {
        let number = match value {
            Any::Int(number) => *number as f64,
            Any::Double(number) => *number,
            Any::Text(text) => text.trim().parse().ok()?,
            _ => return None,
        };
        (number.is_finite() && (!self.whole || number.fract() == 0.0)).then_some(number)
    }

    /// What is stored when `new` is told while `known` was there: new names over known ones; none when nothing is left.
    pub fn merged(&self, known: Option<&str>, new: &str) -> Option<String> {
        let new = Any::parse(new).unwrap_or_default();
        let mut all = known.map_or_else(|| vec![None; self.names.len()], |text| self.numbers(text));
        for ((place, value), name) in all.iter_mut().zip(self.of(&new)).zip(self.names) {
            if new.get(name).is_some() {
                *place = value;
            }
        }
        self.text(&all)
    }

    fn text(&self, numbers: &[Option<f64>]) -> Option<String> {
        let one = |(name, number): (&&str, &Option<f64>)| {
            let number = (*number)?;
            let value = if self.whole {
                Any::Int(number as i64)
            } else {
                Any::Double(number)
            };
            Some(((*name).to_owned(), value))
        };
        let fields: Vec<_> = self.names.iter().zip(numbers).filter_map(one).collect();
        (!fields.is_empty()).then(|| Any::Map(fields).dump())
    }

    /// The numbers of a span's attributes.
    pub fn node(
        &self,
        span_id: &str,
        parent_id: Option<&str>,
        attributes: &[(String, String)],
    ) -> Node {
        let text = attributes.iter().find(|(name, _)| name == self.attribute);
        let data = text.and_then(|(_, text)| Any::parse(text));
        Node {
            span_id: span_id.to_owned(),
            parent_id: parent_id.map(str::to_owned),
            data: data.filter(|data| data.as_map().is_some()),
        }
    }

    /// The sum over a tree of spans; none when no span has numbers.
    pub fn sum(&self, nodes: &[Node]) -> Option<String> {
        let mut tree = Tree::new(nodes);
        let mut totals = vec![None; self.names.len()];
        totals[..self.always].fill(Some(0.0));
        let mut any = false;
        for node in nodes {
            let Some(data) = node.data.as_ref().filter(|_| !tree.counted_above(node)) else {
                continue;
            };
            any = true;
            for (total, number) in totals.iter_mut().zip(self.of(data)) {
                if let Some(number) = number {
                    *total = Some(total.unwrap_or(0.0) + number);
                }
            }
        }
        any.then(|| self.text(&totals)).flatten()
    }
}

/// Spans by their id, and of those that were asked for whether they or one above have numbers.
struct Tree<'n> {
    by_id: HashMap<&'n str, &'n Node>,
    known: HashMap<&'n str, bool>,
}

impl<'n> Tree<'n> {
    fn new(nodes: &'n [Node]) -> Self {
        let by_id = nodes.iter().map(|node| (node.span_id.as_str(), node));
        Tree {
            by_id: by_id.collect(),
            known: HashMap::new(),
        }
    }

    /// Whether a span above has numbers. Each span is walked over once; a circle of parents, which only a broken client
    /// makes, ends.
    fn counted_above(&mut self, node: &'n Node) -> bool {
        let mut walked = Vec::new();
        let mut next = node.parent_id.as_deref();
        let counted = loop {
            let Some((id, node)) = next.and_then(|id| Some((id, *self.by_id.get(id)?))) else {
                break false;
            };
            if let Some(known) = self.known.get(id) {
                break *known;
            }
            if node.data.is_some() {
                break true;
            }
            // Overwritten below, unless the walk comes here again.
            self.known.insert(id, false);
            walked.push(id);
            next = node.parent_id.as_deref();
        };
        self.known
            .extend(walked.into_iter().map(|id| (id, counted)));
        counted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(id: &str, parent: Option<&str>, input: Option<i64>) -> Node {
        let usage = input.map(|n| format!("{{\"input_tokens\": {n}}}"));
        let attributes: Vec<_> = usage
            .map(|text| (TOKENS.attribute.to_owned(), text))
            .into_iter()
            .collect();
        TOKENS.node(id, parent, &attributes)
    }

    #[test]
    fn what_is_below_numbers_counts_nothing() {
        let nodes = [
            node("root", None, None),
            node("agent", Some("root"), Some(5)),
            node("llm", Some("agent"), Some(3)),
            node("other", Some("root"), Some(2)),
            node("lost", Some("unknown"), Some(1)),
        ];
        let expect = "{\"input_tokens\": 8, \"output_tokens\": 0, \"total_tokens\": 0}";
        assert_eq!(TOKENS.sum(&nodes).as_deref(), Some(expect));
        assert_eq!(TOKENS.sum(&nodes[..1]), None);
        let circle = [node("a", Some("b"), None), node("b", Some("a"), None)];
        assert_eq!(TOKENS.sum(&circle), None);
    }

    #[test]
    fn one_form_is_stored() {
        let check = |known, new: &str, expect| {
            assert_eq!(TOKENS.merged(known, new).as_deref(), expect, "{new}");
        };
        check(
            None,
            "{\"x\": 3, \"input_tokens\": 5}",
            Some("{\"input_tokens\": 5}"),
        );
        check(
            Some("{\"input_tokens\": 5}"),
            "{\"total_tokens\": 7}",
            Some("{\"input_tokens\": 5, \"total_tokens\": 7}"),
        );
        check(None, "{\"input_tokens\": 1.5}", None);
        check(None, "nothing", None);
        assert_eq!(
            COST.merged(None, "{\"total_cost\": 1}").as_deref(),
            Some("{\"total_cost\": 1.0}")
        );
    }
}
