//! A page of a search of traces: its order, and where it starts.

use super::rows::TraceRow;
use super::search::Writer;
use crate::error::Result;
use crate::search::Page;
use crate::traces::{TraceOrder, TraceSearch};
use crate::tx::Tx;
use crate::tx::compare::Kind;
use crate::tx::keyset::{Key, behind, decode, encode, read_key};
use crate::tx::record::{Record as _, columns};

impl Tx<'_> {
    pub(super) fn find_traces(
        &mut self,
        project: &str,
        experiments: &[String],
        search: &TraceSearch,
    ) -> Result<Page<TraceRow>> {
        let mut writer = Writer::new(self.dialect(), project, experiments);
        let wheres = writer.wheres(&search.clauses)?;
        let (mut inner, mut keys, mut kinds) = (vec!["t.*".to_owned()], Vec::new(), Vec::new());
        for (n, TraceOrder { field, descending }) in search.order.iter().enumerate() {
            let (sql, kind) = writer.sorted(field);
            inner.push(format!("{sql} AS key{n}"));
            keys.push(Key {
                sql: format!("CASE WHEN f.key{n} IS NULL THEN 1 ELSE 0 END"),
                descending: false,
            });
            keys.push(Key {
                sql: format!("f.key{n}"),
                descending: *descending,
            });
            kinds.extend([Kind::Integer, kind]);
        }
        for (name, kind, descending) in [
            ("request_time", Kind::Time, true),
            ("trace_id", Kind::Text, false),
        ] {
            keys.push(Key {
                sql: format!("f.\"{name}\""),
                descending,
            });
            kinds.push(kind);
        }
        let after = match &search.after {
            None => "1 = 1".to_owned(),
            Some(cursor) => behind(&keys, decode(cursor, &kinds)?, &mut |value| {
                writer.mark(value)
            }),
        };
        let limit = if search.limit == 0 { 100 } else { search.limit };
        let sql = format!(
            "SELECT {}, {} FROM (SELECT {} FROM traces t WHERE {wheres}) f WHERE {after} ORDER BY {} LIMIT {limit}",
            columns(TraceRow::FIELDS),
            keys.iter()
                .map(|key| key.sql.as_str())
                .collect::<Vec<_>>()
                .join(", "),
            inner.join(", "),
            keys.iter()
                .map(|key| format!("{}{}", key.sql, if key.descending { " DESC" } else { "" }))
                .collect::<Vec<_>>()
                .join(", "),
        );
        let rows = self.rows(&sql, &writer.params, |cols| {
            let row = TraceRow::read(cols)?;
            let values: Result<Vec<_>> = kinds.iter().map(|kind| read_key(cols, *kind)).collect();
            Ok((row, values?))
        })?;
        let full = rows.len() >= limit as usize;
        let next = rows
            .last()
            .filter(|_| full)
            .map(|(_, values)| encode(values));
        Ok(Page {
            items: rows.into_iter().map(|(row, _)| row).collect(),
            next,
        })
    }
}
