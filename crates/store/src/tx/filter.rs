//! Builds the WHERE, ORDER BY and LIMIT of a listing from what its filter asks for.

use super::column::{Param, Value};

/// Clauses joined by AND, with their values.
#[derive(Default)]
pub(crate) struct Filter<'v> {
    clauses: Vec<String>,
    params: Vec<Value<'v>>,
}

impl<'v> Filter<'v> {
    /// Adds a clause that has one `?`.
    pub(crate) fn and(&mut self, clause: &str, value: Value<'v>) -> &mut Self {
        self.params.push(value);
        self.clauses
            .push(clause.replacen('?', &format!("?{}", self.params.len()), 1));
        self
    }

    /// Adds the clause when there is a value.
    pub(crate) fn some<P: Param>(&mut self, clause: &str, value: Option<&'v P>) -> &mut Self {
        if let Some(value) = value {
            self.and(clause, value.value());
        }
        self
    }

    /// Adds a clause without a value.
    pub(crate) fn plain(&mut self, clause: &str) -> &mut Self {
        self.clauses.push(clause.to_owned());
        self
    }

    /// Adds `column IN (values)` when there is any value.
    pub(crate) fn any<P: Param>(&mut self, column: &str, values: &'v [P]) -> &mut Self {
        if !values.is_empty() {
            let first = self.params.len() + 1;
            self.params.extend(values.iter().map(Param::value));
            let marks: Vec<_> = (first..=self.params.len())
                .map(|n| format!("?{n}"))
                .collect();
            self.clauses
                .push(format!("{column} IN ({})", marks.join(", ")));
        }
        self
    }

    /// The text from WHERE on, and the values. A limit of 0 means `otherwise`.
    pub(crate) fn finish(
        self,
        order: &str,
        limit: u32,
        otherwise: u32,
    ) -> (String, Vec<Value<'v>>) {
        let wheres = if self.clauses.is_empty() {
            String::new()
        } else {
            format!("WHERE {} ", self.clauses.join(" AND "))
        };
        let limit = if limit == 0 { otherwise } else { limit };
        (
            format!("{wheres}ORDER BY {order} LIMIT {limit}"),
            self.params,
        )
    }
}

/// The pattern that finds texts which start with `prefix`, for `LIKE ? ESCAPE '!'`.
pub(crate) fn starts_with(prefix: &str) -> String {
    let mut pattern = String::with_capacity(prefix.len() + 1);
    for letter in prefix.chars() {
        if matches!(letter, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(letter);
    }
    pattern.push('%');
    pattern
}
