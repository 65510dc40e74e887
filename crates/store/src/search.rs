//! The parts that every search shares: clauses joined by AND, an order, and pages that start
//! after a key rather than at an offset.

use serde::{Deserialize, Serialize};

/// A whole search.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Search {
    /// All of these must hold.
    pub clauses: Vec<Clause>,
    /// Sorted by these, then by the record's own tie-break.
    pub order: Vec<Order>,
    /// Where the last page ended: its `next`.
    pub after: Option<Cursor>,
    /// At most so many; 0 means 100.
    pub limit: u32,
}

/// One comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct Clause {
    /// What is compared.
    pub field: Field,
    /// How.
    pub op: Op,
    /// With what; not looked at by `IsNull` and `NotNull`.
    pub operand: Operand,
}

/// What a clause or an order looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Field {
    /// A column of the record, by MLflow's name for it.
    Attribute(String),
    /// The latest value of a metric.
    Metric(String),
    /// A parameter.
    Param(String),
    /// A tag.
    Tag(String),
    /// `name`, `digest` or `context` of a dataset that was an input.
    Dataset(String),
    /// Points that were measured on a logged model: a clause is about any of them, an order about the latest.
    Measured(Measured),
}

/// Which points of a logged model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Measured {
    /// Of this metric; of any when there is none.
    pub metric: Option<String>,
    /// On one of these datasets, each a name, a digest or both; on any or none when there are none.
    pub datasets: Vec<(Option<String>, Option<String>)>,
}

/// How a clause compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// `=`
    Eq,
    /// `!=`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
    /// `LIKE`, by case.
    Like,
    /// `ILIKE`, without case.
    ILike,
    /// `IN`
    In,
    /// `NOT IN`
    NotIn,
    /// `IS NULL`
    IsNull,
    /// `IS NOT NULL`
    NotNull,
}

/// What a clause compares with.
#[derive(Debug, Clone, PartialEq)]
pub enum Operand {
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
    /// Several texts, for `IN` and `NOT IN`.
    Texts(Vec<String>),
    /// Nothing, for `IS NULL` and `IS NOT NULL`.
    Nothing,
}

/// One sort key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// By what.
    pub field: Field,
    /// Largest first.
    pub descending: bool,
}

/// Where a page ended. Opaque to callers; good only for the same search.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor(pub String);

/// One page of a search.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// The records.
    pub items: Vec<T>,
    /// Where the next page starts; none when this was the last.
    pub next: Option<Cursor>,
}
