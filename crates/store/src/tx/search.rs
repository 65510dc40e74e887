//! Turns a [`Search`] into one statement: clauses, sort keys, and a page that starts after a key.
//!
//! What a field means is told by each kind of record, as an [`Expr`] over its table. Missing
//! values sort last in both directions, NaN just before them. Times are compared in MLflow's
//! milliseconds.

use super::column::{Cols, Value};
use super::record::{Record, columns};
use super::{Dialect, Tx};
use crate::error::{Error, Result};
use crate::search::{Clause, Cursor, Field, Op, Operand, Order, Page, Search};

/// What kind of value an expression has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Integer,
    /// Microseconds in the column, milliseconds in the search.
    Time,
    Real,
}

/// A field as SQL. `?` stands for `key`.
#[derive(Debug, Clone)]
pub(crate) struct Expr {
    pub(crate) sql: String,
    pub(crate) kind: Kind,
    pub(crate) key: Option<String>,
    /// Whether the value is NaN, when it can be.
    pub(crate) nan: Option<String>,
    /// A frame for comparisons with any of several values; `@` stands for the comparison.
    pub(crate) any: Option<&'static str>,
}

impl Expr {
    pub(crate) fn column(sql: &str, kind: Kind) -> Self {
        Self {
            sql: sql.to_owned(),
            kind,
            key: None,
            nan: None,
            any: None,
        }
    }

    /// The value that a subquery with one `?` finds for a key.
    pub(crate) fn keyed(sql: &str, key: &str, kind: Kind) -> Self {
        Self {
            key: Some(key.to_owned()),
            ..Self::column(sql, kind)
        }
    }
}

/// A kind of record that can be searched. Its table is called `r` in expressions.
pub(crate) trait Searchable: Record {
    /// What the field means; none when the record has no such field.
    fn expr(field: &Field) -> Option<Expr>;
    /// The columns that make the order total, each with its kind and direction.
    const TIES: &'static [(&'static str, Kind, bool)];
}

/// A sort key: the column's name in the inner select and whether the largest comes first.
struct Key {
    sql: String,
    descending: bool,
}

/// A statement that is being written.
struct Writer {
    params: Vec<Value<'static>>,
    dialect: Dialect,
}

impl Writer {
    fn mark(&mut self, value: Value<'static>) -> String {
        self.params.push(value);
        format!("?{}", self.params.len())
    }

    /// The expression with its key's place filled in.
    fn place(&mut self, sql: &str, expr: &Expr) -> String {
        match &expr.key {
            None => sql.to_owned(),
            Some(key) => {
                let mark = self.mark(Value::Text(key.clone().into()));
                sql.replacen('?', &mark, 1)
            }
        }
    }

    fn clause(&mut self, expr: &Expr, clause: &Clause) -> Result<String> {
        let value = self.place(&expr.sql, expr);
        let compared = match (clause.op, &clause.operand) {
            (Op::IsNull, _) => format!("{value} IS NULL"),
            (Op::NotNull, _) => format!("{value} IS NOT NULL"),
            (Op::In | Op::NotIn, Operand::Texts(texts)) => {
                let marks = texts
                    .iter()
                    .map(|text| Ok(self.mark(number_or_text(expr.kind, text)?)))
                    .collect::<Result<Vec<_>>>()?;
                let not = if clause.op == Op::NotIn { "NOT " } else { "" };
                if marks.is_empty() {
                    format!("{not}1 = 0")
                } else {
                    format!("{value} {not}IN ({})", marks.join(", "))
                }
            }
            (Op::Like | Op::ILike, Operand::Text(text)) => {
                let mark = self.mark(Value::Text(text.clone().into()));
                // Postgres would take a backslash for an escape; SQLite and MLflow do not.
                let escape = if self.dialect == Dialect::Postgres {
                    " ESCAPE ''"
                } else {
                    ""
                };
                match clause.op {
                    Op::ILike => format!("lower({value}) LIKE lower({mark}){escape}"),
                    _ => format!("{value} LIKE {mark}{escape}"),
                }
            }
            (op, operand) => {
                let sign = sign(op).ok_or_else(|| mismatch(clause))?;
                let operand = match operand {
                    Operand::Number(number) => {
                        number_value(expr.kind, *number).ok_or_else(|| mismatch(clause))?
                    }
                    Operand::Text(text) => number_or_text(expr.kind, text)?,
                    _ => return Err(mismatch(clause)),
                };
                format!("{value} {sign} {}", self.mark(operand))
            }
        };
        Ok(expr
            .any
            .map_or(compared.clone(), |frame| frame.replacen('@', &compared, 1)))
    }

    /// The condition that a row comes after the cursor's.
    fn after(&mut self, keys: &[Key], values: Vec<Value<'static>>) -> String {
        let mut equal: Vec<String> = Vec::new();
        let mut either: Vec<String> = Vec::new();
        for (key, value) in keys.iter().zip(values) {
            if value == Value::Null {
                equal.push(format!("{} IS NULL", key.sql));
                continue;
            }
            let mark = self.mark(value);
            let sign = if key.descending { "<" } else { ">" };
            let mut all = equal.clone();
            all.push(format!("{} {sign} {mark}", key.sql));
            either.push(format!("({})", all.join(" AND ")));
            equal.push(format!("{} = {mark}", key.sql));
        }
        if either.is_empty() {
            "1 = 0".to_owned()
        } else {
            either.join(" OR ")
        }
    }
}

fn sign(op: Op) -> Option<&'static str> {
    Some(match op {
        Op::Eq => "=",
        Op::Ne => "<>",
        Op::Lt => "<",
        Op::Le => "<=",
        Op::Gt => ">",
        Op::Ge => ">=",
        _ => return None,
    })
}

fn number_value(kind: Kind, number: f64) -> Option<Value<'static>> {
    match kind {
        Kind::Text => None,
        Kind::Real => Some(Value::Real(number)),
        // A float cast saturates, which orders just as well as the number itself.
        Kind::Integer => Some(Value::Int(number as i64)),
        Kind::Time => Some(Value::Int((number * 1000.0) as i64)),
    }
}

fn number_or_text(kind: Kind, text: &str) -> Result<Value<'static>> {
    let number = || {
        text.parse::<f64>()
            .map_err(|_| Error::Invalid(format!("`{text}` is not a number")))
    };
    match kind {
        Kind::Text => Ok(Value::Text(text.to_owned().into())),
        kind => number().map(|number| number_value(kind, number).unwrap_or(Value::Null)),
    }
}

fn mismatch(clause: &Clause) -> Error {
    Error::Invalid(format!(
        "{:?} cannot be compared like that: {:?} {:?}",
        clause.field, clause.op, clause.operand
    ))
}

fn unknown(field: &Field) -> Error {
    Error::Invalid(format!("{field:?} cannot be searched for here"))
}

/// The values of a cursor, each with a letter for its type; doubles by their bits, so that
/// infinities survive.
fn encode(values: &[Value<'_>]) -> Cursor {
    let texts: Vec<String> = values
        .iter()
        .map(|value| match value {
            Value::Null => "n".to_owned(),
            Value::Int(int) => format!("i{int}"),
            Value::Real(real) => format!("r{:x}", real.to_bits()),
            Value::Text(text) => format!("t{text}"),
        })
        .collect();
    // A list of texts always serialises.
    Cursor(serde_json::to_string(&texts).unwrap_or_default())
}

fn decode(cursor: &Cursor, keys: &[Kind]) -> Result<Vec<Value<'static>>> {
    let broken = || {
        Error::Invalid(
            "this page token belongs to another search: start from the first page".to_owned(),
        )
    };
    let texts: Vec<String> = serde_json::from_str(&cursor.0).map_err(|_| broken())?;
    if texts.len() != keys.len() {
        return Err(broken());
    }
    let one = |text: &String, kind: &Kind| {
        let (letter, rest) = text.split_at_checked(1)?;
        match (letter, kind) {
            ("n", _) => Some(Value::Null),
            ("i", Kind::Integer | Kind::Time) => rest.parse().ok().map(Value::Int),
            ("r", Kind::Real) => u64::from_str_radix(rest, 16)
                .ok()
                .map(|bits| Value::Real(f64::from_bits(bits))),
            ("t", Kind::Text) => Some(Value::Text(rest.to_owned().into())),
            _ => None,
        }
    };
    texts
        .iter()
        .zip(keys)
        .map(|(text, kind)| one(text, kind).ok_or_else(broken))
        .collect()
}

fn read_key(cols: &mut Cols<'_>, kind: Kind) -> Result<Value<'static>> {
    Ok(match kind {
        Kind::Text => cols
            .get::<Option<String>>()?
            .map_or(Value::Null, |text| Value::Text(text.into())),
        Kind::Integer | Kind::Time => cols.get::<Option<i64>>()?.map_or(Value::Null, Value::Int),
        Kind::Real => cols.get::<Option<f64>>()?.map_or(Value::Null, Value::Real),
    })
}

impl Tx<'_> {
    /// A page of the records that match the search and also `base`, a condition over `r` with
    /// the marks `?1` to `?n` for its values.
    pub(crate) fn search<R: Searchable>(
        &mut self,
        base: &str,
        base_params: Vec<Value<'static>>,
        search: &Search,
    ) -> Result<Page<R>> {
        let mut writer = Writer {
            params: base_params,
            dialect: self.dialect(),
        };
        let mut wheres = vec![base.to_owned()];
        for clause in &search.clauses {
            let expr = R::expr(&clause.field).ok_or_else(|| unknown(&clause.field))?;
            wheres.push(writer.clause(&expr, clause)?);
        }
        let (mut inner, mut keys, mut kinds) = (vec!["r.*".to_owned()], Vec::new(), Vec::new());
        for (n, Order { field, descending }) in search.order.iter().enumerate() {
            let expr = R::expr(field).ok_or_else(|| unknown(field))?;
            let nan = expr
                .nan
                .as_ref()
                .map_or("0".to_owned(), |nan| writer.place(nan, &expr));
            let value = writer.place(&expr.sql, &expr);
            let null = writer.place(&expr.sql, &expr);
            inner.push(format!(
                "CASE WHEN {null} IS NOT NULL THEN 0 WHEN {nan} = 1 THEN 1 ELSE 2 END AS rank{n}"
            ));
            inner.push(format!("{value} AS key{n}"));
            keys.push(Key {
                sql: format!("CAST(s.rank{n} AS BIGINT)"),
                descending: false,
            });
            keys.push(Key {
                sql: format!("s.key{n}"),
                descending: *descending,
            });
            kinds.extend([Kind::Integer, expr.kind]);
        }
        for (tie, kind, descending) in R::TIES {
            keys.push(Key {
                sql: format!("s.\"{tie}\""),
                descending: *descending,
            });
            kinds.push(*kind);
        }
        let after = match &search.after {
            None => "1 = 1".to_owned(),
            Some(cursor) => writer.after(&keys, decode(cursor, &kinds)?),
        };
        let orders: Vec<_> = keys
            .iter()
            .map(|key| format!("{}{}", key.sql, if key.descending { " DESC" } else { "" }))
            .collect();
        let keys: Vec<_> = keys.into_iter().map(|key| key.sql).collect();
        let limit = if search.limit == 0 {
            100
        } else {
            search.limit as usize
        };
        let sql = format!(
            "SELECT {}, {} FROM (SELECT {} FROM {} r WHERE {}) s WHERE {after} ORDER BY {} LIMIT {}",
            columns(R::FIELDS),
            keys.join(", "),
            inner.join(", "),
            R::TABLE,
            wheres.join(" AND "),
            orders.join(", "),
            limit + 1,
        );
        let mut rows = self.rows(&sql, &writer.params, |cols| {
            let record = R::read(cols)?;
            let keys = kinds
                .iter()
                .map(|kind| read_key(cols, *kind))
                .collect::<Result<Vec<_>>>()?;
            Ok((record, keys))
        })?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(|(_, keys)| encode(keys));
        Ok(Page {
            items: rows.into_iter().map(|(record, _)| record).collect(),
            next,
        })
    }
}
