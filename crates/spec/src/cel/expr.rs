//! A condition after checking: names resolved, types known, nothing left to go wrong but
//! missing figures.
//!
//! Made by `check`, walked by `eval`.

/// A checked expression.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expr {
    Bool(bool),
    Number(f64),
    Text(String),
    /// A name in scope, as its segments.
    Name(Vec<String>),
    Not(Box<Expr>),
    Negative(Box<Expr>),
    Arithmetic(Arithmetic, Box<Expr>, Box<Expr>),
    Compare(Comparison, Box<Expr>, Box<Expr>),
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    If(Box<Expr>, Box<Expr>, Box<Expr>),
    In(Box<Expr>, Vec<Expr>),
    Call(Function, Vec<Expr>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Abs,
    Min,
    Max,
}

impl Expr {
    /// Adds every name in the expression, from left to right.
    pub(super) fn names<'e>(&'e self, all: &mut Vec<&'e [String]>) {
        match self {
            Self::Bool(_) | Self::Number(_) | Self::Text(_) => {}
            Self::Name(name) => all.push(name),
            Self::Not(inner) | Self::Negative(inner) => inner.names(all),
            Self::Arithmetic(_, left, right)
            | Self::Compare(_, left, right)
            | Self::And(left, right)
            | Self::Or(left, right) => {
                left.names(all);
                right.names(all);
            }
            Self::If(condition, yes, no) => {
                [condition, yes, no].iter().for_each(|part| part.names(all));
            }
            Self::In(item, list) => {
                item.names(all);
                list.iter().for_each(|part| part.names(all));
            }
            Self::Call(_, arguments) => arguments.iter().for_each(|part| part.names(all)),
        }
    }
}
