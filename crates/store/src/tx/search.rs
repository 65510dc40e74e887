//! Turns a [`Search`] into one statement: clauses, sort keys, and a page that starts after a key.
//!
//! What a field means is told by each kind of record, as an [`Expr`] over its table. Missing
//! values sort last in both directions, NaN just before them. Times are compared in MLflow's
//! milliseconds.
//!
//! Two things keep a page fast where there are a million records, and neither is left to the
//! database, which knows nothing of the values. A clause that few records match is looked up
//! first, by an index ([`Searchable::rare`]). An order that an index has is walked along it, and
//! the page ends the walk ([`Searchable::segment`]).

use super::column::Value;
use super::compare::{Kind, like, number_value, sign};
use super::keyset::{Key, behind, decode, encode, read_key};
use super::record::{Record, columns};
use super::{Dialect, Tx};
use crate::error::{Error, Result};
use crate::search::{Clause, Field, Op, Operand, Order, Page, Search};

/// A field as SQL. Each `?` stands for the next of `keys`.
#[derive(Debug, Clone)]
pub(crate) struct Expr {
    pub(crate) sql: String,
    pub(crate) kind: Kind,
    pub(crate) keys: Vec<String>,
    /// Whether the value is NaN, when it can be.
    pub(crate) nan: Option<String>,
    /// How clauses compare with any of several values, in place of the one.
    pub(crate) any: Option<Any>,
}

/// A comparison with any of several values.
#[derive(Debug, Clone)]
pub(crate) struct Any {
    /// The condition around it; `@` stands for the comparison, each `?` for the next of the keys.
    pub(crate) frame: String,
    /// One of the values, and whether it is NaN, when it can be.
    pub(crate) value: String,
    pub(crate) nan: Option<String>,
}

impl Expr {
    pub(crate) fn column(sql: &str, kind: Kind) -> Self {
        Self {
            sql: sql.to_owned(),
            kind,
            keys: Vec::new(),
            nan: None,
            any: None,
        }
    }

    /// The value that a subquery with one `?` finds for a key.
    pub(crate) fn keyed(sql: &str, key: &str, kind: Kind) -> Self {
        Self {
            keys: vec![key.to_owned()],
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
    /// The only column of the table's key, where clauses or orders have an index.
    const KEY_COLUMN: &'static str = "";

    /// The keys of all records of these owners that match the clause, as a SELECT that an index
    /// answers; none where there is no such index.
    fn rare(_writer: &mut Writer, _clause: &Clause, _owners: &[Value<'static>]) -> Option<String> {
        None
    }

    /// The records of one owner (`?1`) by rank in the order of the field, as an index has them;
    /// none where there is no such index.
    fn segment(_writer: &mut Writer, _field: &Field, _rank: i64) -> Option<Segment> {
        None
    }
}

/// The records that have one rank in an order: 0 a value, 1 NaN, 2 none.
pub(crate) struct Segment {
    /// The tables, `r` among them.
    pub(crate) from: &'static str,
    /// What ties them together.
    pub(crate) condition: String,
    /// The value by which the index is sorted; rank 0 has one.
    pub(crate) value: Option<Expr>,
}

/// Whose records are searched: a condition with the marks `?1` to `?n` for its values.
struct Base<'b> {
    condition: &'b str,
    params: Vec<Value<'static>>,
}

/// So many records are looked up one by one rather than come across in the order of a page.
const FEW: i64 = if cfg!(test) { 3 } else { 2000 };

/// A statement that is being written.
pub(crate) struct Writer {
    params: Vec<Value<'static>>,
    dialect: Dialect,
}

impl Writer {
    /// A statement with these values so far.
    pub(crate) fn new(params: Vec<Value<'static>>, dialect: Dialect) -> Self {
        Self { params, dialect }
    }

    /// The mark that stands for the value.
    pub(crate) fn mark(&mut self, value: Value<'static>) -> String {
        self.params.push(value);
        format!("?{}", self.params.len())
    }

    /// The expression with its keys' places filled in.
    fn place(&mut self, sql: &str, expr: &Expr) -> String {
        let mut parts = sql.split('?');
        let mut placed = parts.next().unwrap_or_default().to_owned();
        for (part, key) in parts.zip(&expr.keys) {
            placed += &self.mark(Value::Text(key.clone().into()));
            placed += part;
        }
        placed
    }

    /// Where missing values go: behind NaN, which is behind all others.
    fn rank(&mut self, expr: &Expr) -> String {
        let nan = match &expr.nan {
            Some(nan) => self.place(nan, expr),
            None => "0".to_owned(),
        };
        let value = self.place(&expr.sql, expr);
        format!("CASE WHEN {value} IS NOT NULL THEN 0 WHEN {nan} = 1 THEN 1 ELSE 2 END")
    }

    fn clause(&mut self, expr: &Expr, clause: &Clause) -> Result<String> {
        let (value, nan) = match &expr.any {
            Some(any) => (any.value.clone(), any.nan.clone()),
            None => (
                self.place(&expr.sql, expr),
                (clause.op == Op::Ne)
                    .then(|| expr.nan.as_ref().map(|nan| self.place(nan, expr)))
                    .flatten(),
            ),
        };
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
                    // In no list is nothing, and outside of it whatever there is.
                    format!("({value} IS NOT NULL AND {not}1 = 0)")
                } else {
                    format!("{value} {not}IN ({})", marks.join(", "))
                }
            }
            (Op::Like | Op::ILike, Operand::Text(text)) => {
                let mark = self.mark(Value::Text(text.clone().into()));
                like(clause.op, &value, &mark, self.dialect)
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
                let compared = format!("{value} {sign} {}", self.mark(operand));
                // NaN is unlike every number.
                match nan.filter(|_| op == Op::Ne) {
                    Some(nan) => format!("({compared} OR {nan} = 1)"),
                    None => compared,
                }
            }
        };
        Ok(match &expr.any {
            Some(any) => self.place(&any.frame, expr).replacen('@', &compared, 1),
            None => compared,
        })
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

/// One statement of a search: all of it, or one segment of its first order.
struct Part<'s> {
    search: &'s Search,
    base: &'s Base<'s>,
    /// The clause by which the records are looked up.
    rare: Option<&'s Clause>,
    /// The rank of the segment.
    rank: Option<i64>,
    /// Where the last page ended, if it ended in this part.
    after: Option<Vec<Value<'static>>>,
    limit: usize,
}

/// A record and its place in the order.
type Placed<R> = (R, Vec<Value<'static>>);

impl Tx<'_> {
    /// A page of the records that match the search and also `base`, a condition over `r` with
    /// the marks `?1` to `?n` for its values. `@` in it stands before a column of which no index
    /// is wanted once the records are looked up by another.
    pub(crate) fn search<R: Searchable>(
        &mut self,
        base: &str,
        base_params: Vec<Value<'static>>,
        search: &Search,
    ) -> Result<Page<R>> {
        let base = &Base {
            condition: base,
            params: base_params,
        };
        let limit = match search.limit {
            0 => 100,
            limit => limit as usize,
        };
        let mut after = match &search.after {
            None => None,
            Some(cursor) => Some(decode(cursor, &kinds::<R>(search)?)?),
        };
        let rare = self.rarest::<R>(base, search)?;
        let mut rows: Vec<Placed<R>> = Vec::new();
        for rank in self.ranks::<R>(base, search, rare) {
            if let (Some(rank), Some([Value::Int(reached), ..])) = (rank, after.as_deref())
                && rank < *reached
            {
                continue;
            }
            let part = Part {
                search,
                base,
                rare,
                rank,
                after: after.take(),
                limit: limit + 1 - rows.len(),
            };
            rows.extend(self.part(&part)?);
            if rows.len() > limit {
                break;
            }
        }
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(|(_, keys)| encode(keys));
        Ok(Page {
            items: rows.into_iter().map(|(record, _)| record).collect(),
            next,
        })
    }

    /// A clause that few records match, if there is one.
    fn rarest<'s, R: Searchable>(
        &mut self,
        base: &Base<'_>,
        search: &'s Search,
    ) -> Result<Option<&'s Clause>> {
        let walked = search.order.first().map(|first| &first.field);
        let walks = self.walks::<R>(base, search);
        for clause in &search.clauses {
            // The walk along an order begins where its own clause does.
            if walks && walked == Some(&clause.field) {
                continue;
            }
            let mut writer = Writer::new(Vec::new(), self.dialect());
            let Some(found) = R::rare(&mut writer, clause, &base.params) else {
                continue;
            };
            let sql = format!("SELECT COUNT(*) FROM ({found} LIMIT {}) f", FEW + 1);
            let count: Option<i64> = self.single(&sql, &writer.params)?;
            if count.is_some_and(|count| count <= FEW) {
                return Ok(Some(clause));
            }
        }
        Ok(None)
    }

    /// The parts of the search, in order: each segment that can match, or all at once.
    fn ranks<R: Searchable>(
        &mut self,
        base: &Base<'_>,
        search: &Search,
        rare: Option<&Clause>,
    ) -> Vec<Option<i64>> {
        let walked = rare.is_none() && self.walks::<R>(base, search);
        let Some(first) = search.order.first().filter(|_| walked) else {
            return vec![None];
        };
        // What is compared has a value.
        let compared = search
            .clauses
            .iter()
            .any(|clause| clause.field == first.field && sign(clause.op).is_some());
        let last = if compared { 1 } else { 2 };
        (0..=last).map(Some).collect()
    }

    /// Whether an index has the order of the search, for the records of one owner.
    fn walks<R: Searchable>(&self, base: &Base<'_>, search: &Search) -> bool {
        let mut writer = self.writer(base);
        base.params.len() == 1
            && search
                .order
                .first()
                .is_some_and(|first| R::segment(&mut writer, &first.field, 0).is_some())
    }

    fn writer(&self, base: &Base<'_>) -> Writer {
        Writer::new(base.params.clone(), self.dialect())
    }

    /// The first records of one part.
    fn part<R: Searchable>(&mut self, part: &Part<'_>) -> Result<Vec<Placed<R>>> {
        let Part { search, base, .. } = part;
        let mut writer = self.writer(base);
        let segment = match (part.rank, search.order.first()) {
            (Some(rank), Some(first)) => R::segment(&mut writer, &first.field, rank),
            _ => None,
        };
        let looked_up = part.rare.and_then(|clause| {
            R::rare(&mut writer, clause, &base.params)
                .map(|found| format!("r.\"{}\" IN ({found})", R::KEY_COLUMN))
        });
        let by_index = if looked_up.is_some() { "+" } else { "" };
        let mut wheres = vec![base.condition.replace('@', by_index)];
        wheres.extend(looked_up);
        wheres.extend(segment.as_ref().map(|segment| segment.condition.clone()));
        for clause in &search.clauses {
            let walked = segment
                .as_ref()
                .and_then(|segment| segment.value.clone())
                .filter(|_| search.order[0].field == clause.field);
            let expr = match walked {
                Some(value) => value,
                None => R::expr(&clause.field).ok_or_else(|| unknown(&clause.field))?,
            };
            wheres.push(writer.clause(&expr, clause)?);
        }
        let (mut inner, mut keys, mut fixed) = (vec!["r.*".to_owned()], Vec::new(), Vec::new());
        for (n, Order { field, descending }) in search.order.iter().enumerate() {
            let key = |column: &str, descending| Key {
                sql: format!("s.{column}{n}"),
                descending,
            };
            match (&segment, part.rank) {
                (Some(segment), Some(rank)) if n == 0 => {
                    fixed.push(Value::Int(rank));
                    match &segment.value {
                        Some(value) => {
                            inner.push(format!("{} AS key0", value.sql));
                            keys.push(key("key", *descending));
                        }
                        None => fixed.push(Value::Null),
                    }
                }
                _ => {
                    let expr = R::expr(field).ok_or_else(|| unknown(field))?;
                    inner.push(format!("{} AS rank{n}", writer.rank(&expr)));
                    inner.push(format!("{} AS key{n}", writer.place(&expr.sql, &expr)));
                    keys.push(Key {
                        sql: format!("CAST(s.rank{n} AS BIGINT)"),
                        descending: false,
                    });
                    keys.push(key("key", *descending));
                }
            }
        }
        keys.extend(R::TIES.iter().map(|(tie, _, descending)| Key {
            sql: format!("s.\"{tie}\""),
            descending: *descending,
        }));
        let after = match &part.after {
            None => "1 = 1".to_owned(),
            Some(values) => {
                let values = values[fixed.len()..].to_vec();
                behind(&keys, values, &mut |value| writer.mark(value))
            }
        };
        let orders: Vec<_> = keys
            .iter()
            .map(|key| format!("{}{}", key.sql, if key.descending { " DESC" } else { "" }))
            .collect();
        let selected: Vec<_> = keys.into_iter().map(|key| key.sql).collect();
        let from = match &segment {
            Some(segment) => segment.from.to_owned(),
            None => format!("{} r", R::TABLE),
        };
        let sql = format!(
            "SELECT {}, {} FROM (SELECT {} FROM {from} WHERE {}) s WHERE {after} ORDER BY {} LIMIT {}",
            columns(R::FIELDS),
            selected.join(", "),
            inner.join(", "),
            wheres.join(" AND "),
            orders.join(", "),
            part.limit,
        );
        let kinds = kinds::<R>(search)?;
        self.rows(&sql, &writer.params, |cols| {
            let record = R::read(cols)?;
            let mut place = fixed.clone();
            for kind in &kinds[fixed.len()..] {
                place.push(read_key(cols, *kind)?);
            }
            Ok((record, place))
        })
    }
}

/// The kinds of the keys that make a record's place: of each order its rank and value, then the
/// tie-break.
fn kinds<R: Searchable>(search: &Search) -> Result<Vec<Kind>> {
    let mut kinds = Vec::new();
    for Order { field, .. } in &search.order {
        let expr = R::expr(field).ok_or_else(|| unknown(field))?;
        kinds.extend([Kind::Integer, expr.kind]);
    }
    kinds.extend(R::TIES.iter().map(|(_, kind, _)| *kind));
    Ok(kinds)
}
